// Why: a page of a store's listing must reach the journal only where it says something new, and
// what the listing leaves out must go. How: the known names of the page's range of keys, held
// against the page.
import { keyProblem } from '../../base/paths.ts'
import { blockCount, blocksPerFileMax } from '../../base/block-id.ts'
import { listedProblem } from '../commands/meta-command-checks.ts'
import type { ShownObject } from '../commands/listed-object.ts'
import { compareKeys } from '../edge-order.ts'
import { fileAt, directoryAt } from '../resolve-path.ts'
import type { DirectoryInode, FileInode, Tables } from '../meta-tables.ts'
import { isEmpty, isSameVersion } from './tree.ts'
import { walk, type WalkEntry } from '../walk.ts'

export interface PageRange {
  /**
   * The directory that is listed: its inode, undefined while it is unknown, and its key (empty, or
   * ending in `/`).
   */
  readonly directory: DirectoryInode | undefined
  readonly prefix: string
  /** The listing went on behind this key; undefined from the start. */
  readonly afterKey: string | undefined
  /** The page reaches up to this key, included; undefined to the end. */
  readonly upToKey: string | undefined
  /**
   * Whether what is known was made so by somebody who asked the store later: it is newer than the
   * page and stays.
   */
  readonly isYounger: (key: string, inodeId: number) => boolean
  /**
   * Whether a key was changed here since the store was asked: what the page says of it is out of
   * date.
   */
  readonly changed?: ((key: string) => boolean) | undefined
  /**
   * Whether the listing was blind for a key (unusable-names.ts): that it is not in the page says
   * nothing.
   */
  readonly covered?: ((key: string) => boolean) | undefined
}

/** One object of the page: what is to be said of it, and the file that it already is. */
export interface PageFile {
  readonly object: ShownObject
  readonly known: FileInode | undefined
  /** Not empty: it cannot be a file here. */
  readonly problem: string
}

export interface PageDiff {
  /** Objects in the page's order, without directory markers. */
  readonly files: readonly PageFile[]
  readonly markers: readonly string[]
  readonly removals: readonly string[]
  /** Directories that have no marker any more, or that the store shows nothing of. */
  readonly unmarked: readonly string[]
}

/**
 * Whether the object stands for a directory: no bytes, and a key that ends in `/` (or is the
 * namespace's prefix itself).
 */
export function isMarker(object: Pick<ShownObject, 'key' | 'length' | 'problem'>): boolean {
  return object.length === 0 && object.problem === undefined && (object.key === '' || object.key.endsWith('/'))
}

/** Why an object cannot become a file, or the empty string. */
export function objectProblem(
  object: Pick<ShownObject, 'key' | 'length' | 'etag' | 'problem' | 'doubt'>,
  blockSizeBytes: number,
): string {
  if (object.problem !== undefined) return object.problem
  if (object.doubt !== undefined) return object.doubt
  if (object.key === '') return 'the object has the name of the namespace itself'
  if (object.etag === '') return 'the store lists it without an ETag, so that its version cannot be held fast'
  const problem = keyProblem(object.key)
  if (problem !== undefined) return problem
  if (blockCount(object.length, blockSizeBytes) > blocksPerFileMax) {
    return `the object has more than ${blocksPerFileMax} blocks: give the namespace a larger block size`
  }
  return listedProblem(object)
}

/** Holds a page against what is known. Reads only. Objects out of order remove nothing. */
export function diffPage(
  tables: Tables,
  rootId: number,
  objects: readonly ShownObject[],
  range: PageRange,
  blockSizeBytes: number,
): PageDiff {
  const known = range.directory === undefined ? new Map<string, number>() : knownIn(tables, range.directory, range)
  const { changed } = range
  const files: PageFile[] = []
  const markers: string[] = []
  let ordered = true
  // The directory that is listed is not among its own entries.
  let prefixMarked = range.afterKey !== undefined || range.directory?.marker !== true
  let previous: string | undefined
  for (const object of objects) {
    if (previous !== undefined && compareKeys(previous, object.key) >= 0) ordered = false
    previous = object.key
    if (isMarker(object)) {
      known.delete(directoryMark + object.key)
      if (object.key === range.prefix) prefixMarked = true
      if (changed?.(object.key) === true) continue
      if (object.key !== '' && keyProblem(object.key) === undefined && !isMarked(tables, rootId, object.key))
        markers.push(object.key)
      continue
    }
    const inodeId = known.get(object.key)
    known.delete(object.key)
    const problem = objectProblem(object, blockSizeBytes)
    const inode = inodeId === undefined ? undefined : tables.inode(inodeId)
    const isChanged = changed?.(object.key) === true
    const isAsked = problem === '' && (!ordered || isChanged || range.directory === undefined)
    const file = inode?.kind === 'file' ? inode : isAsked ? fileAt(tables, rootId, object.key) : undefined
    // Removed since, or moved away.
    if (isChanged && problem === '' && file === undefined) continue
    const newer = file !== undefined && (isChanged || range.isYounger(object.key, file.id))
    const here = problem === '' && file?.persisted === false ? notPersistedProblem : problem
    files.push({
      object: newer && !isSameVersion(file, object) ? listedAs(file, object.key) : object,
      known: file,
      problem: here,
    })
  }
  const removals: string[] = []
  const unmarked: string[] = []
  for (const [key, inodeId] of ordered ? known : []) {
    const name = key.startsWith(directoryMark) ? key.slice(1) : key
    if (range.isYounger(name, inodeId) || changed?.(name) === true || range.covered?.(name) === true) continue
    if (!key.startsWith(directoryMark)) {
      const inode = tables.inode(inodeId)
      if (inode?.kind === 'file' && inode.persisted) removals.push(key)
    } else if (isUnshown(tables, rootId, name, range)) unmarked.push(name)
  }
  const isOlder = range.directory !== undefined && !range.isYounger(range.prefix, range.directory.id)
  const isHollow =
    objects.length === 0 &&
    isWhole(range) &&
    range.directory !== undefined &&
    isHollowDirectory(tables, range.directory)
  if (
    (!prefixMarked || isHollow) &&
    isOlder &&
    changed?.(range.prefix) !== true &&
    range.covered?.(range.prefix) !== true
  )
    unmarked.push(range.prefix)
  return { files, markers, removals, unmarked }
}

/**
 * Where a page must be cut so that no more than about `entriesMax` known names are held against it:
 * a store that has lost very much shows it in one page. @returns the last key of the first piece;
 * undefined when the page need not be cut
 */
export function endOfPiece(tables: Tables, range: PageRange, entriesMax: number): string | undefined {
  if (range.directory === undefined) return undefined
  let entries = 0
  let end: string | undefined
  for (const { key } of knownEntries(tables, range.directory, range)) {
    // An object `a/` that holds bytes comes right behind the directory of its key, in the same
    // piece.
    if (end !== undefined && key !== end) return end
    entries += 1
    if (entries >= entriesMax) end = key
  }
  return undefined
}

const notPersistedProblem = 'a file of this name was written here and is not persisted'

/**
 * Set before a directory's key among the known names, where `a/` may be a file too. No key holds
 * it.
 */
const directoryMark = '\0'

function knownIn(tables: Tables, directory: DirectoryInode, range: PageRange): Map<string, number> {
  const known = new Map<string, number>()
  for (const entry of knownEntries(tables, directory, range)) {
    known.set(entry.folder ? directoryMark + entry.key : entry.key, entry.inodeId)
  }
  return known
}

function* knownEntries(tables: Tables, directory: DirectoryInode, range: PageRange): Generator<WalkEntry> {
  const after = range.afterKey === undefined ? undefined : { key: range.afterKey, folder: false }
  for (const entry of walk(tables, directory.id, range.prefix, after)) {
    if (range.upToKey !== undefined && compareKeys(entry.key, range.upToKey) > 0) return
    yield entry
  }
}

/** Whether a directory that a page does not show is to be unmarked. */
function isUnshown(tables: Tables, rootId: number, key: string, { upToKey }: PageRange): boolean {
  const directory = directoryAt(tables, rootId, key)
  if (directory === undefined) return false
  // What is in it may come on the next page.
  return directory.marker || (upToKey?.startsWith(key) !== true && isHollowDirectory(tables, directory))
}

/**
 * Whether a directory is here only because the store showed that something is in it, and nothing
 * of that is known.
 */
function isHollowDirectory(tables: Tables, { id, parentId, marker, made }: DirectoryInode): boolean {
  return parentId !== 0 && !marker && !made && isEmpty(tables, id)
}

function isWhole({ afterKey, upToKey }: PageRange): boolean {
  return afterKey === undefined && upToKey === undefined
}

function isMarked(tables: Tables, rootId: number, key: string): boolean {
  return directoryAt(tables, rootId, key)?.marker === true
}

function listedAs(file: FileInode, key: string): ShownObject {
  const { length, etag, modifiedMs, storageClass, crc64 } = file
  return { key, length, etag, modifiedMs, storageClass, crc64 }
}
