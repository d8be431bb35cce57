// Why: many operations of Hadoop ask first what is at a path, and nothing being there is no error.
import { isSkeinError } from '../../../base/errors.ts'
import type { FileStatus, FileSystem } from '../../../client/file-system.ts'

/** What is at the path; undefined: nothing, also where its namespace does not exist. */
export async function found(
  fileSystem: FileSystem,
  path: string,
  signal: AbortSignal,
): Promise<FileStatus | undefined> {
  try {
    return await fileSystem.stat(path, { signal })
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found')) return undefined
    throw thrown
  }
}

/** The path without slashes at its end. */
export function withoutSlash(path: string): string {
  return path.replace(/\/+$/, '') || '/'
}

export function parentOf(path: string): string {
  const plain = withoutSlash(path)
  return plain.slice(0, plain.lastIndexOf('/')) || '/'
}

export function nameOf(path: string): string {
  const plain = withoutSlash(path)
  return plain.slice(plain.lastIndexOf('/') + 1)
}
