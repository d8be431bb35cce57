// Why: defines loads as data. How: plain records that any table can store, and a single setter for
// the mode of a load, so that no other code decides which transitions are allowed.
import { assert } from '../base/assert.ts'
import { blockLength } from '../base/block-id.ts'
import { firstNameOf } from '../base/paths.ts'
import type { HostChoice, PlacementWish } from './placing/placement.ts'
import type { Selection } from './choice/selection.ts'

/**
 * SUBMITTED -> RUNNING -> AUDITING -> COMPLETED | PARTIAL | FAILED. AUDITING returns to RUNNING
 * when it plans repairs, and plans further repairs while those run. CANCELLED and FAILED can follow
 * every mode of an unfinished load. PARTIAL follows RUNNING when more files failed than the load
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
  /** Files with their own replication keep it; `replication` applies to the others. */
  readonly keepReplication?: boolean
  /** Maximum number of tasks of this load in flight. */
  readonly activeJobs: number
  /** Maximum number of files in a set of small files. */
  readonly batchSize: number
  /** No file becomes visible before all files are loaded. */
  readonly atomic?: boolean
  /**
   * How long the staging of an atomic load is kept while no job master continues the load. Default:
   * a day.
   */
  readonly expireTimeMs?: number
  /** May evict colder blocks that no running load needs. */
  readonly evict?: boolean
  /** As the user wrote it. Undefined: no limit. */
  readonly bandwidth?: string
  readonly priority?: number
  /** Reads only the listing, so that the files become known; loads no blocks. */
  readonly metadataOnly?: boolean
  /** Selects files of the listing. Undefined: all files. */
  readonly selection?: Selection
  /** Selects the workers for the blocks. Undefined: all workers. */
  readonly hosts?: HostChoice
  /** Compares cached files with the checksums of the store. */
  readonly verify?: boolean
  /** `N` or `P%`: the load stops early above this limit. */
  readonly maxFailures?: string
  /** The schedule that submitted it. */
  readonly schedule?: string
  readonly readyByMs?: number
  /** The load that this one continues. */
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
   * Files of the store that were unknown before this load's listing; known in another version;
   * deleted from the store.
   */
  filesAdded?: number
  filesChanged?: number
  filesRemoved?: number
  /** Files whose replication differed from the load's. */
  filesReplicationChanged?: number
  /** Listed but not selected. Not in any other count. */
  filesExcluded?: number
  /** Cached files that match the checksum of the store. */
  filesVerified?: number
  /** Cached files for which the store has no checksum. */
  filesUnverifiable?: number
}

export interface LoadRecord {
  readonly loadId: number
  /** The loaded path, or with an index the common prefix of its paths. */
  readonly path: string
  /** The staged list of paths to load. */
  readonly indexId?: string
  /** The path is in the root mount, not in a namespace of its first name. */
  readonly inRoot?: boolean
  /** Only the versions in the index are loaded. */
  readonly exactVersions?: boolean
  readonly options: LoadOptions
  readonly submittedMs: number
  mode: LoadMode
  cancelling: boolean
  /** The same load was submitted again while it ran. */
  joined?: boolean
  namespaceId: string
  /** Atomic load only: the exact staging in which the master holds its files, once known. */
  stagingId?: string
  /**
   * The master was asked, or is about to be asked, to swap the files in. From then on the load
   * cannot be cancelled.
   */
  swapping?: boolean
  /** Cursor for the rest of the listing. Empty at the start. */
  cursor: string
  pagesPlanned: number
  listingDone: boolean
  nextSet: number
  /** Whether any file has a progress row. */
  hasSplitFiles: boolean
  /** Its rows are being deleted. The load counts as deleted. */
  expiring: boolean
  /** Planned sets that are not done. */
  openSets: number
  /**
   * Only for ended loads: whether the rows of the open sets were kept. Older loads have lost them.
   */
  openKept?: boolean
  startedMs: number
  endedMs: number
  reason: string
  errorCode: string
  missingCapacityBytes: number
  counts: LoadCounts
}

/** One file's part of a set: consecutive whole blocks. */
export interface Piece {
  readonly fileId: number
  readonly key: string
  readonly etag: string
  /** Length of the whole file. */
  readonly length: number
  readonly blockSizeBytes: number
  readonly firstBlock: number
  readonly blockCount: number
  /** True for exactly one piece of a file: the one that represents the file in lists. */
  readonly lead: boolean
  /** Replicas of this file, if they differ from the load's. */
  readonly replication?: number
  /** Decimal CRC-64/XZ of the whole object, if the store sent it. */
  readonly crc64?: string
  /** `replication` was set on the file and must be kept. */
  readonly replicationKept?: boolean
}

/**
 * The content of a task: every block of every piece is written to each of the targets (worker ids).
 */
export interface NewSet {
  readonly pieces: readonly Piece[]
  readonly targets: readonly string[]
  /** 1 for the first attempt to load these blocks. */
  readonly attempt: number
  /** Wall-clock time before which the set must not be dispatched; 0 = at once. */
  readonly notBeforeMs: number
  /** Workers that have these blocks, or get them from other sets. They cannot replace a target. */
  readonly elsewhere?: readonly string[] | undefined
  /**
   * The blocks are cached and must be compared with the checksums of the store. No room is reserved
   * for them.
   */
  readonly verify?: boolean | undefined
}

/** A set is done when it has no row in the open sets. */
export interface SetRecord extends Omit<NewSet, 'notBeforeMs'> {
  /**
   * Contains blocks that were cached before the load. It is never dispatched, but audited and
   * listed.
   */
  readonly cached: boolean
}

/** The row of an unfinished set: everything that the window needs, without the pieces. */
export interface OpenSet {
  readonly bytes: number
  readonly targets: readonly string[]
  readonly attempt: number
  readonly notBeforeMs: number
  readonly elsewhere?: readonly string[] | undefined
}

/**
 * Number of open sets with a part of a file. Only files that are or were in more than one set have
 * this row; without it the number is one until that set is done.
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
  /** The cache worker that refused the block, or the job worker that could not read it. */
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
 * The only setter of a load's mode.
 * @throws Error (assertion) when the transition is not in the table above
 */
export function setMode(load: LoadRecord, mode: LoadMode, nowMs: number): void {
  assert(canFollow(load.mode, mode), `load ${load.loadId}: ${load.mode} -> ${mode}`)
  load.mode = mode
  if (mode === 'RUNNING' && load.startedMs === 0) load.startedMs = nowMs
  if (hasEnded(mode)) load.endedMs = nowMs
}

/** The options of a load that affect placement. */
export function wishOf(options: Pick<LoadOptions, 'hosts' | 'evict'> | undefined): PlacementWish {
  return { hosts: options?.hosts, evict: options?.evict }
}

const stagedForMsDefault = 24 * 3_600_000

/**
 * The staging for the listing of this load. An atomic load uses a staging named after its path, so
 * that a later load can continue it.
 */
export function stagingOf(
  { path, options, stagingId = path }: Pick<LoadRecord, 'path' | 'options' | 'stagingId'>,
  nowMs: number,
): { readonly stagingId?: string; readonly stagingExpiresMs?: number } {
  if (options.atomic !== true) return {}
  return { stagingId, stagingExpiresMs: nowMs + (options.expireTimeMs ?? stagedForMsDefault) }
}

/** The namespace of a load's files, empty for the root mount. */
export function namespaceOfLoad({ path, inRoot }: Pick<LoadRecord, 'path' | 'inRoot'>): string {
  return inRoot === true ? '' : firstNameOf(path)
}

/** The id of load 42 in messages and tasks: `L42`. */
export function formatLoadId(loadId: number): string {
  return `L${loadId}`
}

/** `L42`, `l42` or `42` -> 42; undefined for anything else. */
export function parseLoadId(text: string): number | undefined {
  const match = /^[Ll]?([1-9]\d{0,14})$/.exec(text)
  return match === null ? undefined : Number(match[1])
}

/** Number of bytes in the blocks of a piece. */
export function pieceBytes(piece: Piece): number {
  if (piece.blockCount === 0) return 0
  const last = piece.firstBlock + piece.blockCount - 1
  return (piece.blockCount - 1) * piece.blockSizeBytes + blockLength(piece.length, piece.blockSizeBytes, last)
}

/** Number of bytes that a set reads once. */
export function setBytes(set: { readonly pieces: readonly Piece[] }): number {
  return set.pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0)
}

/**
 * Returns the blocks of the piece that satisfy `keep`, as pieces of consecutive blocks. The first
 * one keeps `lead`.
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
