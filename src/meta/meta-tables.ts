// Why: the state machine must run the same over a Map (tests, models) and over LMDB (the cache
// master). How: the few reads and writes that it needs, synchronous. Whoever owns the tables makes
// a batch of calls atomic.
import type { ToldMetadata } from '../base/attributes/door-metadata.ts'
import type { StoredMetadata } from '../base/attributes/object-metadata.ts'
import type { Ownership } from '../base/attributes/ownership.ts'
import type { Timed } from '../base/attributes/set-times.ts'
import type { WritePolicy } from '../base/attributes/write-policy.ts'

/** A mounted store. Secrets are sealed bytes here; nothing in this folder can open them. */
export interface NamespaceRecord {
  readonly id: string
  /** Empty: the root mount, which is at `/`. */
  readonly name: string
  readonly uri: string
  readonly attributes: Readonly<Record<string, string>>
  readonly sealedSecrets: Readonly<Record<string, Uint8Array>>
  readonly createdMs: number
  /** One more with every update. */
  readonly version: number
  /** The inode of its root directory. */
  readonly rootId: number
  /** Its directory is in the home of `skein local`, and goes where the home goes. */
  readonly inHome?: boolean
  /**
   * When its attributes last came to name another store, maybe: what was known up to then is to be
   * looked at again.
   */
  readonly otherStoreMs?: number
  /**
   * No file or directory of it was ever moved, so each block carries its file's key. Not given: not
   * known.
   */
  readonly neverMoved?: boolean
}

export interface FileInode extends Ownership, StoredMetadata, ToldMetadata, Timed {
  readonly kind: 'file'
  /** File id (base/block-id.ts): one version of the content. */
  readonly id: number
  readonly parentId: number
  /**
   * The edge's name (base/paths.ts); without a `/` at its end, empty for an object `dir/` that
   * holds bytes.
   */
  readonly name: string
  readonly length: number
  readonly etag: string
  readonly modifiedMs: number
  readonly createdMs: number
  readonly blockSizeBytes: number
  readonly storageClass: string
  /** Decimal CRC-64/XZ, or empty where the store has none. */
  readonly crc64: string
  readonly pinned: boolean
  readonly replicationMin: number
  /** -1 = no limit. */
  readonly replicationMax: number
  /** -1 = none. */
  readonly ttlMs: number
  readonly ttlAction: TtlAction
  /** When its own or its namespace's TTL ends; -1 = never. Kept in the index of deadlines too. */
  readonly expiresMs: number
  /** Whether the store has it. What it has not is never freed, and no listing removes it. */
  readonly persisted: boolean
  /**
   * Until it is persisted: the key that it was written under, which its blocks carry wherever it
   * was moved. Not given: not known.
   */
  readonly writtenKey?: string
  /**
   * Until it is persisted: the version of the object at the store that it takes the place of. Not
   * given: the store is to have none.
   */
  readonly replacesEtag?: string
}

export type TtlAction = 'FREE' | 'DELETE'

export interface DirectoryInode extends Ownership, Timed {
  readonly kind: 'directory'
  readonly id: number
  /** 0 for the root of a namespace. */
  readonly parentId: number
  /** Ends in `/`; empty for the root of a namespace. */
  readonly name: string
  readonly createdMs: number
  /** When its direct children were last listed at the store; -1 = never. */
  readonly childrenListedMs: number
  /** When everything below it was last listed at the store; -1 = never. */
  readonly treeListedMs: number
  /** A zero-byte object of this name is at the store, so it stays when it is empty. */
  readonly marker: boolean
  /** Made here by a user, so it stays when it is empty, whatever the store has. */
  readonly made: boolean
  /** Files that come into it are pinned. */
  readonly pinned: boolean
  /** What files that come into it have. Not given: 0, and -1 (no limit). */
  readonly replicationMin?: number
  readonly replicationMax?: number
  /**
   * -1 = none. Of a namespace's root: what each file in it has that has none of its own; else: of
   * the whole tree.
   */
  readonly ttlMs: number
  readonly ttlAction: TtlAction
  /** When the tree's TTL ends; -1 = never, as for a namespace's root. */
  readonly expiresMs: number
}

/** A file that is being written: in no directory until it is complete. */
export interface PendingInode extends Ownership, StoredMetadata, ToldMetadata {
  readonly kind: 'pending'
  /** The id that the file will have; its blocks are known by it already. */
  readonly id: number
  readonly namespaceId: string
  readonly key: string
  readonly blockSizeBytes: number
  readonly createdMs: number
  /** When it is given up. */
  readonly expiresMs: number
  /** Its edge below `pendingParentId`. */
  readonly name: string
  /** It takes the place of a file that has its name by then; of this one only, if it is given. */
  readonly overwrites?: boolean
  readonly overwritesId?: number
  /** See CreateFile, both. */
  readonly beside?: boolean
  readonly replacesEtag?: string
  /** Its own, from the moment when it is complete. */
  readonly ttl?: { readonly ttlMs: number; readonly action: TtlAction }
  /** Its own; not given: its namespace's. */
  readonly writePolicy?: WritePolicy
}

/** What an atomic load has put aside. */
export interface StagingRecord {
  readonly id: string
  readonly namespaceId: string
  /**
   * The pseudo-directories of the files that come and of the visible ones that go: edges from whole
   * keys to inodes.
   */
  readonly addedId: number
  readonly removedId: number
  readonly createdMs: number
  readonly expiresMs: number
  /** It is being cleared away. */
  readonly dropping: boolean
  /** It was swapped in. The row stays for a while, to say so to a load that asks again. */
  readonly committed?: boolean
}

/** What has a name in a namespace. */
export type NamedInode = FileInode | DirectoryInode
export type Inode = NamedInode | PendingInode

/** A name in a directory. */
export interface Edge {
  readonly name: string
  readonly inodeId: number
}

/**
 * `containers`: ids handed out so far. `files`, `directories`, `pending` (files that are being
 * written): inodes there are.
 */
export type CounterName = 'containers' | 'files' | 'directories' | 'pending'

export interface Tables {
  namespaces(): Iterable<NamespaceRecord>
  putNamespace(record: NamespaceRecord): void
  removeNamespace(id: string): void

  inode(id: number): Inode | undefined
  putInode(inode: Inode): void
  removeInode(id: number): void

  edge(parentId: number, name: string): number | undefined
  putEdge(parentId: number, name: string, inodeId: number): void
  removeEdge(parentId: number, name: string): void
  /**
   * Edges of one directory from `from` on (inclusive), in the order of the names' UTF-8 bytes. Read
   * it to the end or leave it within the same turn of the event loop; it may not be read on after a
   * write.
   */
  edges(parentId: number, from: string): Iterable<Edge>

  /** Ids of the workers that are being taken out of service. */
  decommissioning(): ReadonlySet<string>
  putDecommissioning(workerId: string, decommissioning: boolean): void

  /**
   * Ids of the workers that lived when this was last written: a restarted master waits for them.
   */
  expectedWorkers(): ReadonlySet<string>
  putExpectedWorker(workerId: string, expected: boolean): void

  stagings(): Iterable<StagingRecord>
  staging(id: string): StagingRecord | undefined
  putStaging(record: StagingRecord): void
  removeStaging(id: string): void

  counter(name: CounterName): number
  putCounter(name: CounterName, value: number): void
}

/**
 * The pseudo-directory whose edges are the roots of deleted namespaces, until they are cleared
 * away.
 */
export const detachedParentId = 0
/**
 * The pseudo-directory of the files that are being written. Ids of inodes end in twenty ones, so
 * this is none.
 */
export const pendingParentId = 1
/** The pseudo-directory that is the index of deadlines (deadlines.ts). */
export const deadlineParentId = 2
/** The pseudo-directory that lists the files that are to be persisted without being asked for. */
export const toPersistParentId = 3
/**
 * The pseudo-directory of the namespaces whose files do not all follow their new TTL yet
 * (namespace-ttl.ts).
 */
export const ttlChangeParentId = 4
/** The pseudo-directory of what workers write to stores, or may still (store-writes.ts). */
export const writingParentId = 5
