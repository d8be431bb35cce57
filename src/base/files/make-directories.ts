// Why: `mkdir` with `recursive` never returns on file systems (such as /proc) that report a missing
// parent although the parent exists. How: create level by level, starting below the first existing
// directory, and try each level once.
import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Creates a directory and its missing parents. Succeeds if it exists.
 * @throws Error with the system's code
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
