// Why: what a load planned for a worker is not in the worker's reports yet, so the room left there
// is computed from both. How: one entry for each worker with its last report, what was planned
// since, what arrived too lately to be reported, and the share of each load.
import { hashText } from './hash.ts'

export interface PlacementWorker {
  readonly workerId: string
  readonly hostname: string
  readonly live: boolean
  readonly capacityBytes: number
  /** As the worker reports it, reservations included. */
  readonly usedBytes: number
  /** When the master had this report, by the master's clock; not given: as of now. */
  readonly lastHeartbeatMs?: number
  /** Blocks that it is still to delete, whose bytes are in `usedBytes`. */
  readonly blocksLeaving?: number | undefined
}

export interface LedgerEntry {
  worker: PlacementWorker
  readonly hash: number
  /**
   * Used bytes when nothing of ours was under way; `plannedBytes` were planned since. Undefined
   * until the worker is listed.
   */
  baselineBytes: number | undefined
  plannedBytes: number
  /** Planned and not yet ended. */
  openBytes: number
  idleSinceMs: number
  /** Arrived since the last list of workers. */
  arrivedBytes: number
  /** Arrived, and not yet in the reported usage for sure. */
  recent: readonly Arrival[]
  /** By load that has not ended. */
  readonly loads: Map<number, Share>
}

interface Arrival {
  readonly atMs: number
  /** The worker's last report then. */
  readonly heartbeatMs: number
  readonly bytes: number
}

/** What one load has of a worker. */
interface Share {
  openBytes: number
  /** Planned or arrived: not to be evicted while the load runs. */
  heldBytes: number
  /** Found there, and counted on; without protection at the worker. */
  cachedBytes: number
}

/** How long after a planned byte ended the reported usage is believed again. */
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
 * What arrived before a report that is surely newer is in the reported usage, as far as it is still
 * there.
 */
export function noteArrivals(entry: LedgerEntry, nowMs: number): void {
  const { live, lastHeartbeatMs = 0 } = entry.worker
  // Both readings are of the master's clock. A dead worker reports nothing more, and old masters do
  // not say when.
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

/** Reported, and what may not be in the report yet. */
export function usedAtMost({ worker, openBytes, arrivedBytes, recent }: LedgerEntry): number {
  return worker.usedBytes + openBytes + arrivedBytes + arrivedBytesOf(recent)
}

export function freeOf(entry: LedgerEntry): number {
  const { capacityBytes, usedBytes } = entry.worker
  const plannedBytes = (entry.baselineBytes ?? 0) + entry.plannedBytes
  return Math.max(0, capacityBytes - Math.max(usedBytes, Math.min(plannedBytes, usedAtMost(entry))))
}
