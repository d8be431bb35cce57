// Why: one way from a path to its namespace, and from there to its inodes. How: a namespace of the
// path's first name, else the root mount; then down the edges from the namespace's root, a name a
// step. A key without a slash at its end may name a file and a directory at once; with one
// it names the directory.
import { SkeinError } from '../base/errors.ts'
import { directoryNames, fileNames, namespaceNeeded, pathOfText, placeOfPath } from '../base/paths.ts'
import type { DirectoryInode, FileInode, Inode, NamedInode, NamespaceRecord, Tables } from './meta-tables.ts'

export interface Resolved {
  readonly file: FileInode | undefined
  readonly directory: DirectoryInode | undefined
}

/** A key of a namespace. */
export interface Place {
  readonly record: NamespaceRecord
  readonly key: string
}

/**
 * Where a path is (base/paths.ts): every path of a request comes through here.
 * @returns undefined for `/` without a root mount
 * @throws SkeinError invalid_argument, not_found when there is neither the namespace nor a root
 *   mount
 */
export function placeOfText(tables: Tables, text: string): Place | undefined {
  const { namespace, key } = placeOfPath(text, (name) => name !== '' && namespaceByName(tables, name) !== undefined)
  const record = namespaceByName(tables, namespace)
  if (record !== undefined) return { record, key }
  if (key === '') return undefined
  const name = namespaceNeeded(pathOfText(text))
  throw new SkeinError('not_found', `namespace '/${name}' does not exist: list namespaces with 'skein ns ls'`)
}

/** Whether a place is `/` itself. */
export function isRoot({ record, key }: Place): boolean {
  return record.name === '' && key === ''
}

/** The namespace whose content is below `/`, beside the other namespaces, if there is one. */
export function rootMount(tables: Tables): NamespaceRecord | undefined {
  return namespaceByName(tables, '')
}

/**
 * What namespaces hide of a namespace's content: of the root mount, the keys at and below their
 * names. It is there, and seen again when the namespace has gone.
 * @returns undefined when nothing is hidden
 */
export function hiddenByNamespaces(tables: Tables, rootId: number): ((key: string) => boolean) | undefined {
  if (rootMount(tables)?.rootId !== rootId) return undefined
  const names = new Set([...tables.namespaces()].map(({ name }) => name))
  names.delete('')
  if (names.size === 0) return undefined
  return (key) => {
    const slash = key.indexOf('/')
    return names.has(slash < 0 ? key : key.slice(0, slash))
  }
}

/** @returns the namespace of this name, if there is one; the root mount has an empty one */
export function namespaceByName(tables: Tables, name: string): NamespaceRecord | undefined {
  for (const record of tables.namespaces()) if (record.name === name) return record
  return undefined
}

/** @returns the namespace of this id, if there is one */
export function namespaceById(tables: Tables, id: string): NamespaceRecord | undefined {
  for (const record of tables.namespaces()) if (record.id === id) return record
  return undefined
}

/** What a key names below a namespace's root. The empty key is the root directory. */
export function resolve(tables: Tables, rootId: number, key: string): Resolved {
  return {
    file: key === '' || key.endsWith('/') ? undefined : fileAt(tables, rootId, key),
    directory: directoryAt(tables, rootId, key),
  }
}

/** The file of exactly this object key; an object `a/` with bytes in it counts as one. */
export function fileAt(tables: Tables, rootId: number, key: string): FileInode | undefined {
  const inode = inodeAt(tables, rootId, fileNames(key))
  return inode?.kind === 'file' ? inode : undefined
}

/** The directory of this key, with or without the slash at its end. */
export function directoryAt(tables: Tables, rootId: number, key: string): DirectoryInode | undefined {
  const inode = inodeAt(tables, rootId, directoryNames(key))
  return inode?.kind === 'directory' ? inode : undefined
}

/**
 * How fresh the listing of a directory is: -1 never, else the latest time that covered it (its own,
 * or a whole tree's above it). A tree's listing says nothing of a directory that was met only after
 * it, and none says anything of another store.
 */
export function listedAtMs(
  tables: Tables,
  record: NamespaceRecord,
  directory: DirectoryInode,
): { readonly childrenMs: number; readonly treeMs: number } {
  const ofThisStore = (atMs: number): number => (isOfThisStore(record, atMs) ? atMs : -1)
  let treeMs = -1
  for (let at: DirectoryInode | undefined = directory; at !== undefined;) {
    if (at.treeListedMs >= directory.createdMs) treeMs = Math.max(treeMs, ofThisStore(at.treeListedMs))
    const parent: Inode | undefined = at.parentId === 0 ? undefined : tables.inode(at.parentId)
    at = parent?.kind === 'directory' ? parent : undefined
  }
  return { childrenMs: Math.max(treeMs, ofThisStore(directory.childrenListedMs)), treeMs }
}

/** Whether what was seen at this time was seen at the store that the namespace has now. */
export function isOfThisStore({ otherStoreMs = -1 }: NamespaceRecord, atMs: number): boolean {
  return atMs > otherStoreMs
}

/** The object key of an inode: the names from the root down. */
export function keyOf(tables: Tables, inode: NamedInode): string {
  return climb(tables, inode).key
}

/** Where an inode is; undefined when its namespace was deleted. */
export function placeOf(tables: Tables, inode: NamedInode): Place | undefined {
  const { key, rootId } = climb(tables, inode)
  for (const record of tables.namespaces()) if (record.rootId === rootId) return { record, key }
  return undefined
}

function climb(tables: Tables, inode: NamedInode): { readonly key: string; readonly rootId: number } {
  let key = inode.name
  let rootId = inode.id
  for (let parentId = inode.parentId; parentId !== 0;) {
    const parent = tables.inode(parentId)
    if (parent === undefined || parent.kind === 'pending') break
    key = parent.name + key
    rootId = parent.id
    parentId = parent.parentId
  }
  return { key, rootId }
}

function inodeAt(tables: Tables, rootId: number, names: readonly string[]): Inode | undefined {
  let id: number | undefined = rootId
  for (const name of names) {
    id = tables.edge(id, name)
    if (id === undefined) return undefined
  }
  return tables.inode(id)
}

/**
 * The key that all blocks of a file carry, which is at `key` now; undefined: not known, since
 * something was moved.
 */
export function blockKeyOf(record: NamespaceRecord, key: string, file: FileInode): string | undefined {
  return file.writtenKey ?? (record.neverMoved === true ? key : undefined)
}
