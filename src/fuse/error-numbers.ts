// Why: programs get numbers (errno) for what went wrong. How: one table from the errors of the
// file system; what a door refuses by itself is thrown as an ErrnoError. Pure.
import { constants } from 'node:os'
import { type ErrorCode, toSkeinError } from '../base/errors.ts'

export type ErrnoName =
  | 'EACCES'
  | 'EBADF'
  | 'EBUSY'
  | 'EEXIST'
  | 'EINTR'
  | 'EINVAL'
  | 'EIO'
  | 'EISDIR'
  | 'ENOENT'
  | 'ENOSPC'
  | 'ENOSYS'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'EOPNOTSUPP'
  | 'EPERM'
  | 'EROFS'
  | 'ESTALE'
  | 'EXDEV'

/** Ends a call with exactly this number. */
export class ErrnoError extends Error {
  override readonly name = 'ErrnoError'
  readonly errno: ErrnoName

  constructor(errno: ErrnoName, message: string) {
    super(message)
    this.errno = errno
  }
}

const ofCodes: Readonly<Record<ErrorCode, ErrnoName>> = {
  invalid_argument: 'EINVAL',
  not_found: 'ENOENT',
  already_exists: 'EEXIST',
  permission_denied: 'EACCES',
  unauthenticated: 'EACCES',
  failed_precondition: 'EPERM',
  resource_exhausted: 'ENOSPC',
  aborted: 'ESTALE',
  unavailable: 'EIO',
  deadline_exceeded: 'EIO',
  cancelled: 'EINTR',
  data_loss: 'EIO',
  unimplemented: 'EOPNOTSUPP',
  internal: 'EIO',
}

export function errnoOf(thrown: unknown): ErrnoName {
  if (thrown instanceof ErrnoError) return thrown.errno
  const error = toSkeinError(thrown)
  if (error.reason === 'read_only') return 'EROFS'
  if (error.reason === 'path_busy') return 'EBUSY'
  if (error.reason === 'is_directory') return 'EISDIR'
  return ofCodes[error.code]
}

export function errorNumber(errno: ErrnoName): number {
  return constants.errno[errno]
}
