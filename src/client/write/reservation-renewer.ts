// Why: a worker aborts reservations that are not renewed, and a large block from a slow store takes
// longer than that. How: one timer per worker while reservations are open, and one call for all of
// them.
import type { Clock } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'

export class ReservationRenewer {
  readonly #worker: Pick<Service<WorkerServiceDefinition>, 'renewReservations'>
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #everyMs: number
  readonly #open = new Set<string>()
  #cancelTimer: (() => void) | undefined

  constructor(
    worker: Pick<Service<WorkerServiceDefinition>, 'renewReservations'>,
    clock: Clock,
    logger: Logger,
    everyMs: number,
  ) {
    this.#worker = worker
    this.#clock = clock
    this.#logger = logger
    this.#everyMs = everyMs
  }

  /** Renews this reservation until the returned function is called. */
  add(reservation: string): () => void {
    this.#open.add(reservation)
    this.#cancelTimer ??= this.#clock.schedule(this.#everyMs, () => void this.#renew())
    return () => {
      this.#open.delete(reservation)
      if (this.#open.size === 0) this.close()
    }
  }

  close(): void {
    this.#open.clear()
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }

  async #renew(): Promise<void> {
    try {
      await this.#worker.renewReservations(
        { reservations: [...this.#open] },
        { signal: new AbortController().signal, deadlineMs: this.#everyMs },
      )
    } catch (thrown) {
      this.#logger.warn('cannot renew reservations', { error: toSkeinError(thrown).message })
    }
    // A reservation that was added meanwhile may have started its own timer.
    this.#cancelTimer?.()
    this.#cancelTimer =
      this.#open.size === 0 ? undefined : this.#clock.schedule(this.#everyMs, () => void this.#renew())
  }
}
