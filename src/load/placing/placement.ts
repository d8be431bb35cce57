// Why: which workers get a block, and whether there is room for it, decided before anything is
// read. How: weighted rendezvous hashing (each worker draws a number from the block group's hash;
// free space is the weight), so that data spreads by free space, a worker that comes or goes moves
// little, and the same group meets the same workers again. A ledger reserves what is planned,
// because usage reports lag behind, and knows for which load: what a load holds of a worker ends
// with it. Two figures bound a worker's usage from above, and the lower one counts: what was used
// when nothing was planned and what was planned since; and what is reported now and what was
// written too lately to be in it.
import { hashUnit } from './hash.ts'
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

/** Which hosts get blocks (wire: HostChoice). */
export interface HostChoice {
  /** Only these; none = all. */
  readonly hosts: readonly string[]
  readonly excludedHosts: readonly string[]
  /** This one first, as far as it has room. */
  readonly locality?: string | undefined
}

/** What a load asks of the workers beside room. */
export interface PlacementWish {
  readonly hosts?: HostChoice | undefined
  /** Colder blocks may go: all room counts that no load's planned bytes take. */
  readonly evict?: boolean | undefined
  /** What the load had found cached may go, too: of a load that may evict, which loads it again. */
  readonly overCached?: boolean | undefined
}

/** Whether a host may hold blocks of a load with this choice. */
export function isChosenHost(choice: HostChoice | undefined, hostname: string): boolean {
  if (choice === undefined) return true
  return !choice.excludedHosts.includes(hostname) && (choice.hosts.length === 0 || choice.hosts.includes(hostname))
}

/** How long is waited for workers to delete what was freed. */
const leavingPatienceMs = 20_000

export class Placement {
  readonly #entries: Map<string, LedgerEntry>
  readonly #loadId: number

  constructor(entries = new Map<string, LedgerEntry>(), loadId = 0) {
    this.#entries = entries
    this.#loadId = loadId
  }

  /** The same books, in which what is reserved is this load's. */
  of(loadId: number): Placement {
    return new Placement(this.#entries, loadId)
  }

  /**
   * Takes over the master's list of workers. One that is not in it is not live; what is under way
   * to it stays in the books.
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

  /** Whether a replica there counts for a load with this choice of hosts. */
  holdsFor(workerId: string, hosts: HostChoice | undefined): boolean {
    const worker = this.#entries.get(workerId)?.worker
    return worker?.live === true && isChosenHost(hosts, worker.hostname)
  }

  /** Bytes that may still be planned for a worker; a lower bound of what is really free. */
  freeBytes(workerId: string): number {
    const entry = this.#entries.get(workerId)
    return entry === undefined ? 0 : freeOf(entry)
  }

  /** Bytes that a load which may evict can still plan for a worker. */
  roomBytes(workerId: string): number {
    const entry = this.#entries.get(workerId)
    return entry === undefined ? 0 : this.#roomOf(entry)
  }

  /** The same books, to try something out in. */
  copy(): Placement {
    const copy = new Placement(new Map(), this.#loadId)
    for (const [workerId, entry] of this.#entries) {
      const loads = new Map([...entry.loads].map(([loadId, share]) => [loadId, { ...share }] as const))
      copy.#entries.set(workerId, { ...entry, loads })
    }
    return copy
  }

  /**
   * For books that only count what is missing: takes up to `bytes` on each worker that `place`
   * would take if it had room for all of them, and for `count` replicas at most. @returns the bytes
   * taken
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
   * True when no planned byte is under way anywhere and the reported usage is believed: what does
   * not fit now, does not fit.
   */
  get settled(): boolean {
    return !this.anyLeaving && [...this.#entries.values()].every((entry) => entry.plannedBytes === 0)
  }

  /** Whether a live worker still has blocks that were freed. */
  get anyLeaving(): boolean {
    return [...this.#entries.values()].some(({ worker }) => worker.live && (worker.blocksLeaving ?? 0) > 0)
  }

  /**
   * Whether the workers' next reports may tell of more room than there was at `sinceMs`, and are
   * still worth waiting for.
   */
  mayHaveMore(sinceMs: number, nowMs: number): boolean {
    const patienceMs = this.anyLeaving ? leavingPatienceMs : 2 * settleMs
    return nowMs - sinceMs < patienceMs && this.unsettledBytes(sinceMs) > 0
  }

  /**
   * Bytes on live workers that may be gone by what the next reports say: arrived until then, or of
   * a worker that has blocks to delete.
   */
  unsettledBytes(untilMs: number): number {
    const live = [...this.#entries.values()].filter(({ worker }) => worker.live)
    return live.reduce((sum, { recent, worker }) => {
      const leaving = (worker.blocksLeaving ?? 0) > 0 ? worker.usedBytes : 0
      return sum + Math.max(leaving, arrivedBytesOf(recent.filter(({ atMs }) => atMs <= untilMs)))
    }, 0)
  }

  /**
   * `count` live workers with room for `bytes` each, best first, none of `excluded`; distinct
   * hosts, also from those of `excluded`, while there are enough. Fewer than `count` when it does
   * not fit. Nothing is reserved yet.
   */
  place(
    hash: number,
    bytes: number,
    count: number,
    excluded: readonly string[] = [],
    wish: PlacementWish = {},
  ): string[] {
    const ranked: { entry: LedgerEntry; score: number }[] = []
    for (const entry of this.#entries.values()) {
      const free = freeOf(entry)
      if (
        !entry.worker.live ||
        excluded.includes(entry.worker.workerId) ||
        !isChosenHost(wish.hosts, entry.worker.hostname)
      )
        continue
      if (free < bytes && (wish.evict !== true || this.#roomOf(entry, wish.overCached) < bytes)) continue
      // Weighted rendezvous: -weight / ln(u), u uniform in (0, 1) (Schindelhauer and Schomaker,
      // "Weighted distributed hash tables").
      ranked.push({ entry, score: -Math.max(free, 1) / Math.log(hashUnit(hash, entry.hash)) })
    }
    const isNear = ({ entry }: { readonly entry: LedgerEntry }): boolean =>
      entry.worker.hostname === wish.hosts?.locality
    ranked.sort((a, b) => Number(isNear(b)) - Number(isNear(a)) || b.score - a.score)
    const hosts = new Set(excluded.map((workerId) => this.#entries.get(workerId)?.worker.hostname))
    const chosen: LedgerEntry[] = []
    for (const { entry } of ranked) {
      if (chosen.length === count) break
      if (hosts.has(entry.worker.hostname)) continue
      hosts.add(entry.worker.hostname)
      chosen.push(entry)
    }
    for (const { entry } of ranked) {
      if (chosen.length === count) break
      if (!chosen.includes(entry)) chosen.push(entry)
    }
    return chosen.map((entry) => entry.worker.workerId)
  }

  /** Also for a worker that is not listed yet. */
  reserve(targets: readonly string[], bytes: number): void {
    for (const workerId of targets) {
      const entry = this.#entries.get(workerId) ?? entryOf(unlisted(workerId), undefined, 0)
      this.#entries.set(workerId, entry)
      entry.plannedBytes += bytes
      entry.openBytes += bytes
      this.#change(entry, bytes, bytes)
    }
  }

  /** The bytes are on the workers now (their reports will say so). */
  arrived(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) {
      entry.arrivedBytes += Math.min(entry.openBytes, bytes)
      entry.openBytes = Math.max(0, entry.openBytes - bytes)
      this.#change(entry, -bytes, 0)
    }
  }

  /** The bytes will not come. */
  release(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) {
      drop(entry, bytes)
      this.#change(entry, -bytes, -bytes)
    }
  }

  /** Bytes that were planned and have been there all along. */
  unplan(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) {
      entry.plannedBytes = Math.max(0, entry.plannedBytes - bytes)
      this.#change(entry, 0, -bytes)
    }
  }

  /**
   * The bytes were there before, and the load counts on them: they are no room for it. Less than 0:
   * it does not count on them.
   */
  hold(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) this.#change(entry, 0, 0, bytes)
  }

  /**
   * The load has ended: what it had reserved and not written is given back, and what it wrote may
   * be evicted.
   */
  loadEnded(): void {
    for (const entry of this.#entries.values()) {
      drop(entry, entry.loads.get(this.#loadId)?.openBytes ?? 0)
      entry.loads.delete(this.#loadId)
    }
  }

  /**
   * Nothing is under way at all: drops what got lost in the books (sets that ended without an
   * answer).
   */
  nothingOpen(): void {
    for (const entry of this.#entries.values()) {
      entry.openBytes = 0
      for (const share of entry.loads.values()) share.openBytes = 0
    }
  }

  /** What is free once everything is evicted that no running load holds. */
  #roomOf(entry: LedgerEntry, overCached = false): number {
    let heldBytes = 0
    for (const [loadId, share] of entry.loads) {
      heldBytes += share.heldBytes
      if (loadId !== this.#loadId || !overCached) heldBytes += share.cachedBytes
    }
    // What was lost or freed since holds no room.
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
