// Why: one union of all changes to loads. The journal contains nothing else, and a replay gives the
// same state. How: each command contains the time and all decisions of its sender (targets,
// back-off). apply-load.ts only checks whether it still applies.
import type { IndexCommand } from './apply-lists.ts'
import type { FileFailure, LoadMode, LoadOptions, NewSet, Piece } from '../load.ts'
import type { ScheduleCommand, ScheduleEffect } from '../schedule/schedule-commands.ts'

export interface SubmitLoad {
  readonly type: 'SubmitLoad'
  readonly nowMs: number
  /** A repeated submission with the same key is the same load. */
  readonly requestKey: string
  readonly path: string
  readonly options: LoadOptions
  /** The staged list of paths to load. */
  readonly indexId?: string
  /** The path is in the root mount, not in a namespace of its first name. */
  readonly inRoot?: boolean
  /** Changes in the store that were found by the lookup before the submission. */
  readonly delta?: Delta
}
export interface StartLoad {
  readonly type: 'StartLoad'
  readonly nowMs: number
  readonly loadId: number
}

/** Changes that a listing found. */
export interface Delta {
  readonly filesAdded: number
  readonly filesChanged: number
  readonly filesRemoved: number
}

export interface PageCounts extends Partial<Delta> {
  readonly filesExcluded?: number
  readonly filesUnverifiable?: number
  readonly files: number
  readonly bytes: number
  readonly filesCached: number
  readonly filesSkipped: number
  readonly bytesCached: number
}
/**
 * One page of the listing as sets. Ignored unless `page` is the next one, so that each page is
 * planned once.
 */
export interface PagePlanned {
  readonly type: 'PagePlanned'
  readonly nowMs: number
  readonly loadId: number
  readonly page: number
  readonly namespaceId: string
  /** Empty: the listing has ended. */
  readonly nextCursor: string
  readonly sets: readonly NewSet[]
  readonly cached: readonly Piece[]
  readonly failed: readonly FileFailure[]
  readonly counts: PageCounts
  readonly missingBytes: number
  /** See LoadRecord. */
  readonly stagingId?: string
}
/** The listing ended early. Planned sets are completed, but the load cannot be COMPLETED. */
export interface ListingStopped {
  readonly type: 'ListingStopped'
  readonly nowMs: number
  readonly loadId: number
  readonly reason: string
  readonly errorCode: string
}

/**
 * The store has another version of a file, or none. All sets of the old version are obsolete for
 * this file.
 */
export interface Replacement {
  readonly oldFileId: number
  /** A set with the old version. */
  readonly set: number
  /** The new version. Undefined: the object is gone. */
  readonly file: { readonly fileId: number; readonly length: number } | undefined
  /** Entry for the list of failed files, if the object is gone. */
  readonly failure: FileFailure | undefined
  readonly sets: readonly NewSet[]
}
/**
 * One attempt of a set has ended. Blocks that are in no retry, and in no failed or replaced file,
 * have arrived on every target.
 */
export interface SetCompleted {
  readonly type: 'SetCompleted'
  readonly nowMs: number
  readonly loadId: number
  readonly set: number
  readonly originBytes: number
  readonly retries: readonly NewSet[]
  readonly failed: readonly FileFailure[]
  readonly replaced: readonly Replacement[]
  /** Only for a set that was verified. */
  readonly verified?: { readonly files: number; readonly unverifiable: number }
}
/** Waiting sets get other targets because one of their targets was lost. */
export interface SetsRetargeted {
  readonly type: 'SetsRetargeted'
  readonly nowMs: number
  readonly loadId: number
  readonly sets: readonly { readonly set: number; readonly targets: readonly string[] }[]
}

/** A file that counted as loaded but is incomplete. */
export interface Reopened {
  readonly fileId: number
  readonly cached: boolean
  /** Bytes of its blocks that will be written again. */
  readonly bytes: number
}
/** What the audit found missing. The load runs again if there is work to do. */
export interface RepairPlanned {
  readonly type: 'RepairPlanned'
  readonly nowMs: number
  readonly loadId: number
  readonly reopened: readonly Reopened[]
  readonly sets: readonly NewSet[]
  readonly failed: readonly FileFailure[]
  readonly replaced: readonly Replacement[]
}
export interface StateChanged {
  readonly type: 'StateChanged'
  readonly nowMs: number
  readonly loadId: number
  readonly mode: LoadMode
  /** These three are stored when the mode ends the load. */
  readonly reason: string
  readonly errorCode: string
  readonly missingCapacityBytes: number
  readonly filesReplicationChanged?: number
}
/**
 * An atomic load is complete and is about to be swapped in. Ignored when the load is being
 * cancelled.
 */
export interface SwapBegun {
  readonly type: 'SwapBegun'
  readonly nowMs: number
  readonly loadId: number
}
export interface CancelRequested {
  readonly type: 'CancelRequested'
  readonly nowMs: number
  readonly loadId: number
}

/**
 * Deletes some rows of the oldest ended load, and finally the load. Repeated until nothing is left.
 */
export interface LoadExpired {
  readonly type: 'LoadExpired'
  readonly nowMs: number
  readonly loadId: number
  /** Maximum number of rows to delete. */
  readonly rowsMax: number
}

export type LoadCommand =
  | SubmitLoad
  | StartLoad
  | PagePlanned
  | ListingStopped
  | SetCompleted
  | SetsRetargeted
  | RepairPlanned
  | StateChanged
  | SwapBegun
  | CancelRequested
  | LoadExpired
  | ScheduleCommand
  | IndexCommand

export type LoadEffect =
  | ScheduleEffect
  | { readonly type: 'submitted'; readonly loadId: number; readonly joined: boolean }
  /**
   * `unused`: replacements whose sets were not added, because another set of the file had reported
   * the change first.
   */
  | { readonly type: 'applied'; readonly unused: readonly Replacement[] }
  /** The command does not apply: it is a duplicate, or the load has ended. */
  | { readonly type: 'ignored' }
