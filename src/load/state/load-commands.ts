// Why: everything that changes a load, as one union, so that the journal holds nothing else and a
// replay gives the same state. How: each command carries the clock's reading and every decision
// that its sender took (which targets, how long to back off); apply.ts only checks whether it still
// holds.
import type { IndexCommand } from './apply-lists.ts'
import type { FileFailure, LoadMode, LoadOptions, NewSet, Piece } from '../load.ts'
import type { ScheduleCommand, ScheduleEffect } from '../schedule/schedule-commands.ts'

export interface SubmitLoad {
  readonly type: 'SubmitLoad'
  readonly nowMs: number
  /** The same key again is the same load. */
  readonly requestKey: string
  readonly path: string
  readonly options: LoadOptions
  /** The staged list of paths to load. */
  readonly indexId?: string
  /** What the look at the path before the submission found new at the store. */
  readonly delta?: Delta
}
export interface StartLoad {
  readonly type: 'StartLoad'
  readonly nowMs: number
  readonly loadId: number
}

/** What a listing said that was not known before it. */
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
 * One page of the listing as sets. Ignored unless `page` is the next one, so that a page is planned
 * once.
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
/** The listing ended early; what is planned is finished, the load cannot be COMPLETED. */
export interface ListingStopped {
  readonly type: 'ListingStopped'
  readonly nowMs: number
  readonly loadId: number
  readonly reason: string
  readonly errorCode: string
}

/**
 * The store has another version of a file (or none): all sets of the old one are obsolete for it.
 */
export interface Replacement {
  readonly oldFileId: number
  /** A set in which the old version was seen. */
  readonly set: number
  /** The new version; undefined when the object is gone. */
  readonly file: { readonly fileId: number; readonly length: number } | undefined
  /** For the list of failed files when it is gone. */
  readonly failure: FileFailure | undefined
  readonly sets: readonly NewSet[]
}
/**
 * One attempt of a set has ended. Blocks in no retry, and of no failed or replaced file, arrived on
 * every target.
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
  /** Of a set that was verified. */
  readonly verified?: { readonly files: number; readonly unverifiable: number }
}
/** Sets that wait get other targets because one of theirs is lost. */
export interface SetsRetargeted {
  readonly type: 'SetsRetargeted'
  readonly nowMs: number
  readonly loadId: number
  readonly sets: readonly { readonly set: number; readonly targets: readonly string[] }[]
}

/** A file that was counted as in and is not. */
export interface Reopened {
  readonly fileId: number
  readonly cached: boolean
  /** Bytes of its blocks that will be written again. */
  readonly bytes: number
}
/** What the audit found missing. The load runs again when there is something to do. */
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
  /** These three are kept when the mode is one that ends the load. */
  readonly reason: string
  readonly errorCode: string
  readonly missingCapacityBytes: number
  readonly filesReplicationChanged?: number
}
/**
 * An atomic load has all that it needs and is about to be swapped in. Ignored when it is being
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
 * Deletes some rows of the load that ended first, and at last the load; sent again until nothing is
 * left.
 */
export interface LoadExpired {
  readonly type: 'LoadExpired'
  readonly nowMs: number
  readonly loadId: number
  /** Rows that it may delete. */
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
   * `unused`: replacements whose sets were not taken, because another set of the file had reported
   * the change before.
   */
  | { readonly type: 'applied'; readonly unused: readonly Replacement[] }
  /** The command no longer held: a duplicate, or the load has ended. */
  | { readonly type: 'ignored' }
