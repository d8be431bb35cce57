// Why: a reader on demand goes first, but readers without end must not stop a load. How: all reads
// of the load wait together until nobody waits on demand any more, out of an allowance of time that
// they earn while they read: one that is asked now and then gives way for the whole of it, one that
// is asked all the time gives way for half the time.
import { type Clock, untilAborted } from '../../base/clock.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'

/** The longest wait. */
const allowanceMsMax = 500
/** Below this a wait is not begun: it would end before it is of use to anybody. */
const allowanceMsMin = 50

export class StandAside {
  readonly #clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  readonly #demand: DemandGauge
  #allowanceMs = allowanceMsMax
  /** Since when the allowance grows. */
  #earningSinceMs: number
  #waiting: Promise<void> | undefined

  constructor(clock: Pick<Clock, 'monotonicMs' | 'schedule'>, demand: DemandGauge) {
    this.#clock = clock
    this.#demand = demand
    this.#earningSinceMs = clock.monotonicMs()
  }

  /**
   * Undefined: read on. Else a wait, after which to read on. @throws the signal's reason, from the
   * wait
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
