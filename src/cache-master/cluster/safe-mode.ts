// Why: a master that has just started knows no locations yet, and whoever acts on "no worker has
// it" would load or copy what is there. How: which workers lived is journaled; a start waits until
// each of them has ended its full report, or has been silent for as long as a worker may be before
// it is lost.
import type { Clock } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { MasterContext } from '../master-context.ts'

type Dependencies = Pick<MasterContext, 'tables' | 'log' | 'workers' | 'logger'> & {
  readonly clock: Clock
  readonly options: Pick<MasterContext['options'], 'workerLostMs'>
}

export class SafeMode {
  readonly #deps: Dependencies
  readonly #startedMs: number
  readonly #awaited: Set<string>

  /** After the state is up to the journal. */
  constructor(deps: Dependencies) {
    this.#deps = deps
    this.#startedMs = deps.clock.monotonicMs()
    this.#awaited = new Set(deps.tables.expectedWorkers())
  }

  /** Whether blocks may be on workers that have not said so yet. Once off, it stays off. */
  get isOn(): boolean {
    const { clock, options, workers } = this.#deps
    if (this.#awaited.size === 0) return false
    if (clock.monotonicMs() - this.#startedMs >= options.workerLostMs) this.#awaited.clear()
    for (const workerId of this.#awaited) if (workers.hasReported(workerId)) this.#awaited.delete(workerId)
    return this.#awaited.size > 0
  }

  /** A worker has registered: a later start waits for it. Durable when it returns. */
  async expect(workerId: string): Promise<void> {
    await this.#set(workerId, true)
  }

  /** Forgets the workers that are lost, unless they are still waited for. */
  async forgetLost(): Promise<void> {
    if (this.isOn) return
    const live = new Set(this.#deps.workers.list().flatMap((worker) => (worker.live ? [worker.workerId] : [])))
    for (const workerId of [...this.#deps.tables.expectedWorkers()]) {
      if (live.has(workerId)) continue
      try {
        await this.#set(workerId, false)
      } catch (thrown) {
        this.#deps.logger.warn('a lost worker is not forgotten yet', { workerId, error: toSkeinError(thrown).message })
        return
      }
    }
  }

  /** A worker will not come back: no start waits for it any more. Durable when it returns. */
  async forget(workerId: string): Promise<void> {
    this.#awaited.delete(workerId)
    await this.#set(workerId, false)
  }

  async #set(workerId: string, expected: boolean): Promise<void> {
    const { tables, log, clock } = this.#deps
    if (tables.expectedWorkers().has(workerId) === expected) return
    await log.submit({ type: 'set_expected_worker', atMs: clock.nowMs(), workerId, expected })
  }
}
