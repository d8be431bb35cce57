// Why: two spellings of one directory must be recognized before anything is created, also if the
// directory does not exist yet. How: resolve the symbolic links of the deepest existing part of the
// path, and append the rest unchanged.
import { lstatSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

export interface RealPath {
  /** The path without symbolic links, as far as it exists. */
  readonly path: string
  /** The deepest existing part of the path. */
  readonly existing: string
}

/** @throws Error with the system's code; ELOOP also for a dangling symbolic link */
export function realPathOf(path: string): RealPath {
  let missing = ''
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      const existing = realpathSync(at)
      return { path: join(existing, missing), existing }
    } catch (thrown) {
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') || dirname(at) === at) throw thrown
      if (lstatSync(at, { throwIfNoEntry: false }) !== undefined)
        throw Object.assign(new Error(`${at} is a dangling symbolic link`), { code: 'ELOOP' })
      missing = join(basename(at), missing)
    }
  }
}
