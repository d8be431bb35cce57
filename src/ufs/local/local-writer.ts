// Why: an object in a directory must be complete or absent, like an object in a bucket, also after
// a power failure. How: write a temporary file in the object's own directory, fsync it, rename it
// (or link it, if nothing may be replaced), and fsync the directory. Directories are created as
// needed and removed when they become empty. Links out of the root are not followed. Listings omit
// the temporary files.
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import {
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  unlink,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { keyProblem } from '../../base/paths.ts'
import { changedError } from '../rename-by-copy.ts'
import type { UploadConditions, WriteOptions } from '../under-file-system.ts'
import { localKeyProblem } from './local-key.ts'
import { localEtag } from './local-version.ts'

/** Writes the file of `key` below `root` (a real path). @throws see UnderFileSystem.write */
export async function writeLocal(
  root: string,
  key: string,
  length: number,
  chunks: AsyncIterable<Uint8Array>,
  options: WriteOptions,
  signal: AbortSignal,
): Promise<void> {
  const path = await placeFor(root, key)
  // Fail before the bytes are written, not after.
  if (!options.overwrite && (await exists(path))) throw existsError(path)
  if (options.replaces !== undefined) await versionToReplace(path, options.replaces)
  await throughTemporary(path, options, async (temporary) => {
    const file = await open(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o666,
    )
    try {
      await writeAll(file, length, chunks, signal)
      await file.sync()
    } finally {
      await file.close()
    }
    throwIfAborted(signal)
  })
}

/** @throws see UnderFileSystem.delete */
export async function deleteLocal(root: string, key: string): Promise<void> {
  checkKey(key)
  const directory = await directoryInside(root, dirname(join(root, key))).catch((thrown: unknown) => {
    if (hasCode(thrown, 'ENOENT', 'ENOTDIR')) return undefined
    throw thrown
  })
  if (directory === undefined) return
  const path = join(root, key)
  try {
    await unlink(path)
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return
    throw writeError(path, thrown)
  }
  await syncSource(directory)
  await pruneDirectories(root, directory)
}

/** Copies the file at `source` (a resolved path) to `key`. @throws see UnderFileSystem.copy */
export async function copyLocal(root: string, source: string | Buffer, key: string): Promise<void> {
  const path = await placeFor(root, key)
  await throughTemporary(path, { overwrite: true }, async (temporary) => {
    await copyFile(source, temporary, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    const file = await open(temporary, constants.O_RDWR | constants.O_NOFOLLOW)
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  })
}

/**
 * Syncs the directory that a file was removed from. Another process may have removed the directory
 * already.
 */
export async function syncSource(directory: string): Promise<void> {
  try {
    await syncDirectory(directory)
  } catch (thrown) {
    if (!hasCode(thrown, 'ENOENT')) throw thrown
  }
}

/**
 * Removes the directory if it is empty, and its parents if they become empty, because a bucket has
 * no directories. The root is never removed.
 */
export async function pruneDirectories(root: string, directory: string): Promise<void> {
  for (
    let path = directory;
    path !== root && path.startsWith(root.endsWith('/') ? root : `${root}/`);
    path = dirname(path)
  ) {
    try {
      await rmdir(path)
      await syncDirectory(dirname(path))
    } catch (thrown) {
      // The directory is not empty, or was removed already. Other failures are ignored.
      if (!hasCode(thrown, 'ENOENT')) return
    }
  }
}

async function throughTemporary(
  path: string,
  options: WriteOptions,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryBeside(path)
  try {
    await fill(temporary)
    await giveName(temporary, path, options)
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw thrown instanceof SkeinError ? thrown : writeError(path, thrown)
  }
  await syncDirectory(dirname(path))
}

/** Gives a temporary file its name. @throws already_exists, aborted, and what the system says */
export async function giveName(
  temporary: string,
  path: string,
  { overwrite, replaces }: UploadConditions,
): Promise<void> {
  const isThere = replaces === undefined || (await versionToReplace(path, replaces))
  if (overwrite && isThere) await rename(temporary, path)
  else await linkNew(temporary, path)
}

/** A name of its own, which listings omit. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.skein-write-${randomUUID()}`)
}

/**
 * @returns whether the version is there; false: no file is. @throws aborted when another one is
 */
export async function versionToReplace(path: string, etag: string): Promise<boolean> {
  try {
    if (localEtag(await stat(path, { bigint: true })) === etag) return true
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT', 'ENOTDIR')) return false
    throw thrown
  }
  throw changedError(path)
}

/** Renames the file to its final name, unless that name exists. */
async function linkNew(temporary: string, path: string): Promise<void> {
  try {
    await link(temporary, path)
  } catch (thrown) {
    if (hasCode(thrown, 'EEXIST')) throw existsError(path)
    if (!isWithoutLinks(thrown)) throw thrown
    // The file system has no hard links. A check before rename(2) is the best that is possible.
    if (await exists(path)) throw existsError(path)
    await rename(temporary, path)
    return
  }
  await unlink(temporary)
}

async function writeAll(
  file: FileHandle,
  length: number,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  let written = 0
  for await (const chunk of chunks) {
    throwIfAborted(signal)
    if (chunk.length > length - written)
      throw new SkeinError('invalid_argument', `the data has more than the announced ${length} bytes`)
    for (let from = 0; from < chunk.length;) {
      const { bytesWritten } = await file.write(chunk, from, chunk.length - from, written + from)
      from += bytesWritten
    }
    written += chunk.length
  }
  if (written < length)
    throw new SkeinError('invalid_argument', `the data has ${written} bytes instead of the announced ${length}`)
  const { size } = await file.stat()
  if (size !== length) throw new SkeinError('unavailable', `the file has ${size} bytes after ${length} were written`)
}

/** The path of a key. Creates the directories. @throws invalid_argument, failed_precondition */
export async function placeFor(root: string, key: string): Promise<string> {
  checkKey(key)
  const path = join(root, key)
  try {
    let made = root
    for (const name of key.split('/').slice(0, -1)) {
      const parent = made
      made = join(made, name)
      const fresh = await mkdir(made).then(
        () => true,
        (thrown: unknown) => {
          if (hasCode(thrown, 'EEXIST')) return false
          throw thrown
        },
      )
      if (fresh) await syncDirectory(parent)
      else await directoryInside(root, made)
    }
  } catch (thrown) {
    throw thrown instanceof SkeinError ? thrown : writeError(path, thrown)
  }
  return path
}

/**
 * The directory itself.
 * @throws failed_precondition when a link leads out of the root; ENOENT, ENOTDIR
 */
export async function directoryInside(root: string, path: string): Promise<string> {
  const real = await realpath(path)
  if (real === root || real.startsWith(root.endsWith('/') ? root : `${root}/`)) return path
  throw new SkeinError('failed_precondition', `${path} leads out of ${root}`)
}

export function checkKey(key: string): void {
  const problem = keyProblem(key) ?? localKeyProblem(key)
  if (problem !== undefined)
    throw new SkeinError('invalid_argument', `${JSON.stringify(key)} cannot be a file: ${problem}`)
}

export async function exists(path: string): Promise<boolean> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    await file.close()
    return true
  } catch (thrown) {
    return !hasCode(thrown, 'ENOENT', 'ENOTDIR')
  }
}

export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } catch (thrown) {
    // Some network file systems cannot sync a directory and do not need to.
    if (!hasCode(thrown, 'EINVAL', 'ENOTSUP')) throw writeError(path, thrown)
  } finally {
    await directory.close()
  }
}

export function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && 'code' in thrown && codes.includes(String(thrown.code))
}

/** Whether the file system, or this file, does not support hard links. */
export function isWithoutLinks(thrown: unknown): boolean {
  return hasCode(thrown, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')
}

export function existsError(path: string): SkeinError {
  return new SkeinError('already_exists', `${path} exists already`, { reason: 'object_exists' })
}

export function writeError(path: string, thrown: unknown): SkeinError {
  if (!(thrown instanceof Error) || !('code' in thrown)) throw thrown
  const code = String(thrown.code)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new SkeinError('resource_exhausted', `${path}: the disk is full (${code})`)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new SkeinError('permission_denied', `${path} may not be written (${code})`)
  if (code === 'ENOTDIR' || code === 'EISDIR' || code === 'ENOTEMPTY' || code === 'EEXIST')
    return new SkeinError(
      'failed_precondition',
      `${path} cannot be written: a file and a directory have the same name (${code})`,
    )
  if (code === 'ENAMETOOLONG')
    return new SkeinError('invalid_argument', `${path}: a name is too long for this file system`)
  return new SkeinError('unavailable', `${path} cannot be written (${code})`)
}
