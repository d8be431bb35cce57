// Why: `mkdir` with `recursive` never returns where a file system (such as /proc) says of a
// directory that is there that its child's parent is missing. How: level by level from the first
// that is there, each tried once.
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory with all above it that is missing; one that is there is fine. @throws Error
 * with the system's code
 */
export async function makeDirectories(path: string, mode: number): Promise<void> {
  const missing: string[] = []
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      await mkdir(at, { mode })
      break
    } catch (thrown) {
      if (codeOf(thrown) === 'EEXIST') break
      if (codeOf(thrown) !== 'ENOENT' || dirname(at) === at) throw thrown
      missing.push(at)
    }
  }
  for (const one of missing.toReversed()) {
    try {
      await mkdir(one, { mode })
    } catch (thrown) {
      if (codeOf(thrown) !== 'EEXIST') throw thrown
    }
  }
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
}
