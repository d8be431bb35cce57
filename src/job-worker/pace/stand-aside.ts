// Why: on-demand readers go first, but a constant stream of them must not stop a load. How: all
// reads of the load wait together until no on-demand reader waits. The time they may wait is
// limited by an allowance, which grows while they read. Rare on-demand reads get the full wait;
// constant ones get half of the time.
import { type Clock, untilAborted } from '../../base/clock.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'

/** Longest wait. */
const allowanceMsMax = 500
/** Shorter waits are skipped, because they help nobody. */
const allowanceMsMin = 50

export class StandAside {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  readonly #demand: DemandGauge
  #allowanceMs = allowanceMsMax
  /** Start of the period in which the allowance grows. */
  #earningSinceMs: number
  #waiting: Promise<void> | undefined

  constructor(clock: Pick<Clock, 'monotonicMs' | 'schedule'>, demand: DemandGauge) {
    this.#clock = clock
    this.#demand = demand
    this.#earningSinceMs = clock.monotonicMs()
  }

  /**
   * Undefined: go on reading. Otherwise wait for the promise first.
   * @throws the signal's reason, from the promise
   */
  wait(signal: AbortSignal): Promise<void> | undefined {
    const waiting = this.#waiting ?? this.#begin()
    return waiting === undefined ? undefined : untilAborted(waiting, signal)
  }

  #begin(): Promise<void> | undefined {
    if (!this.#demand.active) return undefined
    const beganMs = this.#clock.monotonicMs()
    const allowanceMs = Math.min(allowanceMsMax, this.#allowanceMs + beganMs - this.#earningSinceMs)
    if (allowanceMs < allowanceMsMin) return undefined
    const waited = Promise.withResolvers<void>()
    const cancel = this.#clock.schedule(allowanceMs, waited.resolve)
    const forget = this.#demand.whenIdle(waited.resolve)
    this.#waiting = waited.promise.then(() => {
      cancel()
      forget()
      const endedMs = this.#clock.monotonicMs()
      this.#waiting = undefined
      this.#allowanceMs = Math.max(0, allowanceMs - (endedMs - beganMs))
      this.#earningSinceMs = endedMs
    })
    return this.#waiting
  }
}
