// Why: placement and dispatch need the cache workers as the master sees them now. How: a copy of
// the master's list, asked for every second while loads run, the ledger of planned bytes on it, and
// a doubt about workers that refused a connection a moment ago: their sets wait, one probes, and
// the first success ends the doubt.
import type { Clock } from '../../base/clock.ts'
import { toSkeinError, type SkeinError } from '../../base/errors.ts'
import { Placement } from '../../load/placing/placement.ts'
import type { Service } from '../../wire/service.ts'
import type { MasterServiceDefinition, WorkerInfo } from '../../wire/generated/master.ts'
import type { SetTarget } from '../../wire/generated/job.ts'

const doubtMs = 2000
/** How long a worker that the master lost is waited for, before its blocks are loaded elsewhere. */
const returnMs = 10_000

export class ClusterView {
  readonly placement = new Placement()
  readonly #master: Service<MasterServiceDefinition>
  readonly #clock: Clock
  readonly #workers = new Map<string, WorkerInfo>()
  readonly #absentSinceMs = new Map<string, number>()
  readonly #doubtedUntilMs = new Map<string, number>()
  /** Why a worker could not be reached, until it is. */
  readonly #lastErrors = new Map<string, string>()
  #masterError: SkeinError | undefined
  #known = false

  constructor(master: Service<MasterServiceDefinition>, clock: Clock) {
    this.#master = master
    this.#clock = clock
  }

  /** Why the master's list is not fresh; undefined when it is. */
  get masterError(): SkeinError | undefined {
    return this.#masterError
  }

  /** Whether the list was ever read. */
  get known(): boolean {
    return this.#known
  }

  /**
   * Planned blocks go to these workers: one that the master does not list is absent from now on.
   */
  expect(workerIds: readonly string[]): void {
    for (const workerId of workerIds) if (!this.#workers.has(workerId)) this.#noteAbsent(workerId)
  }

  #noteAbsent(workerId: string): void {
    if (!this.#absentSinceMs.has(workerId)) this.#absentSinceMs.set(workerId, this.#clock.monotonicMs())
  }

  /** Asks the master; on failure the last list stays and masterError says why. */
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
      // A master that started again lists only who has registered since.
      this.expect(before)
      this.placement.update(workers.map(asTarget), this.#clock.monotonicMs())
      this.#masterError = undefined
      this.#known = true
    } catch (thrown) {
      this.#masterError = toSkeinError(thrown)
    }
  }

  /** The books in which what is reserved is a load's own. */
  placementOf(loadId: number): Placement {
    return this.placement.of(loadId)
  }

  /** Live workers that take new blocks. */
  liveCount(): number {
    return this.placement.liveWorkers().filter(({ workerId }) => this.#workers.get(workerId)?.decommissioning !== true)
      .length
  }

  /** Workers that are gone and may still come back with their blocks. */
  absentBriefly(): string[] {
    return [...this.#absentSinceMs]
      .filter(([, sinceMs]) => this.#clock.monotonicMs() - sinceMs < returnMs)
      .map(([workerId]) => workerId)
  }

  /** Whether a worker has been gone for longer than it is waited for. */
  isLost(workerId: string): boolean {
    const sinceMs = this.#absentSinceMs.get(workerId)
    return sinceMs !== undefined && this.#clock.monotonicMs() - sinceMs >= returnMs
  }

  hostOf(workerId: string): string | undefined {
    return this.#workers.get(workerId)?.hostname
  }

  /** `why`: the error of who could not reach it, for people. */
  doubt(workerId: string, why: string): void {
    this.#doubtedUntilMs.set(workerId, this.#clock.monotonicMs() + doubtMs)
    this.#lastErrors.set(workerId, why)
  }

  trust(workerId: string): void {
    this.#doubtedUntilMs.delete(workerId)
    this.#lastErrors.delete(workerId)
  }

  /**
   * Why nothing was written to a worker that the master sees live; undefined when it is not live,
   * or nothing is known against it.
   */
  lastErrorOf(workerId: string): string | undefined {
    return this.placement.isLive(workerId) ? this.#lastErrors.get(workerId) : undefined
  }

  /** Whether a set that writes to this worker may go out now; `setsOut`: how many are out to it. */
  isUsable(workerId: string, setsOut: number): boolean {
    if (!this.placement.isLive(workerId)) return false
    const until = this.#doubtedUntilMs.get(workerId)
    return until === undefined || (setsOut === 0 && this.#clock.monotonicMs() >= until)
  }

  /**
   * Where a job worker finds the target. A worker that the master does not know any more has no
   * address.
   */
  targetOf(workerId: string): SetTarget {
    const { hostname = '', rpcAddress = '', dataAddress = '' } = this.#workers.get(workerId) ?? {}
    return { workerId, hostname, rpcAddress, dataAddress }
  }
}

/**
 * A worker that is being taken out of service counts as full: what is planned for it may end,
 * nothing new is planned.
 */
function asTarget(worker: WorkerInfo): WorkerInfo {
  return worker.decommissioning === true ? { ...worker, usedBytes: worker.capacityBytes } : worker
}
