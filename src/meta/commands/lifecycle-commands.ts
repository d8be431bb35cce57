// Why: the changes that users make to files and directories, as commands (see commands.ts: plain
// data, the clock's reading inside). What a store must do for one of them has been done before it
// is submitted.
import type { ClientMetadata, ToldMetadata } from '../../base/attributes/door-metadata.ts'
import type { StoredMetadata } from '../../base/attributes/object-metadata.ts'
import type { Ownership, OwnershipChange } from '../../base/attributes/ownership.ts'
import type { SetTimes } from '../../base/attributes/set-times.ts'
import type { WritePolicy } from '../../base/attributes/write-policy.ts'
import type { TtlAction } from '../meta-tables.ts'

/** With its parents. */
export interface MakeDirectory {
  readonly type: 'make_directory'
  readonly atMs: number
  readonly namespaceId: string
  /** Ends in `/`. */
  readonly key: string
  /** The store was asked and has nothing below it. */
  readonly listed: boolean
  /** One that is there and that nobody made is made, too. */
  readonly explicit?: boolean
}

/**
 * Removes files, if they are still these versions, and makes directories go once they are empty.
 */
export interface RemoveEntries {
  readonly type: 'remove_entries'
  readonly atMs: number
  readonly namespaceId: string
  readonly files: readonly { readonly key: string; readonly fileId: number }[]
  /** Their markers are gone and nobody wants them any more; keys end in `/`. */
  readonly directories: readonly string[]
}

/** A directory is gone at once with all below it, which `clear_detached` clears away. */
export interface Detach {
  readonly type: 'detach'
  readonly atMs: number
  readonly namespaceId: string
  /** Ends in `/`. */
  readonly key: string
}

/** Moves a file, or a directory with all below it, whatever its size, to a name that is free. */
export interface Rename {
  readonly type: 'rename'
  readonly atMs: number
  readonly namespaceId: string
  /** Both end in `/`, or none. */
  readonly from: string
  readonly to: string
  /** Of a file: it takes the place of a file that has its new name. */
  readonly overwrites?: boolean
  /** With `overwrites`: as for CreateFile. */
  readonly replacesEtag?: string
  /** With `overwrites`: the store has moved the object, and this is its version there. */
  readonly stored?: {
    readonly etag: string
    readonly modifiedMs: number
    /** The version that was moved; no other one moves here. Old journals have none. */
    readonly movedEtag?: string
  }
}

/** What is not given stays as it is. Unknown ids are passed over. */
export interface SetAttributes extends OwnershipChange {
  readonly type: 'set_attributes'
  readonly atMs: number
  readonly inodeIds: readonly number[]
  readonly pinned?: boolean
  /** -1 = none. Counted from `atMs`. */
  readonly ttl?: { readonly ttlMs: number; readonly action: TtlAction }
  readonly replicationMin?: number
  /** -1 = no limit. */
  readonly replicationMax?: number
  /** Of files: replaces all of it; empty: none. */
  readonly clientMetadata?: ClientMetadata
  /** Those that are given. */
  readonly times?: SetTimes
}

/**
 * The namespace's TTL has changed at `atMs`: files without one of their own follow it from then on.
 */
export interface FollowNamespaceTtl {
  readonly type: 'follow_namespace_ttl'
  readonly atMs: number
  readonly fileIds: readonly number[]
}

/** All files follow a namespace's TTL that was set at `atMs`. */
export interface EndTtlChange {
  readonly type: 'end_ttl_change'
  readonly atMs: number
  readonly rootId: number
}

/**
 * Gives persisted files that are not pinned new ids, so that whatever workers hold of them goes.
 */
export interface RenewFiles {
  readonly type: 'renew_files'
  readonly atMs: number
  readonly fileIds: readonly number[]
  /** Pinned ones, too. */
  readonly pinned?: boolean
}

/**
 * Does what is due at `atMs`: frees or removes files, ends the TTL of directories, gives up
 * unfinished files.
 */
export interface Expire {
  readonly type: 'expire'
  readonly atMs: number
  readonly inodeIds: readonly number[]
}

/**
 * Begins a file that is invisible until it is complete. The same request key gives the same file.
 */
export interface CreateFile extends Ownership, StoredMetadata, ToldMetadata {
  readonly type: 'create_file'
  readonly atMs: number
  readonly namespaceId: string
  readonly key: string
  readonly blockSizeBytes: number
  readonly requestKey: string
  /** When it is given up. */
  readonly expiresMs: number
  /**
   * It takes the place of a file that has its name when it is complete; of this one only, if it is
   * given.
   */
  readonly overwrites?: boolean
  readonly overwritesId?: number
  /** A directory of its name may be there, too. */
  readonly beside?: boolean
  /**
   * The version at the store that it replaces, where the file that it overwrites could not get
   * there; empty: none.
   */
  readonly replacesEtag?: string
  /** Its own, from the moment when it is complete. */
  readonly ttl?: { readonly ttlMs: number; readonly action: TtlAction }
  /** Its own; not given: its namespace's. */
  readonly writePolicy?: WritePolicy
}

/** What is given of the metadata replaces what it was begun with. */
export interface CompleteFile extends StoredMetadata, ToldMetadata {
  readonly type: 'complete_file'
  readonly atMs: number
  readonly fileId: number
  readonly length: number
  /** The store has it in this version: it is persisted from the first moment on. */
  readonly stored?: { readonly etag: string; readonly modifiedMs: number }
}

export interface AbandonFile {
  readonly type: 'abandon_file'
  readonly atMs: number
  readonly fileId: number
}

/**
 * The store has these files now, in these versions (an empty etag: it has not, but nobody waits for
 * it). Unknown ids are passed over.
 */
export interface PersistFiles {
  readonly type: 'persist_files'
  readonly atMs: number
  readonly files: readonly { readonly fileId: number; readonly etag: string; readonly modifiedMs: number }[]
}

/** A worker is about to be told to write a file to the store. */
export interface BeginWrite {
  readonly type: 'begin_write'
  readonly atMs: number
  readonly namespaceId: string
  readonly key: string
  readonly fileId: number
}

/** Nothing of it can arrive at the store any more. */
export interface EndWrite {
  readonly type: 'end_write'
  readonly atMs: number
  readonly namespaceId: string
  readonly key: string
}

type AnyLifecycleCommand =
  | MakeDirectory
  | RemoveEntries
  | Detach
  | Rename
  | SetAttributes
  | FollowNamespaceTtl
  | EndTtlChange
  | RenewFiles
  | Expire
  | CreateFile
  | CompleteFile
  | AbandonFile
  | PersistFiles
  | BeginWrite
  | EndWrite

export type LifecycleCommand = AnyLifecycleCommand & {
  /** What atomic loads have put aside of the same keys is older than this, and is dropped. */
  readonly unstages?: boolean
}
