// Why: decides which workers get a block, and whether there is room for it, before anything is
// read. How: a policy (ranking.ts) puts the workers into an order that is the same for equal
// blocks, so few blocks move when a worker joins or leaves; those with room get the block. A ledger
// reserves planned bytes, because usage reports lag behind, and books them to loads: what a load
// holds on a worker ends with the load. There are two upper bounds for the usage of a worker, and
// the lower one counts: (1) the usage when nothing was planned plus what was planned since; (2) the
// reported usage plus what was written too recently to be in the report.
import { type PlacementKey, type PlacementPolicy, ranked } from './ranking.ts'
import {
  arrivedBytesOf,
  drop,
  entryOf,
  freeOf,
  type LedgerEntry,
  noteArrivals,
  type PlacementWorker,
  settleMs,
  unlisted,
  usedAtMost,
} from './worker-ledger.ts'

/** Selects the hosts that get blocks (wire: HostChoice). */
export interface HostChoice {
  /** Only these hosts. Empty: all hosts. */
  readonly hosts: readonly string[]
  readonly excludedHosts: readonly string[]
  /** Preferred host, while it has room. */
  readonly locality?: string | undefined
}

/** Requirements of a load besides room. */
export interface PlacementWish {
  readonly hosts?: HostChoice | undefined
  /**
   * Colder blocks may be evicted: all room counts that is not taken by the planned bytes of loads.
   */
  readonly evict?: boolean | undefined
  /**
   * Blocks that the load had found cached may be evicted too, because the load loads them again.
   */
  readonly overCached?: boolean | undefined
}

/** Whether a host may hold blocks of a load with this choice. */
export function isChosenHost(choice: HostChoice | undefined, hostname: string): boolean {
  if (choice === undefined) return true
  return !choice.excludedHosts.includes(hostname) && (choice.hosts.length === 0 || choice.hosts.includes(hostname))
}

/** How long to wait for workers to delete freed blocks. */
const leavingPatienceMs = 20_000

export class Placement {
  readonly #entries: Map<string, LedgerEntry>
  readonly #loadId: number
  readonly policy: PlacementPolicy

  constructor(policy: PlacementPolicy = 'rendezvous', entries = new Map<string, LedgerEntry>(), loadId = 0) {
    this.policy = policy
    this.#entries = entries
    this.#loadId = loadId
  }

  /** The same ledger, with reservations booked to this load. */
  of(loadId: number): Placement {
    return new Placement(this.policy, this.#entries, loadId)
  }

  /**
   * Applies the master's list of workers. A worker that is not in the list is not live; its bytes
   * in flight stay in the ledger.
   */
  update(workers: readonly PlacementWorker[], nowMs: number): void {
    const seen = new Set(workers.map((worker) => worker.workerId))
    for (const [workerId, entry] of this.#entries) {
      if (seen.has(workerId)) continue
      if (entry.openBytes === 0) this.#entries.delete(workerId)
      else entry.worker = { ...entry.worker, live: false }
    }
    for (const worker of workers) {
      const entry = this.#entries.get(worker.workerId)
      if (entry === undefined) {
        this.#entries.set(worker.workerId, entryOf(worker, worker.usedBytes, nowMs))
        continue
      }
      entry.worker = worker
      entry.baselineBytes ??= worker.usedBytes
      noteArrivals(entry, nowMs)
      if (entry.openBytes > 0) entry.idleSinceMs = nowMs
      else if (entry.recent.length === 0 && nowMs - entry.idleSinceMs >= settleMs) {
        entry.baselineBytes = worker.usedBytes
        entry.plannedBytes = 0
      }
    }
  }

  liveWorkers(): PlacementWorker[] {
    return [...this.#entries.values()].map((entry) => entry.worker).filter((worker) => worker.live)
  }

  get(workerId: string): PlacementWorker | undefined {
    return this.#entries.get(workerId)?.worker
  }

  isLive(workerId: string): boolean {
    return this.#entries.get(workerId)?.worker.live ?? false
  }

  /** Whether a replica on this worker counts for a load with this choice of hosts. */
  holdsFor(workerId: string, hosts: HostChoice | undefined): boolean {
    const worker = this.#entries.get(workerId)?.worker
    return worker?.live === true && isChosenHost(hosts, worker.hostname)
  }

  /** Bytes that can still be planned for a worker: a lower bound of its free bytes. */
  freeBytes(workerId: string): number {
    const entry = this.#entries.get(workerId)
    return entry === undefined ? 0 : freeOf(entry)
  }

  /** Bytes that a load with eviction can still plan for a worker. */
  roomBytes(workerId: string): number {
    const entry = this.#entries.get(workerId)
    return entry === undefined ? 0 : this.#roomOf(entry)
  }

  /** A copy of the ledger, for trial plans. */
  copy(): Placement {
    const copy = new Placement(this.policy, new Map(), this.#loadId)
    for (const [workerId, entry] of this.#entries) {
      const loads = new Map([...entry.loads].map(([loadId, share]) => [loadId, { ...share }] as const))
      copy.#entries.set(workerId, { ...entry, loads })
    }
    return copy
  }

  /**
   * For ledgers that only count missing bytes: takes up to `bytes` on each worker that `place`
   * would choose if it had enough room, for at most `count` replicas.
   * @returns the bytes taken
   */
  reserveRemainders(bytes: number, count: number, excluded: readonly string[], wish: PlacementWish = {}): number {
    let taken = 0
    for (const entry of this.#entries.values()) {
      const { workerId, live, hostname } = entry.worker
      if (!live || excluded.includes(workerId) || !isChosenHost(wish.hosts, hostname)) continue
      const room = wish.evict === true ? Math.max(freeOf(entry), this.#roomOf(entry, wish.overCached)) : freeOf(entry)
      const part = Math.min(room, bytes, bytes * count - taken)
      if (part <= 0) continue
      this.reserve([workerId], part)
      taken += part
    }
    return taken
  }

  /**
   * True when no planned bytes are in flight and the reported usage is up to date: what does not
   * fit now does not fit at all.
   */
  get settled(): boolean {
    return !this.anyLeaving && [...this.#entries.values()].every((entry) => entry.plannedBytes === 0)
  }

  /** Whether a live worker still has freed blocks to delete. */
  get anyLeaving(): boolean {
    return [...this.#entries.values()].some(({ worker }) => worker.live && (worker.blocksLeaving ?? 0) > 0)
  }

  /**
   * Whether the next reports may show more room than at `sinceMs`, and are still worth waiting for.
   */
  mayHaveMore(sinceMs: number, nowMs: number): boolean {
    const patienceMs = this.anyLeaving ? leavingPatienceMs : 2 * settleMs
    return nowMs - sinceMs < patienceMs && this.unsettledBytes(sinceMs) > 0
  }

  /**
   * Bytes on live workers that the next reports may show as free: bytes that arrived until then, or
   * used bytes of a worker that has blocks to delete.
   */
  unsettledBytes(untilMs: number): number {
    const live = [...this.#entries.values()].filter(({ worker }) => worker.live)
    return live.reduce((sum, { recent, worker }) => {
      const leaving = (worker.blocksLeaving ?? 0) > 0 ? worker.usedBytes : 0
      return sum + Math.max(leaving, arrivedBytesOf(recent.filter(({ atMs }) => atMs <= untilMs)))
    }, 0)
  }

  /**
   * Returns `count` live workers with room for `bytes` each, best first, without `excluded`.
   * Prefers distinct hosts, also distinct from the hosts of `excluded`. Returns fewer than `count`
   * when there is not enough room. Reserves nothing.
   */
  place(
    key: PlacementKey | number,
    bytes: number,
    count: number,
    excluded: readonly string[] = [],
    wish: PlacementWish = {},
  ): string[] {
    const mayHold = (entry: LedgerEntry): boolean =>
      !excluded.includes(entry.worker.workerId) &&
      isChosenHost(wish.hosts, entry.worker.hostname) &&
      (freeOf(entry) >= bytes || (wish.evict === true && this.#roomOf(entry, wish.overCached) >= bytes))
    const live = [...this.#entries.values()].filter(({ worker }) => worker.live)
    const order = nearFirst(
      ranked(this.policy, typeof key === 'number' ? { hash: key } : key, live, mayHold),
      wish.hosts?.locality,
    )
    const hosts = new Set(excluded.map((workerId) => this.#entries.get(workerId)?.worker.hostname))
    const chosen: LedgerEntry[] = []
    const sameHost: LedgerEntry[] = []
    for (const entry of order) {
      if (chosen.length === count) break
      if (hosts.has(entry.worker.hostname)) {
        sameHost.push(entry)
        continue
      }
      hosts.add(entry.worker.hostname)
      chosen.push(entry)
    }
    chosen.push(...sameHost.slice(0, Math.max(0, count - chosen.length)))
    return chosen.map((entry) => entry.worker.workerId)
  }

  /** Reserves bytes. Works also for a worker that is not listed yet. */
  reserve(targets: readonly string[], bytes: number): void {
    for (const workerId of targets) {
      const entry = this.#entries.get(workerId) ?? entryOf(unlisted(workerId), undefined, 0)
      this.#entries.set(workerId, entry)
      entry.plannedBytes += bytes
      entry.openBytes += bytes
      this.#change(entry, bytes, bytes)
    }
  }

  /** Call when the bytes are on the workers. Their next reports will include them. */
  arrived(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) {
      entry.arrivedBytes += Math.min(entry.openBytes, bytes)
      entry.openBytes = Math.max(0, entry.openBytes - bytes)
      this.#change(entry, -bytes, 0)
    }
  }

  /** Call when the bytes will not be written. */
  release(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) {
      drop(entry, bytes)
      this.#change(entry, -bytes, -bytes)
    }
  }

  /** Removes bytes that were planned although they were already cached. */
  unplan(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) {
      entry.plannedBytes = Math.max(0, entry.plannedBytes - bytes)
      this.#change(entry, 0, -bytes)
    }
  }

  /**
   * The bytes were cached before and the load relies on them, so they are not free for it. A
   * negative number undoes this.
   */
  hold(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) this.#change(entry, 0, 0, bytes)
  }

  /**
   * The load has ended: releases what it had reserved but not written. Its written blocks may be
   * evicted.
   */
  loadEnded(): void {
    for (const entry of this.#entries.values()) {
      drop(entry, entry.loads.get(this.#loadId)?.openBytes ?? 0)
      entry.loads.delete(this.#loadId)
    }
  }

  /** Nothing is in flight: removes stale bytes of sets that ended without an answer. */
  nothingOpen(): void {
    for (const entry of this.#entries.values()) {
      entry.openBytes = 0
      for (const share of entry.loads.values()) share.openBytes = 0
    }
  }

  /** Free bytes if all blocks were evicted that no running load holds. */
  #roomOf(entry: LedgerEntry, overCached = false): number {
    let heldBytes = 0
    for (const [loadId, share] of entry.loads) {
      heldBytes += share.heldBytes
      if (loadId !== this.#loadId || !overCached) heldBytes += share.cachedBytes
    }
    // Held blocks that were lost or freed since take no room.
    return Math.max(0, entry.worker.capacityBytes - Math.min(heldBytes, usedAtMost(entry)))
  }

  #change({ loads }: LedgerEntry, openBytes: number, heldBytes: number, cachedBytes = 0): void {
    const share = loads.get(this.#loadId) ?? { openBytes: 0, heldBytes: 0, cachedBytes: 0 }
    loads.set(this.#loadId, share)
    share.openBytes = Math.max(0, share.openBytes + openBytes)
    share.heldBytes = Math.max(0, share.heldBytes + heldBytes)
    share.cachedBytes = Math.max(0, share.cachedBytes + cachedBytes)
  }

  #of(targets: readonly string[]): LedgerEntry[] {
    return targets.map((workerId) => this.#entries.get(workerId)).filter((entry) => entry !== undefined)
  }
}

function nearFirst(order: Iterable<LedgerEntry>, host: string | undefined): Iterable<LedgerEntry> {
  if (host === undefined) return order
  const isNear = ({ worker }: LedgerEntry): boolean => worker.hostname === host
  return [...order].sort((a, b) => Number(isNear(b)) - Number(isNear(a)))
}
