// Why: which workers get a block, and whether there is room for it, decided before anything is read.
// How: weighted rendezvous hashing (each worker draws a number from the block group's hash; free space is the weight),
// so that data spreads by free space, a worker that comes or goes moves little, and the same group meets the same
// workers again. A ledger reserves what is planned, because usage reports lag behind.
import { hashText, hashUnit } from './hash.ts'

export interface PlacementWorker {
  readonly workerId: string
  readonly hostname: string
  readonly live: boolean
  readonly capacityBytes: number
  /** As the worker reports it, reservations included. */
  readonly usedBytes: number
}

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
}

/** Whether a host may hold blocks of a load with this choice. */
export function isChosenHost(choice: HostChoice | undefined, hostname: string): boolean {
  if (choice === undefined) return true
  return !choice.excludedHosts.includes(hostname) && (choice.hosts.length === 0 || choice.hosts.includes(hostname))
}

interface LedgerEntry {
  worker: PlacementWorker
  readonly hash: number
  /** Used bytes when nothing of ours was under way; `plannedBytes` were planned since. Undefined until the worker is listed. */
  baselineBytes: number | undefined
  plannedBytes: number
  /** Planned and not yet ended. */
  openBytes: number
  idleSinceMs: number
}

/** How long after the last planned byte ended the reported usage is believed again. */
export const settleMs = 3000

export class Placement {
  readonly #entries = new Map<string, LedgerEntry>()

  /** Takes over the master's list of workers. One that is not in it is not live; what is under way to it stays in the books. */
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
      if (entry.openBytes > 0) entry.idleSinceMs = nowMs
      else if (nowMs - entry.idleSinceMs >= settleMs) {
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
    return entry === undefined ? 0 : roomOf(entry)
  }

  /** The same books, to try something out in. */
  copy(): Placement {
    const copy = new Placement()
    for (const [workerId, entry] of this.#entries) copy.#entries.set(workerId, { ...entry })
    return copy
  }

  /** True when no planned byte is under way anywhere and the reported usage is believed: what does not fit now, does not fit. */
  get settled(): boolean {
    return [...this.#entries.values()].every((entry) => entry.plannedBytes === 0)
  }

  /**
   * `count` live workers with room for `bytes` each, best first, none of `excluded`; distinct hosts, also from those of
   * `excluded`, while there are enough. Fewer than `count` when it does not fit. Nothing is reserved yet.
   */
  place(hash: number, bytes: number, count: number, excluded: readonly string[] = [], wish: PlacementWish = {}): string[] {
    const ranked: { entry: LedgerEntry; score: number }[] = []
    for (const entry of this.#entries.values()) {
      const free = freeOf(entry)
      if (!entry.worker.live || excluded.includes(entry.worker.workerId) || !isChosenHost(wish.hosts, entry.worker.hostname)) continue
      if (free < bytes && (wish.evict !== true || roomOf(entry) < bytes)) continue
      // Weighted rendezvous: -weight / ln(u), u uniform in (0, 1) (Schindelhauer and Schomaker, "Weighted distributed hash tables").
      ranked.push({ entry, score: -Math.max(free, 1) / Math.log(hashUnit(hash, entry.hash)) })
    }
    const isNear = ({ entry }: { readonly entry: LedgerEntry }): boolean => entry.worker.hostname === wish.hosts?.locality
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
    }
  }

  /** The bytes are on the workers now (their reports will say so). */
  arrived(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) entry.openBytes = Math.max(0, entry.openBytes - bytes)
  }

  /** The bytes will not come. */
  release(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) {
      entry.openBytes = Math.max(0, entry.openBytes - bytes)
      entry.plannedBytes = Math.max(0, entry.plannedBytes - bytes)
    }
  }

  /** Bytes that were planned and have been there all along. */
  unplan(targets: readonly string[], bytes: number): void {
    for (const entry of this.#of(targets)) entry.plannedBytes = Math.max(0, entry.plannedBytes - bytes)
  }

  /** Nothing is under way at all: drops what got lost in the books (sets that ended without an answer). */
  nothingOpen(): void {
    for (const entry of this.#entries.values()) entry.openBytes = 0
  }

  #of(targets: readonly string[]): LedgerEntry[] {
    return targets.map((workerId) => this.#entries.get(workerId)).filter((entry) => entry !== undefined)
  }
}

function entryOf(worker: PlacementWorker, baselineBytes: number | undefined, nowMs: number): LedgerEntry {
  return { worker, hash: hashText(worker.workerId), baselineBytes, plannedBytes: 0, openBytes: 0, idleSinceMs: nowMs }
}

function unlisted(workerId: string): PlacementWorker {
  return { workerId, hostname: '', live: false, capacityBytes: 0, usedBytes: 0 }
}

/** What is free once everything is evicted that no load has planned. */
function roomOf(entry: LedgerEntry): number {
  return Math.max(0, entry.worker.capacityBytes - entry.plannedBytes)
}

function freeOf(entry: LedgerEntry): number {
  const { capacityBytes, usedBytes } = entry.worker
  return Math.max(0, capacityBytes - Math.max(usedBytes, (entry.baselineBytes ?? 0) + entry.plannedBytes))
}
