// Why: two spellings of one directory must be seen as one before anything is made, so also of a
// directory that is not there yet. How: the deepest part of the path that is there, without
// symbolic links, and the rest as it is written.
import { lstatSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

export interface RealPath {
  /** Without symbolic links, as far as it is there. */
  readonly path: string
  /** The deepest part of it that is there. */
  readonly existing: string
}

/** @throws Error with the system's code; ELOOP also for a symbolic link that leads nowhere */
export function realPathOf(path: string): RealPath {
  let missing = ''
  for (let at = resolve(path); ; at = dirname(at)) {
    try {
      const existing = realpathSync(at)
      return { path: join(existing, missing), existing }
    } catch (thrown) {
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') || dirname(at) === at) throw thrown
      if (lstatSync(at, { throwIfNoEntry: false }) !== undefined)
        throw Object.assign(new Error(`${at} leads nowhere`), { code: 'ELOOP' })
      missing = join(basename(at), missing)
    }
  }
}
