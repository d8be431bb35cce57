// Why: the steps that commands are made of: make a directory, put a version of a file, remove one
// and the empty directories above it. How: one object a command, so that the objects of a page find
// their directory once.
import { toldMetadata } from '../../base/attributes/door-metadata.ts'
import { storedMetadata } from '../../base/attributes/object-metadata.ts'
import { ownershipOf } from '../../base/attributes/ownership.ts'
import type { Timed } from '../../base/attributes/set-times.ts'
import { blockCount, fileIdOf } from '../../base/block-id.ts'
import { assert } from '../../base/assert.ts'
import { directoryNames } from '../../base/paths.ts'
import type { Effect } from '../commands/commands.ts'
import type { ListedObject } from '../commands/listed-object.ts'
import { forgetDeadline, moveDeadline } from './deadlines.ts'
import { fileAt } from '../resolve-path.ts'
import type { CounterName, DirectoryInode, FileInode, Tables } from '../meta-tables.ts'

/** What a file or directory has from the directory that it comes into. */
export interface Inherited {
  readonly pinned: boolean
  readonly replicationMin: number
  readonly replicationMax: number
}

export class Tree {
  readonly #tables: Tables
  readonly #rootId: number
  readonly #atMs: number
  readonly effects: Effect[] = []
  changed = 0
  /** The directory of the object before: objects of a page mostly share it. */
  #lastKey = ''
  #lastId: number
  /** Of the directory before. */
  #inherited: (Inherited & { readonly parentId: number }) | undefined
  #rootTtlMs: number | undefined

  constructor(tables: Tables, rootId: number, atMs: number) {
    this.#tables = tables
    this.#rootId = rootId
    this.#atMs = atMs
    this.#lastId = rootId
  }

  /**
   * The id of the directory of this key (empty, or ending in `/`), made with all above it where it
   * is missing.
   */
  ensureDirectory(key: string): number {
    if (key === this.#lastKey) return this.#lastId
    let id = this.#rootId
    for (const name of directoryNames(key)) id = this.#tables.edge(id, name) ?? this.#makeDirectory(id, name)
    this.#lastKey = key
    this.#lastId = id
    return id
  }

  changeDirectory(key: string, change: (directory: DirectoryInode) => DirectoryInode): void {
    const directory = this.#tables.inode(this.ensureDirectory(key))
    assert(directory?.kind === 'directory', `${key} is not a directory`)
    const changed = change(directory)
    if (changed === directory) return
    this.#tables.putInode(changed)
    this.changed += 1
  }

  /**
   * Puts this version of an object, in the place of another one. @returns its file id; the old one
   * when it is the same version
   */
  putFile(object: ListedObject, blockSizeBytes: number): number {
    const slash = object.key.lastIndexOf('/') + 1
    const parentId = this.ensureDirectory(object.key.slice(0, slash))
    const name = object.key.slice(slash)
    const oldId = this.#tables.edge(parentId, name)
    const inode = oldId === undefined ? undefined : this.#tables.inode(oldId)
    // A name without a slash at its end is never a directory's.
    const old = inode?.kind === 'file' ? inode : undefined
    // What only this cache has is not given up for an object that somebody else put in its place.
    if (old !== undefined && (!old.persisted || isSameVersion(old, object))) return old.id
    const id = nextId(this.#tables)
    if (old === undefined) count(this.#tables, 'files', 1)
    else this.#dropVersion(old)
    this.link({
      kind: 'file',
      id,
      parentId,
      name,
      length: object.length,
      etag: object.etag,
      modifiedMs: object.modifiedMs,
      createdMs: this.#atMs,
      blockSizeBytes,
      storageClass: object.storageClass,
      crc64: object.crc64 ?? '',
      // What people set belongs to the path and outlives a version of the content.
      ...keptBy(old ?? this.inheritedBelow(parentId)),
      ...{ ...ownershipOf(old ?? {}), ...storedMetadata(object.metadata ?? {}) },
      ttlMs: old?.ttlMs ?? -1,
      ttlAction: old?.ttlAction ?? 'FREE',
      expiresMs: this.expiryOf(old?.ttlMs ?? -1),
      persisted: true,
    })
    return id
  }

  /**
   * Puts a file that was staged, under its id, in the place of what is there. @returns whether it
   * was taken
   */
  putStaged(key: string, staged: FileInode): boolean {
    const slash = key.lastIndexOf('/') + 1
    const parentId = this.ensureDirectory(key.slice(0, slash))
    const name = key.slice(slash)
    const oldId = this.#tables.edge(parentId, name)
    const inode = oldId === undefined ? undefined : this.#tables.inode(oldId)
    const old = inode?.kind === 'file' ? inode : undefined
    // What only this cache has stays; the same version goes too: the blocks that were counted are
    // the staged ones.
    if (old?.persisted === false) return false
    if (old === undefined) count(this.#tables, 'files', 1)
    else this.#dropVersion(old)
    const { ttlMs = -1, ttlAction = 'FREE' } = old ?? {}
    // Not all of what is staged was read from the store: the same version may be cached already.
    const isKnown = old !== undefined && isSameVersion(old, staged)
    const { pinned, ...replication } = keptBy(old ?? this.inheritedBelow(parentId))
    // What was set on it while it was staged is the newer word.
    const isSet = staged.replicationMin !== 0 || staged.replicationMax !== -1
    const file = {
      ...(isKnown ? { ...storedMetadata(old), ...toldMetadata(old), ...timesOf(old) } : {}),
      ...staged,
      parentId,
      name,
      pinned,
      ...(isSet ? {} : replication),
      ...ownershipOf(old ?? {}),
      ttlMs,
      ttlAction,
      expiresMs: this.expiryOf(ttlMs),
    }
    this.link(file)
    // Workers have its blocks already, and know them as they were staged.
    if (file.pinned !== staged.pinned) this.effects.push({ type: 'pin_changed', fileId: file.id })
    if (file.replicationMin !== staged.replicationMin || file.replicationMax !== staged.replicationMax)
      this.effects.push({ type: 'replication_changed', fileId: file.id })
    return true
  }

  /**
   * Room for a new file of this key, which the caller links: its directory is there, and an old
   * file is gone. @returns what the path keeps of it
   */
  makeRoom(key: string): {
    readonly old: FileInode | undefined
    readonly parentId: number
    readonly inherited: Inherited
  } {
    const slash = key.lastIndexOf('/') + 1
    const parentId = this.ensureDirectory(key.slice(0, slash))
    const oldId = this.#tables.edge(parentId, key.slice(slash))
    const inode = oldId === undefined ? undefined : this.#tables.inode(oldId)
    const old = inode?.kind === 'file' ? inode : undefined
    if (old === undefined) count(this.#tables, 'files', 1)
    else this.#dropVersion(old)
    return { old, parentId, inherited: keptBy(old ?? this.inheritedBelow(parentId)) }
  }

  /** Gives a new inode of a file its name and its deadline. */
  link(file: FileInode): void {
    this.#tables.putEdge(file.parentId, file.name, file.id)
    this.#tables.putInode(file)
    moveDeadline(this.#tables, file.id, -1, file.expiresMs)
    this.changed += 1
  }

  /** When a file ends that has this TTL (-1: the namespace's) from now on; -1 = never. */
  expiryOf(ttlMs: number): number {
    const wantedMs = ttlMs >= 0 ? ttlMs : this.#namespaceTtlMs()
    return wantedMs < 0 ? -1 : this.#atMs + wantedMs
  }

  /** What comes into a directory has from it. */
  inheritedBelow(parentId: number): Inherited {
    if (this.#inherited?.parentId !== parentId) {
      const parent = this.#tables.inode(parentId)
      const { pinned = false, replicationMin = 0, replicationMax = -1 } = parent?.kind === 'directory' ? parent : {}
      this.#inherited = { parentId, pinned, replicationMin, replicationMax }
    }
    return this.#inherited
  }

  /**
   * Removes the file of this key that the store has no more, and the directories that are empty
   * without it.
   */
  removeFile(key: string): void {
    const file = fileAt(this.#tables, this.#rootId, key)
    if (file?.persisted === true) this.unlink(file)
  }

  /** Removes a file, at the store or not, and the directories that are empty without it. */
  unlink(file: FileInode): void {
    this.#dropVersion(file)
    this.#tables.removeEdge(file.parentId, file.name)
    count(this.#tables, 'files', -1)
    this.changed += 1
    this.prune(file.parentId)
  }

  /**
   * The same file and content under a new id: blocks of the old one are wanted no more, whoever
   * reports them later.
   */
  renew(file: FileInode, { ttlMs, expiresMs }: Pick<FileInode, 'ttlMs' | 'expiresMs'>): number {
    const id = nextId(this.#tables)
    this.#dropVersion(file)
    this.link({ ...file, id, ttlMs, expiresMs })
    return id
  }

  /**
   * Removes a directory that is empty, has no marker and was not made here, and so on upwards;
   * never the root.
   */
  prune(directoryId: number): void {
    for (let id = directoryId; id !== this.#rootId;) {
      const directory = this.#tables.inode(id)
      if (directory?.kind !== 'directory' || directory.marker || directory.made || !isEmpty(this.#tables, id)) return
      forgetDeadline(this.#tables, directory)
      this.#tables.removeEdge(directory.parentId, directory.name)
      this.#tables.removeInode(id)
      count(this.#tables, 'directories', -1)
      this.changed += 1
      this.#lastKey = ''
      this.#lastId = this.#rootId
      id = directory.parentId
    }
  }

  #makeDirectory(parentId: number, name: string): number {
    const id = nextId(this.#tables)
    this.#tables.putEdge(parentId, name, id)
    const { pinned, replicationMin, replicationMax } = this.inheritedBelow(parentId)
    const replication = replicationMin === 0 && replicationMax === -1 ? {} : { replicationMin, replicationMax }
    this.#tables.putInode({ ...newDirectory(id, parentId, name, this.#atMs), pinned, ...replication })
    count(this.#tables, 'directories', 1)
    this.changed += 1
    return id
  }

  #dropVersion(file: FileInode): void {
    forgetDeadline(this.#tables, file)
    this.#tables.removeInode(file.id)
    this.effects.push(dropBlocks(file))
  }

  #namespaceTtlMs(): number {
    if (this.#rootTtlMs === undefined) {
      const root = this.#tables.inode(this.#rootId)
      this.#rootTtlMs = root?.kind === 'directory' ? root.ttlMs : -1
    }
    return this.#rootTtlMs
  }
}

/** Whether a file is still this version of the object. */
export function isSameVersion(file: FileInode, object: { readonly length: number; readonly etag: string }): boolean {
  return file.etag === object.etag && file.length === object.length
}

function keptBy({ pinned, replicationMin, replicationMax }: Inherited): Inherited {
  return { pinned, replicationMin, replicationMax }
}

function timesOf({ times }: Timed): Timed {
  return times === undefined ? {} : { times }
}

export function newDirectory(id: number, parentId: number, name: string, createdMs: number): DirectoryInode {
  const never = { childrenListedMs: -1, treeListedMs: -1, ttlMs: -1, expiresMs: -1 }
  return {
    kind: 'directory',
    id,
    parentId,
    name,
    createdMs,
    ...never,
    marker: false,
    made: false,
    pinned: false,
    ttlAction: 'FREE',
  }
}

export function dropBlocks(file: FileInode): Effect {
  return { type: 'drop_blocks', fileId: file.id, blockCount: blockCount(file.length, file.blockSizeBytes) }
}

/** An id for an inode that was never used before. Container 0 is left out. */
export function nextId(tables: Tables): number {
  const container = tables.counter('containers') + 1
  tables.putCounter('containers', container)
  return fileIdOf(container)
}

export function count(tables: Tables, name: CounterName, by: number): void {
  tables.putCounter(name, tables.counter(name) + by)
}

/** Whether nothing is in a directory. */
export function isEmpty(tables: Tables, directoryId: number): boolean {
  for (const _edge of tables.edges(directoryId, '')) return false
  return true
}
