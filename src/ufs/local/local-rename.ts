// Why: rename(2) replaces an existing target, and moves whatever file the source is at that moment.
// How: link(2) gives the file its second name and fails if that name exists. Then the first name is
// removed, if it is still the same file. A crash in between leaves one file with two names, and the
// next call completes the rename.
import { link, lstat, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { localEtag } from './local-version.ts'
import {
  checkKey,
  directoryInside,
  exists,
  existsError,
  hasCode,
  isWithoutLinks,
  placeFor,
  pruneDirectories,
  syncDirectory,
  syncSource,
  temporaryBeside,
  versionToReplace,
  writeError,
} from './local-writer.ts'
import { changedError } from '../rename-by-copy.ts'
import type { ReplacingVersions } from '../under-file-system.ts'

/**
 * Moves the version `etag` of `from` to `to`. The caller has looked up that version.
 * @throws see UnderFileSystem.rename
 */
export async function renameLocal(root: string, from: string, to: string, etag: string): Promise<void> {
  checkKey(from)
  const source = join(root, from)
  const target = await placeFor(root, to)
  try {
    const sourceDirectory = await directoryInside(root, dirname(source))
    const move = { from, source, target, etag }
    const second = await giveSecondName(move)
    if (second !== undefined) await takeFirstName(move, second)
    await syncDirectory(dirname(target))
    if (sourceDirectory === dirname(target)) return
    await syncSource(sourceDirectory)
    await pruneDirectories(root, sourceDirectory)
  } catch (thrown) {
    if (thrown instanceof SkeinError) throw thrown
    // If the source exists, another process removed an empty directory in the meantime.
    const isGone = hasCode(thrown, 'ENOENT', 'ENOTDIR') && !(await exists(source))
    throw isGone ? new SkeinError('not_found', `${source} does not exist`) : writeError(target, thrown)
  }
}

/**
 * Moves the version of `from` to the place of a version of `to`. The caller has looked up the first
 * one. How: the source gets a second, temporary name beside the target, which rename(2) then gives
 * the target's name in one step.
 * @throws see UnderFileSystem.renameOver
 */
export async function renameOverLocal(
  root: string,
  from: string,
  to: string,
  { etag, replaces }: ReplacingVersions,
): Promise<void> {
  checkKey(from)
  const source = join(root, from)
  const target = await placeFor(root, to)
  try {
    const sourceDirectory = await directoryInside(root, dirname(source))
    const inode = await takePlace({ from, source, target, etag }, replaces)
    await syncDirectory(dirname(target))
    // What another process has put at the first name stays there.
    if (inode !== undefined && (await inodeAt(source).catch(() => undefined)) === inode) await unlink(source)
    if (sourceDirectory !== dirname(target)) await syncSource(sourceDirectory)
    await pruneDirectories(root, sourceDirectory)
  } catch (thrown) {
    if (thrown instanceof SkeinError) throw thrown
    const isGone = hasCode(thrown, 'ENOENT', 'ENOTDIR') && !(await exists(source))
    throw isGone ? new SkeinError('not_found', `${source} does not exist`) : writeError(target, thrown)
  }
}

/**
 * @returns the inode that has both names now; undefined when the first name no longer exists
 */
async function takePlace({ from, source, target, etag }: Move, replaces: string): Promise<bigint | undefined> {
  const temporary = temporaryBeside(target)
  try {
    await link(source, temporary)
  } catch (thrown) {
    if (!isWithoutLinks(thrown)) throw thrown
    if (!(await versionToReplace(target, replaces))) throw changedError(target)
    await rename(source, target)
    return undefined
  }
  try {
    if ((await etagAt(temporary)) !== etag) throw changedError(from)
    const inode = await inodeAt(temporary)
    // An interrupted call may have replaced it: rename(2) does nothing with two names of one file.
    if ((await inodeAt(target)) === inode) await unlink(temporary)
    else if (await versionToReplace(target, replaces)) await rename(temporary, target)
    else throw changedError(target)
    return inode
  } catch (thrown) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw thrown
  }
}

interface Move {
  readonly from: string
  readonly source: string
  readonly target: string
  readonly etag: string
}

interface SecondName {
  readonly inode: bigint
  /** Whether this call created the second name. */
  readonly isOwn: boolean
}

/** @returns undefined when the first name no longer exists */
async function giveSecondName({ from, source, target, etag }: Move): Promise<SecondName | undefined> {
  try {
    await link(source, target)
    return { inode: await inodeAt(target), isOwn: true }
  } catch (thrown) {
    if (hasCode(thrown, 'EEXIST')) {
      // An interrupted call created it. A symbolic link to the source has another inode.
      const inode = await inodeAt(target)
      if (inode === (await inodeAt(source))) return { inode, isOwn: false }
      throw existsError(target)
    }
    if (!isWithoutLinks(thrown)) throw thrown
  }
  // The file system has no hard links. A check before rename(2) is the best that is possible.
  if (await exists(target)) throw existsError(target)
  await rename(source, target)
  if ((await etagAt(target)) === etag) return undefined
  if (!(await exists(source))) await rename(target, source)
  throw changedError(from)
}

async function takeFirstName({ from, source, target, etag }: Move, { inode, isOwn }: SecondName): Promise<void> {
  try {
    await syncDirectory(dirname(target))
    if ((await etagAt(target)) !== etag || (await inodeAt(source)) !== inode) throw changedError(from)
    await unlink(source)
  } catch (thrown) {
    // Another process removed the first name. The second name may be the only one left.
    if (!(await exists(source))) return
    if (isOwn && (await inodeAt(target).catch(() => undefined)) === inode) await unlink(target)
    throw thrown
  }
}

async function inodeAt(path: string): Promise<bigint> {
  return (await lstat(path, { bigint: true })).ino
}

async function etagAt(path: string): Promise<string> {
  return localEtag(await stat(path, { bigint: true }))
}
