// Why: what a load is, as data. How: plain records that any table can hold, and one setter for the
// load's mode, so that no other line decides which change of state is allowed.
import { assert } from '../base/assert.ts'
import { blockLength } from '../base/block-id.ts'
import type { HostChoice, PlacementWish } from './placing/placement.ts'
import type { Selection } from './choice/selection.ts'

/**
 * SUBMITTED -> RUNNING -> AUDITING -> COMPLETED | PARTIAL | FAILED. AUDITING goes back to RUNNING
 * when it plans repairs, and plans the other ones while those run. CANCELLED and FAILED can follow
 * every mode that has not ended, and PARTIAL follows RUNNING when more files failed than the load
 * allows.
 */
export type LoadMode = 'SUBMITTED' | 'RUNNING' | 'AUDITING' | 'COMPLETED' | 'PARTIAL' | 'FAILED' | 'CANCELLED'

const nextModes: Readonly<Record<LoadMode, readonly LoadMode[]>> = {
  SUBMITTED: ['RUNNING', 'FAILED', 'CANCELLED'],
  RUNNING: ['AUDITING', 'PARTIAL', 'FAILED', 'CANCELLED'],
  AUDITING: ['RUNNING', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'],
  COMPLETED: [],
  PARTIAL: [],
  FAILED: [],
  CANCELLED: [],
}

export interface LoadOptions {
  readonly replication: number
  /** What was set on a file is its target; `replication` is of the others. */
  readonly keepReplication?: boolean
  /** Tasks of this load that may be out at once. */
  readonly activeJobs: number
  /** Files a set of small files may hold. */
  readonly batchSize: number
  /** Nothing of it is visible until all of it is in. */
  readonly atomic?: boolean
  /** How long what an atomic load has put aside waits for somebody to finish it. Default: a day. */
  readonly expireTimeMs?: number
  /** Colder blocks that no running load needs may go for it. */
  readonly evict?: boolean
  /** As the user wrote it; none = unlimited. */
  readonly bandwidth?: string
  readonly priority?: number
  /** Makes the listing known, loads nothing. */
  readonly metadataOnly?: boolean
  /** Which of the listed files are wanted; none = all. */
  readonly selection?: Selection
  /** Which workers get blocks; none = all. */
  readonly hosts?: HostChoice
  /** What is cached is checked against the store's checksums. */
  readonly verify?: boolean
  /** `N` or `P%`: stops early above it. */
  readonly maxFailures?: string
  /** The schedule that submitted it. */
  readonly schedule?: string
  readonly readyByMs?: number
  /** The load that it goes on with. */
  readonly resumedFrom?: string
}

export interface LoadCounts {
  files: number
  bytes: number
  filesCached: number
  filesLoaded: number
  filesFailed: number
  filesSkipped: number
  bytesCached: number
  bytesLoaded: number
  originBytes: number
  tasks: number
  tasksDone: number
  tasksRetried: number
  /**
   * At the store and not known before this load's listing; known in another version; gone from the
   * store.
   */
  filesAdded?: number
  filesChanged?: number
  filesRemoved?: number
  /** On which another replication had been set than the load's. */
  filesReplicationChanged?: number
  /** Listed and not in the selection; in no other count. */
  filesExcluded?: number
  /** Cached and found equal to the store's checksum. */
  filesVerified?: number
  /** Cached, and the store has no checksum to hold them against. */
  filesUnverifiable?: number
}

export interface LoadRecord {
  readonly loadId: number
  /** What is loaded, or, with an index, what its paths have in common. */
  readonly path: string
  /** The staged list of paths to load. */
  readonly indexId?: string
  /** Only the versions that the index names are wanted. */
  readonly exactVersions?: boolean
  readonly options: LoadOptions
  readonly submittedMs: number
  mode: LoadMode
  cancelling: boolean
  /** The same load was asked for again while it ran. */
  joined?: boolean
  namespaceId: string
  /** Of an atomic load: exactly what the master has put aside for it, once known. */
  stagingId?: string
  /**
   * The master has been, or is about to be, asked to swap it in: from then on it is not cancelled
   * any more.
   */
  swapping?: boolean
  /** Where the listing goes on; empty at the start. */
  cursor: string
  pagesPlanned: number
  listingDone: boolean
  nextSet: number
  /** Whether any file has a progress row. */
  hasSplitFiles: boolean
  /** Its rows are being deleted: for everybody it is gone. */
  expiring: boolean
  /** Sets that are planned and not done. */
  openSets: number
  /** Of a load that has ended: the rows of its open sets are there. Older ones have lost them. */
  openKept?: boolean
  startedMs: number
  endedMs: number
  reason: string
  errorCode: string
  missingCapacityBytes: number
  counts: LoadCounts
}

/** One file's part of a set: whole blocks, in order. */
export interface Piece {
  readonly fileId: number
  readonly key: string
  readonly etag: string
  /** Of the whole file. */
  readonly length: number
  readonly blockSizeBytes: number
  readonly firstBlock: number
  readonly blockCount: number
  /** Exactly one piece of a file has it: the one that stands for the file in lists. */
  readonly lead: boolean
  /** Replicas of this file, where they are others than the load's. */
  readonly replication?: number
  /** Decimal CRC-64/XZ of the whole object, where the store has said it. */
  readonly crc64?: string
  /** `replication` is what was set on the file, and stays what was set. */
  readonly replicationKept?: boolean
}

/** What a task carries: every block of every piece goes to each of the targets (worker ids). */
export interface NewSet {
  readonly pieces: readonly Piece[]
  readonly targets: readonly string[]
  /** 1 for the first try of these blocks. */
  readonly attempt: number
  /** Wall clock before which it shall not go out; 0 = at once. */
  readonly notBeforeMs: number
  /**
   * Workers that have these blocks, or get them by other sets: none of them can stand in for a
   * target.
   */
  readonly elsewhere?: readonly string[] | undefined
  /**
   * The blocks are there: they are to be held against the store's checksums. No room is reserved
   * for them.
   */
  readonly verify?: boolean | undefined
}

/** A set is done when it has no row in the open sets. */
export interface SetRecord extends Omit<NewSet, 'notBeforeMs'> {
  /** Holds what was there before the load: never a task, but audited and listed. */
  readonly cached: boolean
}

/** The row of a set that is not done: all that the window needs, without the pieces. */
export interface OpenSet {
  readonly bytes: number
  readonly targets: readonly string[]
  readonly attempt: number
  readonly notBeforeMs: number
  readonly elsewhere?: readonly string[] | undefined
}

/**
 * How many open sets hold a part of a file. Only files that are or were in more than one set have
 * it; without it: one, until that set is done.
 */
export interface FileProgress {
  readonly open: number
}

export interface FileFailure {
  readonly fileId: number
  readonly key: string
  readonly length: number
  readonly code: string
  readonly reason: string
  readonly attempts: number
  /** The cache worker that refused it, or the job worker that could not read it. */
  readonly workerId: string
  /** See retry-policy.ts. */
  readonly class?: 'transient' | 'throttled' | 'permanent'
}

export const emptyCounts: Readonly<LoadCounts> = {
  files: 0,
  bytes: 0,
  filesCached: 0,
  filesLoaded: 0,
  filesFailed: 0,
  filesSkipped: 0,
  bytesCached: 0,
  bytesLoaded: 0,
  originBytes: 0,
  tasks: 0,
  tasksDone: 0,
  tasksRetried: 0,
}

export function hasEnded(mode: LoadMode): boolean {
  return nextModes[mode].length === 0
}

export function canFollow(mode: LoadMode, next: LoadMode): boolean {
  return nextModes[mode].includes(next)
}

/**
 * The one setter of a load's mode. @throws Error (assertion) when the change is not in the table
 * above
 */
export function setMode(load: LoadRecord, mode: LoadMode, nowMs: number): void {
  assert(canFollow(load.mode, mode), `load ${load.loadId}: ${load.mode} -> ${mode}`)
  load.mode = mode
  if (mode === 'RUNNING' && load.startedMs === 0) load.startedMs = nowMs
  if (hasEnded(mode)) load.endedMs = nowMs
}

/** What placement must heed of a load's options. */
export function wishOf(options: Pick<LoadOptions, 'hosts' | 'evict'> | undefined): PlacementWish {
  return { hosts: options?.hosts, evict: options?.evict }
}

const stagedForMsDefault = 24 * 3_600_000

/**
 * What a listing of this load is asked of the master with: an atomic one's is put aside, under its
 * path, so that a later load goes on with it.
 */
export function stagingOf(
  { path, options, stagingId = path }: Pick<LoadRecord, 'path' | 'options' | 'stagingId'>,
  nowMs: number,
): { readonly stagingId?: string; readonly stagingExpiresMs?: number } {
  if (options.atomic !== true) return {}
  return { stagingId, stagingExpiresMs: nowMs + (options.expireTimeMs ?? stagedForMsDefault) }
}

/** `L42`: how people and tasks name load 42. */
export function formatLoadId(loadId: number): string {
  return `L${loadId}`
}

/** `L42`, `l42` or `42` -> 42; undefined for anything else. */
export function parseLoadId(text: string): number | undefined {
  const match = /^[Ll]?([1-9]\d{0,14})$/.exec(text)
  return match === null ? undefined : Number(match[1])
}

/** Bytes of the piece's blocks. */
export function pieceBytes(piece: Piece): number {
  if (piece.blockCount === 0) return 0
  const last = piece.firstBlock + piece.blockCount - 1
  return (piece.blockCount - 1) * piece.blockSizeBytes + blockLength(piece.length, piece.blockSizeBytes, last)
}

/** Bytes that a set reads, once. */
export function setBytes(set: { readonly pieces: readonly Piece[] }): number {
  return set.pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0)
}

/**
 * The piece's blocks that satisfy `keep`, as pieces of consecutive blocks; the first keeps `lead`.
 */
export function carve(piece: Piece, keep: (blockIndex: number) => boolean): Piece[] {
  const carved: Piece[] = []
  const end = piece.firstBlock + piece.blockCount
  for (let index = piece.firstBlock; index < end; index += 1) {
    if (!keep(index)) continue
    const last = carved.at(-1)
    if (last !== undefined && last.firstBlock + last.blockCount === index) {
      carved[carved.length - 1] = { ...last, blockCount: last.blockCount + 1 }
    } else {
      carved.push({ ...piece, firstBlock: index, blockCount: 1, lead: piece.lead && carved.length === 0 })
    }
  }
  return carved
}
