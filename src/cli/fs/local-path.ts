// Why: files of this host in commands: how their paths are written and shown, and what the system's
// errors mean. Pure.
import { resolve } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { usageError } from '../frame/exit-codes.ts'

/**
 * An absolute path from `dir/file`, `/dir/file` or `file:///dir/file`. @throws SkeinError
 * invalid_argument (usage)
 */
export function localPath(text: string): string {
  const path = text.replace(/^file:\/\/(?=\/)/, '')
  if (path === '' || path.includes('\0')) throw usageError('the local path is empty or has a NUL character')
  return resolve(path)
}

/** `file:///dir/file`, as Alluxio shows it: nothing is encoded. */
export function localUri(path: string): string {
  return `file://${path}`
}

const meanings: Readonly<Record<string, readonly [ConstructorParameters<typeof SkeinError>[0], string]>> = {
  ENOENT: ['not_found', 'does not exist'],
  EEXIST: ['already_exists', 'exists'],
  ENOTDIR: ['failed_precondition', 'has a parent that is not a directory'],
  EISDIR: ['failed_precondition', 'is a directory'],
  ENOTEMPTY: ['failed_precondition', 'is a directory'],
  EACCES: ['permission_denied', 'is not accessible: permission denied'],
  EPERM: ['permission_denied', 'is not accessible: permission denied'],
  EROFS: ['permission_denied', 'is on a read-only file system'],
  ENAMETOOLONG: ['invalid_argument', 'has a name that is too long for this file system'],
  ELOOP: ['failed_precondition', 'has a loop of symbolic links'],
  ENOSPC: ['resource_exhausted', 'does not fit: the disk is full'],
  EDQUOT: ['resource_exhausted', 'does not fit: the quota is used up'],
}

/** An error of node:fs about `path` as a SkeinError; a SkeinError and what has no code as it is. */
export function localError(path: string, thrown: unknown): unknown {
  const code =
    thrown instanceof Error && !(thrown instanceof SkeinError) ? (thrown as NodeJS.ErrnoException).code : undefined
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return thrown
  const [skeinCode, meaning] = meanings[code] ?? ['failed_precondition', `cannot be used (${code})`]
  return new SkeinError(skeinCode, `${localUri(path)} ${meaning}`, { cause: thrown })
}

/** Does `work` with `path`; errors of node:fs become SkeinErrors that name it. */
export async function onLocal<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (thrown) {
    throw localError(path, thrown)
  }
}
