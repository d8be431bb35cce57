// Why: placement and dispatch need the current list of cache workers. How: keeps a copy of the
// master's list, which is refreshed every second while loads run; the ledger of planned bytes on
// it; and a mark for workers that recently refused a connection. Sets for a marked worker wait, one
// set probes it, and the first success removes the mark.
import type { Clock } from '../../base/clock.ts'
import { toSkeinError, type SkeinError } from '../../base/errors.ts'
import { Placement } from '../../load/placing/placement.ts'
import type { PlacementPolicy } from '../../load/placing/ranking.ts'
import type { Service } from '../../wire/service.ts'
import type { MasterServiceDefinition, WorkerInfo } from '../../wire/generated/master.ts'
import type { SetTarget } from '../../wire/generated/job.ts'

const doubtMs = 2000
/** How long to wait for a lost worker before its blocks are loaded elsewhere. */
const returnMs = 10_000

export class ClusterView {
  readonly placement: Placement
  readonly #master: Service<MasterServiceDefinition>
  readonly #clock: Clock
  readonly #workers = new Map<string, WorkerInfo>()
  readonly #absentSinceMs = new Map<string, number>()
  readonly #doubtedUntilMs = new Map<string, number>()
  /** Last error of each unreachable worker. */
  readonly #lastErrors = new Map<string, string>()
  #masterError: SkeinError | undefined
  #known = false

  constructor(master: Service<MasterServiceDefinition>, clock: Clock, policy: PlacementPolicy = 'rendezvous') {
    this.placement = new Placement(policy)
    this.#master = master
    this.#clock = clock
  }

  /** Why the master's list is out of date. Undefined: it is fresh. */
  get masterError(): SkeinError | undefined {
    return this.#masterError
  }

  /** Whether the list was read at least once. */
  get known(): boolean {
    return this.#known
  }

  /**
   * Planned blocks go to these workers. A worker that the master does not list counts as absent
   * from now on.
   */
  expect(workerIds: readonly string[]): void {
    for (const workerId of workerIds) if (!this.#workers.has(workerId)) this.#noteAbsent(workerId)
  }

  #noteAbsent(workerId: string): void {
    if (!this.#absentSinceMs.has(workerId)) this.#absentSinceMs.set(workerId, this.#clock.monotonicMs())
  }

  /**
   * Reads the list from the master. On failure the previous list is kept, and masterError holds the
   * reason.
   */
  async refresh(signal: AbortSignal): Promise<void> {
    try {
      const { workers } = await this.#master.listWorkers({}, { signal })
      const before = [...this.#workers.keys()]
      this.#workers.clear()
      for (const worker of workers) {
        this.#workers.set(worker.workerId, worker)
        if (worker.live) this.#absentSinceMs.delete(worker.workerId)
        else this.#noteAbsent(worker.workerId)
      }
      // A restarted master lists only the workers that have registered since.
      this.expect(before)
      this.placement.update(workers.map(asTarget), this.#clock.monotonicMs())
      this.#masterError = undefined
      this.#known = true
    } catch (thrown) {
      this.#masterError = toSkeinError(thrown)
    }
  }

  /** The placement, with reservations booked to this load. */
  placementOf(loadId: number): Placement {
    return this.placement.of(loadId)
  }

  /** Number of live workers that accept new blocks. */
  liveCount(): number {
    return this.placement.liveWorkers().filter(({ workerId }) => this.#workers.get(workerId)?.decommissioning !== true)
      .length
  }

  /** Absent workers that may still return with their blocks. */
  absentBriefly(): string[] {
    return [...this.#absentSinceMs]
      .filter(([, sinceMs]) => this.#clock.monotonicMs() - sinceMs < returnMs)
      .map(([workerId]) => workerId)
  }

  /** Whether a worker has been absent for longer than the wait for its return. */
  isLost(workerId: string): boolean {
    const sinceMs = this.#absentSinceMs.get(workerId)
    return sinceMs !== undefined && this.#clock.monotonicMs() - sinceMs >= returnMs
  }

  hostOf(workerId: string): string | undefined {
    return this.#workers.get(workerId)?.hostname
  }

  /** Marks a worker as unreachable. `why` is the error, for messages. */
  doubt(workerId: string, why: string): void {
    this.#doubtedUntilMs.set(workerId, this.#clock.monotonicMs() + doubtMs)
    this.#lastErrors.set(workerId, why)
  }

  trust(workerId: string): void {
    this.#doubtedUntilMs.delete(workerId)
    this.#lastErrors.delete(workerId)
  }

  /**
   * Why a live worker could not be written to. Undefined: it is not live, or there was no error.
   */
  lastErrorOf(workerId: string): string | undefined {
    return this.placement.isLive(workerId) ? this.#lastErrors.get(workerId) : undefined
  }

  /**
   * Whether a set that writes to this worker may be dispatched. `setsOut`: sets in flight to the
   * worker.
   */
  isUsable(workerId: string, setsOut: number): boolean {
    if (!this.placement.isLive(workerId)) return false
    const until = this.#doubtedUntilMs.get(workerId)
    return until === undefined || (setsOut === 0 && this.#clock.monotonicMs() >= until)
  }

  /**
   * Returns the address of a target for job workers; empty if the master no longer knows the
   * worker.
   */
  targetOf(workerId: string): SetTarget {
    const { hostname = '', rpcAddress = '', dataAddress = '' } = this.#workers.get(workerId) ?? {}
    return { workerId, hostname, rpcAddress, dataAddress }
  }
}

/**
 * A worker that is being decommissioned counts as full: its planned blocks may complete, but
 * nothing new is planned on it.
 */
function asTarget(worker: WorkerInfo): WorkerInfo {
  return worker.decommissioning === true ? { ...worker, usedBytes: worker.capacityBytes } : worker
}
