// Why: every change of the master's metadata is one of these, written to the journal before it is
// applied, so that a restart and a second master come to the same state. How: plain data; the
// clock's reading, random ids and sealed secrets are in the command, never made while applying.
import type { StoredMetadata } from '../../base/attributes/object-metadata.ts'
import { type ErrorCode } from '../../base/errors.ts'
import type { ListedObject } from './listed-object.ts'
import type { LifecycleCommand } from './lifecycle-commands.ts'
import type { StagingCommand } from './staging-commands.ts'
import type { TtlAction } from '../meta-tables.ts'

export interface CreateNamespace {
  readonly type: 'create_namespace'
  readonly atMs: number
  readonly namespaceId: string
  /** Empty: the root mount, which is at `/`. */
  readonly name: string
  readonly uri: string
  readonly attributes: Readonly<Record<string, string>>
  readonly sealedSecrets: Readonly<Record<string, Uint8Array>>
  /** See NamespaceRecord. */
  readonly inHome?: boolean
  /** Of each file in it; not given: none. */
  readonly ttl?: { readonly ttlMs: number; readonly action: TtlAction }
}

/** The namespace as it is from now on, if it still is of this version. */
export interface UpdateNamespace {
  readonly type: 'update_namespace'
  readonly atMs: number
  readonly namespaceId: string
  readonly version: number
  readonly attributes: Readonly<Record<string, string>>
  readonly sealedSecrets: Readonly<Record<string, Uint8Array>>
  /** Not given: it stays. */
  readonly uri?: string
  /** The store may be another one: what is known of it does not count as known any more. */
  readonly otherStore?: boolean
}

/** The namespace is gone at once; its files are cleared away by `clear_detached`. */
export interface DeleteNamespace {
  readonly type: 'delete_namespace'
  readonly atMs: number
  readonly namespaceId: string
}

/** Removes at most `limit` inodes of deleted namespaces. */
export interface ClearDetached {
  readonly type: 'clear_detached'
  readonly atMs: number
  readonly limit: number
}

/**
 * What a page of a namespace's listing (or one HEAD) says. Nothing in it that is known already
 * changes anything.
 */
export interface ApplyListing {
  readonly type: 'apply_listing'
  readonly atMs: number
  readonly namespaceId: string
  /** Of files that are new or changed. */
  readonly blockSizeBytes: number
  readonly upserts: readonly ListedObject[]
  /** Directories that exist; keys end in `/`. `marker`: there is an object of this name. */
  readonly directories: readonly { readonly key: string; readonly marker: boolean }[]
  /** Files that are gone from the store. */
  readonly removals: readonly string[]
  /**
   * Directories whose markers are gone from the store, or that the store shows nothing of; keys end
   * in `/`. They go if they are empty and were not made by a user.
   */
  readonly unmarked: readonly string[]
  /** Directories whose direct children are now all known. */
  readonly childrenListed: readonly string[]
  /** Directories below which everything is now known. */
  readonly treeListed: readonly string[]
}

export interface RemoveFile {
  readonly type: 'remove_file'
  readonly atMs: number
  readonly namespaceId: string
  readonly key: string
  /** Given: this version alone; another one stays. */
  readonly fileId?: number
}

/** Unknown ids are passed over. */
export interface SetReplication {
  readonly type: 'set_replication'
  readonly atMs: number
  readonly fileIds: readonly number[]
  readonly min: number
  /** -1 = no limit. */
  readonly max: number
}

/**
 * What the store has with the objects of these files: in place of what was known, where it says
 * something else. Unknown ids, and files that are not at the store, are passed over.
 */
export interface SetMetadata {
  readonly type: 'set_metadata'
  readonly atMs: number
  readonly files: readonly ({ readonly fileId: number } & StoredMetadata)[]
}

/** Whether a worker is being taken out of service: no new blocks, its own go elsewhere. */
export interface SetDecommissioning {
  readonly type: 'set_decommissioning'
  readonly atMs: number
  readonly workerId: string
  readonly decommissioning: boolean
}

/**
 * Whether a worker is one that a restarted master waits for: it lived when the master last knew.
 */
export interface SetExpectedWorker {
  readonly type: 'set_expected_worker'
  readonly atMs: number
  readonly workerId: string
  readonly expected: boolean
}

export type Command =
  | CreateNamespace
  | UpdateNamespace
  | DeleteNamespace
  | ClearDetached
  | ApplyListing
  | RemoveFile
  | SetReplication
  | SetMetadata
  | SetDecommissioning
  | SetExpectedWorker
  | LifecycleCommand
  | StagingCommand

/** The replicas of this version of a file are no longer wanted. */
export interface DropBlocks {
  readonly type: 'drop_blocks'
  readonly fileId: number
  readonly blockCount: number
  /** Who has opened the file may still read it for a while. */
  readonly mayBeRead?: boolean
}

/** How many replicas of a file are wanted has changed. */
export interface ReplicationChanged {
  readonly type: 'replication_changed'
  readonly fileId: number
}

/** The store has a file now that only the cache had. */
export interface Persisted {
  readonly type: 'persisted'
  readonly fileId: number
}

/** A file is pinned now, or no longer. */
export interface PinChanged {
  readonly type: 'pin_changed'
  readonly fileId: number
}
export type Effect = DropBlocks | ReplicationChanged | Persisted | PinChanged

/** Whether a command held when its turn came; a refused one has changed nothing. */
export type Outcome =
  | { readonly refused: { readonly code: ErrorCode; readonly message: string } }
  | {
      readonly refused?: never
      /**
       * Ids of the files that the command names (its `upserts`, or what it made), in their order.
       */
      readonly fileIds: readonly number[]
      /** Inodes that were made, changed or removed. */
      readonly changed: number
    }

export interface Applied {
  readonly outcome: Outcome
  readonly effects: readonly Effect[]
}
