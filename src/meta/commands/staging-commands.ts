// Why: the changes of an atomic load, as commands (see commands.ts): what it lists is put aside,
// and swapped in or dropped.
import type { ListedObject } from './listed-object.ts'

/** A page of a path's listing, put aside: none of it is visible. */
export interface StageListing {
  readonly type: 'stage_listing'
  readonly atMs: number
  readonly stagingId: string
  /**
   * Only into this one (StagingRecord.addedId), which the load began; not given: into whatever
   * there is, or a new one.
   */
  readonly number?: number
  readonly namespaceId: string
  readonly blockSizeBytes: number
  /** When it is given up unless it is staged to again. */
  readonly expiresMs: number
  /**
   * The keys that the page speaks of: behind `afterKey` (undefined: from the start), up to
   * `upToKey` (undefined: to the end).
   */
  readonly afterKey: string | undefined
  readonly upToKey: string | undefined
  /** Given: the command speaks of this key alone. */
  readonly onlyKey?: string
  /** What is new or changed in it, in the order of the keys. */
  readonly upserts: readonly ListedObject[]
  /** Visible files that the store has no more. */
  readonly removals: readonly { readonly key: string; readonly fileId: number }[]
}

/** What was put aside becomes visible, and what the store has no more goes, in this one command. */
export interface CommitStaging {
  readonly type: 'commit_staging'
  readonly atMs: number
  readonly stagingId: string
  /** As above. */
  readonly number?: number
}

/**
 * Drops at most `limit` files of what was put aside; sent until nothing is left. From the first on
 * it can no longer be swapped in.
 */
export interface DropStaging {
  readonly type: 'drop_staging'
  readonly atMs: number
  readonly stagingId: string
  readonly limit: number
}

export type StagingCommand = StageListing | CommitStaging | DropStaging
