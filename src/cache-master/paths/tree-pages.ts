// Why: what is done to a whole tree must not hold up the others, nor need memory for all of it.
// How: a page of entries at a time; whoever gets a page may change what is in it, the walk goes on
// behind its last key.
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { shownTree } from '../../meta/listed-range.ts'
import type { Place } from '../../meta/resolve-path.ts'
import { walk, type WalkPosition } from '../../meta/walk.ts'
import { directoryKey, takeEntries } from './file-look-up.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import type { PathLocator } from './path-locator.ts'

/** What a page and a command hold. */
export const entriesPerPage = 1000
/** Names that are counted in one turn of the event loop. */
const namesPerTurn = 5000

export type TreeEntry =
  | { readonly key: string; readonly file: FileInode; readonly directory?: never }
  | { readonly key: string; readonly directory: DirectoryInode; readonly file?: never }

/**
 * All below a directory, in key order, the directory itself not included.
 * @param all what is the doors', too; default: as shownTree
 */
export async function* treePages(
  context: MasterContext,
  directoryId: number,
  prefix: string,
  signal: AbortSignal,
  all = false,
): AsyncGenerator<readonly TreeEntry[]> {
  const directory = { id: directoryId, key: prefix }
  let after: WalkPosition | undefined
  for (;;) {
    const walked = all ? walk(context.tables, directoryId, prefix, after) : shownTree(context.tables, directory, after)
    const taken = takeEntries(walked, entriesPerPage)
    const entries: TreeEntry[] = []
    for (const { key, inodeId } of taken) {
      const inode = context.tables.inode(inodeId)
      if (inode?.kind === 'file') entries.push({ key, file: inode })
      else if (inode?.kind === 'directory') entries.push({ key, directory: inode })
    }
    yield entries
    after = taken.at(-1)
    if (taken.length < entriesPerPage) return
    await context.clock.sleep(0, signal)
  }
}

/** What is below a directory: names only, no inode is read. */
export async function countTree(
  context: MasterContext,
  directoryId: number,
  prefix: string,
  signal: AbortSignal,
): Promise<{ readonly files: number; readonly directories: number }> {
  let files = 0
  let directories = 0
  for (let after: WalkPosition | undefined; ;) {
    const taken = takeEntries(walk(context.tables, directoryId, prefix, after), namesPerTurn)
    for (const { folder } of taken) {
      if (folder) directories += 1
      else files += 1
    }
    if (taken.length < namesPerTurn) return { files, directories }
    after = taken.at(-1)
    await context.clock.sleep(0, signal)
  }
}

/** One file, or one directory with its key (empty, or ending in `/`). */
export interface Target {
  readonly record: NamespaceRecord
  /** Its path, with a slash at its end if the user wrote one. */
  readonly path: string
  readonly key: string
  readonly file: FileInode | undefined
  readonly directory: DirectoryInode | undefined
}

/**
 * THE RULE for every command that takes a path: a path names one thing. It is the object of exactly
 * this name where there is one, else the directory; with a slash at its end it is the directory.
 * (Only `ls` shows both where both are there.)
 * @throws SkeinError not_found, invalid_argument for `/` without a root mount (with `rootRefusal`)
 */
export async function targetOf(
  locator: PathLocator,
  pathText: string,
  rootRefusal: string,
  signal: AbortSignal,
  syncIntervalMs?: number,
): Promise<Target> {
  return targetAt(locator, locator.place(pathText, rootRefusal), signal, syncIntervalMs)
}

/** As targetOf, of a place. */
export async function targetAt(
  locator: PathLocator,
  place: Place,
  signal: AbortSignal,
  syncIntervalMs?: number,
): Promise<Target> {
  const { record, file, directory } = await locator.locate(place, signal, syncIntervalMs)
  const path = pathOf(record, place.key)
  if (file !== undefined) return { record, path, key: place.key, file, directory: undefined }
  return { record, path, key: directoryKey(place.key), file: undefined, directory }
}

/** Pages of the files of a target that a command changes: itself, or all below it. */
export async function* filesOf(
  context: MasterContext,
  target: Target,
  signal: AbortSignal,
): AsyncGenerator<readonly { key: string; file: FileInode }[]> {
  if (target.file !== undefined) yield [{ key: target.key, file: target.file }]
  if (target.directory === undefined) return
  for await (const page of treePages(context, target.directory.id, target.key, signal)) {
    yield page.flatMap(({ key, file }) => (file === undefined ? [] : [{ key, file }]))
  }
}
