// Why: bytes that a load has planned for a worker are not in the worker's reports yet, so its free
// room is calculated from both. How: one entry per worker with its last report, the bytes planned
// since, the bytes that arrived too recently to be reported, and the share of each load.
import type { RingPoints } from '../../base/ring/hash-ring.ts'
import { hashText } from './hash.ts'

export interface PlacementWorker {
  readonly workerId: string
  readonly hostname: string
  readonly live: boolean
  readonly capacityBytes: number
  /** Used bytes from the worker's report, including reservations. */
  readonly usedBytes: number
  /** When the master received this report, by the master's clock. Undefined: just now. */
  readonly lastHeartbeatMs?: number
  /** Blocks that the worker must still delete. Their bytes are included in `usedBytes`. */
  readonly blocksLeaving?: number | undefined
}

export interface LedgerEntry {
  worker: PlacementWorker
  readonly hash: number
  /** On the hash ring. Undefined: not needed yet. */
  points?: RingPoints
  /**
   * Used bytes when nothing of ours was in flight; `plannedBytes` were planned since then.
   * Undefined until the worker is listed.
   */
  baselineBytes: number | undefined
  plannedBytes: number
  /** Planned bytes that have not arrived and were not released. */
  openBytes: number
  idleSinceMs: number
  /** Bytes that arrived since the last list of workers. */
  arrivedBytes: number
  /** Bytes that arrived but may not be in the reported usage yet. */
  recent: readonly Arrival[]
  /** Shares of unfinished loads. */
  readonly loads: Map<number, Share>
}

interface Arrival {
  readonly atMs: number
  /** Time of the worker's last report at that moment. */
  readonly heartbeatMs: number
  readonly bytes: number
}

/** Bytes of one load on a worker. */
interface Share {
  openBytes: number
  /** Planned or arrived. Must not be evicted while the load runs. */
  heldBytes: number
  /** Found on the worker and relied on, without protection from eviction. */
  cachedBytes: number
}

/** How long after the last planned byte the reported usage is trusted again. */
export const settleMs = 3000

export function entryOf(worker: PlacementWorker, baselineBytes: number | undefined, nowMs: number): LedgerEntry {
  const books = {
    baselineBytes,
    plannedBytes: 0,
    openBytes: 0,
    idleSinceMs: nowMs,
    arrivedBytes: 0,
    recent: [],
    loads: new Map(),
  }
  return { worker, hash: hashText(worker.workerId), ...books }
}

export function unlisted(workerId: string): PlacementWorker {
  return { workerId, hostname: '', live: false, capacityBytes: 0, usedBytes: 0 }
}

export function drop(entry: LedgerEntry, bytes: number): void {
  entry.openBytes = Math.max(0, entry.openBytes - bytes)
  entry.plannedBytes = Math.max(0, entry.plannedBytes - bytes)
}

/**
 * Bytes that arrived before a report that is certainly newer are included in the reported usage, if
 * they still exist.
 */
export function noteArrivals(entry: LedgerEntry, nowMs: number): void {
  const { live, lastHeartbeatMs = 0 } = entry.worker
  // Both times are from the master's clock. A dead worker sends no more reports, and older masters
  // do not send the time.
  const isReported = ({ heartbeatMs }: Arrival): boolean =>
    !live || lastHeartbeatMs === 0 || Math.abs(lastHeartbeatMs - heartbeatMs) >= settleMs
  const left = entry.recent.filter((arrival) => nowMs - arrival.atMs < settleMs || !isReported(arrival))
  const { arrivedBytes: bytes } = entry
  entry.recent = bytes > 0 ? [...left, { atMs: nowMs, heartbeatMs: lastHeartbeatMs, bytes }] : left
  entry.arrivedBytes = 0
}

export function arrivedBytesOf(arrivals: readonly Arrival[]): number {
  return arrivals.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Reported usage plus what may not be in the report yet. */
export function usedAtMost({ worker, openBytes, arrivedBytes, recent }: LedgerEntry): number {
  return worker.usedBytes + openBytes + arrivedBytes + arrivedBytesOf(recent)
}

export function freeOf(entry: LedgerEntry): number {
  const { capacityBytes, usedBytes } = entry.worker
  const plannedBytes = (entry.baselineBytes ?? 0) + entry.plannedBytes
  return Math.max(0, capacityBytes - Math.max(usedBytes, Math.min(plannedBytes, usedAtMost(entry))))
}
