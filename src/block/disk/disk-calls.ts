// Why: the block store's file calls, each as one trip to the thread pool, with errors in the
// house's words. How: Node's callback API and bare descriptors. Its promises API makes an object
// with a finalizer for each open file and costs about a third more of the main thread a small file.
import {
  close,
  closeSync,
  constants,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  open,
  read,
  rename,
  unlink,
  writev,
  type Stats,
} from 'node:fs'
import { SkeinError } from '../../base/errors.ts'

/** A new file that nobody else has: exclusive, no symbolic link followed, readable by its maker. */
export const newFileFlags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
/** Does not wait, should it be a pipe; of no effect on a file. */
export const readFileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

export function openFile(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, 0o600, (error, fd) => (error === null ? resolve(fd) : reject(error)))
  })
}

export function closeFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    close(fd, (error) => (error === null || error === undefined ? resolve() : reject(error)))
  })
}

/**
 * Closes a file that was only read, at once: it waits for no disk, and a trip to the thread pool
 * costs ten times as much.
 */
export function closeReadFile(fd: number): void {
  closeSync(fd)
}

export function statFile(fd: number): Promise<Stats> {
  return new Promise((resolve, reject) => {
    fstat(fd, (error, stats) => (error === null ? resolve(stats) : reject(error)))
  })
}

export function truncateFile(fd: number, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    ftruncate(fd, bytes, (error) => (error === null ? resolve() : reject(error)))
  })
}

/** Resolves when the disk has what was written, or renamed into a directory. */
export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(fd, (error) => (error === null ? resolve() : reject(error)))
  })
}

/** Resolves when the disk has the bytes that were written to a file. */
export function syncBytes(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error === null ? resolve() : reject(error)))
  })
}

/** Resolves when the disk has the names in a directory. */
export async function syncDirectory(path: string): Promise<void> {
  const fd = await openFile(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await syncFile(fd)
  } finally {
    await closeFile(fd)
  }
}

export function renameFile(from: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    rename(from, to, (error) => (error === null ? resolve() : reject(error)))
  })
}

/** Removes a file; one that is not there is fine. */
export function removeFile(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    unlink(path, (error) => (error === null || error.code === 'ENOENT' ? resolve() : reject(error)))
  })
}

/**
 * Writes all of the buffers from `position` on. @throws ENOSPC when the disk takes only a part of
 * them
 */
export async function writeFully(fd: number, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let left = buffers
  for (let at = position; left.length > 0;) {
    const written = await writeOnce(fd, left, at)
    if (written === 0) throw Object.assign(new Error('the disk took no more bytes'), { code: 'ENOSPC' })
    at += written
    left = withoutFirst(left, written)
  }
}

/** Reads up to `into.length` bytes from `position`; fewer only at the file's end. */
export async function readFully(fd: number, into: Uint8Array, position: number): Promise<number> {
  for (let done = 0; ;) {
    const count = await readOnce(fd, into, done, position + done)
    done += count
    if (count === 0 || done === into.length) return done
  }
}

/**
 * A file call's error as a SkeinError: disk full is resource_exhausted, permissions
 * failed_precondition, all else unavailable.
 */
export function diskError(thrown: unknown, doing: string): SkeinError {
  if (thrown instanceof SkeinError) return thrown
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'unknown error'
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new SkeinError('resource_exhausted', `${doing}: the disk is full`, { reason: 'disk_full', cause: thrown })
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new SkeinError('failed_precondition', `${doing}: not allowed (${code})`, {
      reason: 'disk_not_writable',
      cause: thrown,
    })
  }
  if (code === 'ENOTDIR' || code === 'EEXIST' || code === 'ELOOP') {
    return new SkeinError('failed_precondition', `${doing}: a part of the path is no directory (${code})`, {
      reason: 'not_a_directory',
      cause: thrown,
    })
  }
  return new SkeinError('unavailable', `${doing}: the disk failed (${code})`, { reason: 'disk_fault', cause: thrown })
}

/** Whether a thrown file error has one of these codes. */
export function hasErrno(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && 'code' in thrown && codes.includes(String(thrown.code))
}

function writeOnce(fd: number, buffers: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, buffers, position, (error, written) => (error === null ? resolve(written) : reject(error)))
  })
}

function readOnce(fd: number, into: Uint8Array, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, into, offset, into.length - offset, position, (error, count) =>
      error === null ? resolve(count) : reject(error),
    )
  })
}

function withoutFirst(buffers: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let skip = bytes
  for (const [index, buffer] of buffers.entries()) {
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(index + 1)]
    skip -= buffer.length
  }
  return []
}
