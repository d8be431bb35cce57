// Why: what a load is, as data. How: plain records that any table can hold, and one setter for the load's mode, so
// that no other line decides which change of state is allowed.
import { assert } from '../base/assert.ts'
import { blockLength } from '../base/block-id.ts'

/**
 * SUBMITTED -> RUNNING -> AUDITING -> COMPLETED | PARTIAL | FAILED. AUDITING goes back to RUNNING when it plans
 * repairs, and plans the other ones while those run. CANCELLED and FAILED can follow every mode that has not ended.
 */
export type LoadMode = 'SUBMITTED' | 'RUNNING' | 'AUDITING' | 'COMPLETED' | 'PARTIAL' | 'FAILED' | 'CANCELLED'

const nextModes: Readonly<Record<LoadMode, readonly LoadMode[]>> = {
  SUBMITTED: ['RUNNING', 'FAILED', 'CANCELLED'],
  RUNNING: ['AUDITING', 'FAILED', 'CANCELLED'],
  AUDITING: ['RUNNING', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'],
  COMPLETED: [],
  PARTIAL: [],
  FAILED: [],
  CANCELLED: [],
}

export interface LoadOptions {
  readonly replication: number
  /** Tasks of this load that may be out at once. */
  readonly activeJobs: number
  /** Files a set of small files may hold. */
  readonly batchSize: number
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
}

export interface LoadRecord {
  readonly loadId: number
  readonly path: string
  readonly options: LoadOptions
  readonly submittedMs: number
  mode: LoadMode
  cancelling: boolean
  namespaceId: string
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
}

/** What a task carries: every block of every piece goes to each of the targets (worker ids). */
export interface NewSet {
  readonly pieces: readonly Piece[]
  readonly targets: readonly string[]
  /** 1 for the first try of these blocks. */
  readonly attempt: number
  /** Wall clock before which it shall not go out; 0 = at once. */
  readonly notBeforeMs: number
  /** Workers that have these blocks, or get them by other sets: none of them can stand in for a target. */
  readonly elsewhere?: readonly string[] | undefined
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

/** How many open sets hold a part of a file. Only files that are or were in more than one set have it; without it: one, until that set is done. */
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
  readonly workerId: string
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

/** The one setter of a load's mode. @throws Error (assertion) when the change is not in the table above */
export function setMode(load: LoadRecord, mode: LoadMode, nowMs: number): void {
  assert(nextModes[load.mode].includes(mode), `load ${load.loadId}: ${load.mode} -> ${mode}`)
  load.mode = mode
  if (mode === 'RUNNING' && load.startedMs === 0) load.startedMs = nowMs
  if (hasEnded(mode)) load.endedMs = nowMs
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

/** The piece's blocks that satisfy `keep`, as pieces of consecutive blocks; the first keeps `lead`. */
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
