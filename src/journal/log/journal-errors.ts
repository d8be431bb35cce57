// Why: an error of the journal must tell the operator what to do. How: one function per kind of
// error.
import { SkeinError } from '../../base/errors.ts'

export function closedError(directory: string): SkeinError {
  return new SkeinError('failed_precondition', `the journal in ${directory} is closed`)
}

export function diskError(directory: string, thrown: unknown): SkeinError {
  const code = errorCodeOf(thrown)
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new SkeinError(
    full ? 'resource_exhausted' : 'unavailable',
    full
      ? `the disk of the journal in ${directory} is full (${code}): free some space, then restart`
      : `the journal in ${directory} could not be written (${code}): check the disk, then restart`,
    { reason: 'journal_broken', retryable: false, cause: thrown },
  )
}

export function fencedError(): SkeinError {
  return new SkeinError('aborted', 'another term has begun', { reason: 'fenced', retryable: false })
}

/** The code of an error of node:fs. */
export function errorCodeOf(thrown: unknown): string {
  const { code } = thrown as { code?: unknown }
  return typeof code === 'string' ? code : String(thrown)
}
