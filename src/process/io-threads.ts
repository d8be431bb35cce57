// Why: at full speed a load's file writes keep every thread of libuv's pool busy copying, and on a
// machine with few cores the one thread that answers readers and calls waits for a core as often as
// each of them does. How: on Linux, where a thread has a niceness of its own, those threads give
// way. Elsewhere nothing is done: it is a matter of speed only.
import { readdir, readFile } from 'node:fs/promises'
import { setPriority } from 'node:os'

const tasksFolder = '/proc/self/task'
const poolThreadName = 'libuv-worker'
const niceness = 5

/** Call once the pool has been used: its threads begin together. */
export async function yieldToEventLoop(): Promise<void> {
  try {
    for (const thread of await readdir(tasksFolder)) {
      const name = await readFile(`${tasksFolder}/${thread}/comm`, 'utf8')
      if (name.trim() === poolThreadName) setPriority(Number(thread), niceness)
    }
  } catch {
    // No Linux, or not allowed.
  }
}
