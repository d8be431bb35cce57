// Why: a cluster keeps its id for ever, and a home without it must not become another cluster. How:
// a small file in the home, replaced as a whole; a new id is made only where there is no state yet.
import { randomUUID } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { SkeinError, toSkeinError } from '../../base/errors.ts'

/** Undefined: not there, or empty. */
export async function readClusterId(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim() || undefined
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw toSkeinError(error)
    return undefined
  }
}

/**
 * Made once, kept for ever. @throws SkeinError failed_precondition when there is a state, but not
 * of which cluster
 */
export function newClusterId(lastApplied: bigint, path: string): string {
  if (lastApplied === 0n) return randomUUID()
  const why = `${path} is missing, and the state beside it does not say of which cluster it is`
  const message = `${why}: put the file back, or restore a backup`
  throw new SkeinError('failed_precondition', message, { reason: 'home_incomplete' })
}

export async function writeClusterId(path: string, id: string): Promise<void> {
  await writeFile(`${path}.tmp`, id, { mode: 0o600, flush: true })
  await rename(`${path}.tmp`, path)
}
