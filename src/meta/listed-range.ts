// Why: a page of a listing costs its own entries, also when only a part of a large directory is
// listed: the keys that begin with a prefix, or those behind a key. How: in the order of the keys a
// prefix is one range, so the walk begins at the start of the range and ends behind the end. A
// directory's key ends in `/`.
import { internalKeyPrefix } from '../base/paths.ts'
import { compareKeys } from './edge-order.ts'
import type { Tables } from './meta-tables.ts'
import { hiddenByNamespaces } from './resolve-path.ts'
import { walk, type WalkEntry, type WalkPosition } from './walk.ts'

/** Which entries of a directory are listed. Keys below the directory; empty: no limit. */
export interface ListedRange {
  readonly isRecursive: boolean
  readonly prefix: string
  /** Only keys that are greater, in the order of their UTF-8 bytes. */
  readonly startAfter: string
  /** What is left out. Default: everything is listed. */
  readonly hidden?: HiddenAt | undefined
  /** Only keys that are less. */
  readonly before?: string | undefined
}

/**
 * Tells of a key that it is hidden: the key of the file itself, or of a directory that is hidden
 * with all below it, which ends in `/`.
 */
export type HiddenAt = (key: string) => string | undefined

export interface ListedDirectory {
  readonly id: number
  /** Empty for the root of a namespace; else it ends in `/`. */
  readonly key: string
}

/**
 * The entries of the range in key order. Leave it or end it within one turn of the event loop, and
 * do not write meanwhile.
 * @param after go on behind this place, also when the range begins before it
 */
export function* entriesOf(
  tables: Tables,
  directory: ListedDirectory,
  range: ListedRange,
  after: WalkPosition | undefined,
): Generator<WalkEntry> {
  const { isRecursive, prefix, before } = range
  const first = directory.key + prefix
  const from = (start: WalkPosition | undefined): Iterator<WalkEntry> =>
    isRecursive ? walk(tables, directory.id, directory.key, start) : children(tables, directory, start)
  let entries = from(startOf(directory, range, after))
  try {
    for (let step = entries.next(); step.done !== true; step = entries.next()) {
      const entry = step.value
      if (!entry.key.startsWith(first)) return
      if (before !== undefined && compareKeys(entry.key, before) >= 0) return
      const hidden = range.hidden?.(entry.key)
      if (hidden === undefined) {
        yield entry
        continue
      }
      // A file has nothing below it.
      if (!hidden.endsWith('/')) continue
      entries.return?.()
      entries = from({ key: justBehind(hidden), folder: false, included: true })
    }
  } finally {
    entries.return?.()
  }
}

/** All below a directory that is shown, in key order. As entriesOf. */
export function shownTree(
  tables: Tables,
  directory: ListedDirectory,
  after: WalkPosition | undefined,
): Generator<WalkEntry> {
  const hidden = hiddenBelow(tables, directory)
  return entriesOf(tables, directory, { isRecursive: true, prefix: '', startAfter: '', hidden }, after)
}

/**
 * What of a directory is not shown: what is the doors' (isHiddenKey), unless the directory is
 * theirs, too; and below `/` what namespaces hide of the root mount.
 */
export function hiddenBelow(tables: Tables, directory: ListedDirectory): HiddenAt | undefined {
  if (directory.key.startsWith(internalKeyPrefix)) return undefined
  const isHidden = directory.key === '' ? hiddenByNamespaces(tables, directory.id) : undefined
  return (key) => {
    if (key.startsWith(internalKeyPrefix)) return internalKeyPrefix
    if (isHidden?.(key) !== true) return undefined
    const slash = key.indexOf('/')
    return slash < 0 ? key : key.slice(0, slash + 1)
  }
}

/** The first text behind all that begin with a directory's key: `0` comes just behind `/`. */
function justBehind(directoryKey: string): string {
  return `${directoryKey.slice(0, -1)}0`
}

/** The latest of the three places at which the listing may begin. */
function startOf(
  { key }: ListedDirectory,
  { prefix, startAfter }: ListedRange,
  after: WalkPosition | undefined,
): WalkPosition | undefined {
  // Behind a key means behind the object and the directory of this key.
  const behind: WalkPosition | undefined = startAfter === '' ? undefined : { key: key + startAfter, folder: false }
  const later = after === undefined || (behind !== undefined && comparePlaces(after, behind) < 0) ? behind : after
  const first = key + prefix
  if (prefix === '' || (later !== undefined && compareKeys(later.key, first) >= 0)) return later
  return { key: first, folder: first.endsWith('/'), included: true }
}

function comparePlaces(one: WalkPosition, other: WalkPosition): number {
  return compareKeys(one.key, other.key) || Number(other.folder) - Number(one.folder)
}

function* children(tables: Tables, directory: ListedDirectory, start: WalkPosition | undefined): Generator<WalkEntry> {
  const name = start?.key.slice(directory.key.length) ?? ''
  const isStart = start === undefined || start.included === true || (start.folder && name === '')
  for (const edge of tables.edges(directory.id, name)) {
    if (edge.name === name && !isStart) continue
    yield { key: directory.key + edge.name, folder: edge.name.endsWith('/'), inodeId: edge.inodeId }
  }
}
