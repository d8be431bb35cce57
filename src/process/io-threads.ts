// Why: at full speed, the file writes of a load keep all threads of libuv's pool busy. On a machine
// with few cores the event loop, which answers readers and calls, must then wait for a core as
// often as each of these threads. How: on Linux, where each thread has its own nice value, the
// priority of the pool threads is lowered. On other systems nothing is done; only speed depends on
// it.
import { readdir, readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'

const tasksFolder = '/proc/self/task'
const poolThreadName = 'libuv-worker'
const niceness = 5

/** Call this after the pool was first used, because all its threads start together. */
export async function yieldToEventLoop(): Promise<void> {
  try {
    for (const thread of await readdir(tasksFolder)) {
      const name = await readFile(`${tasksFolder}/${thread}/comm`, 'utf8')
      if (name.trim() === poolThreadName) setPriority(Number(thread), niceness)
    }
  } catch {
    // Not Linux, or not permitted.
  }
}
