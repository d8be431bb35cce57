// Why: `skein local` has no Redis that wakes it. How: one timer for the entry that is due next. The
// times come from the entries.
import type { Clock } from '../base/clock.ts'
import type { OnFire, ScheduleTimer, TimerEntry } from './schedule-timer.ts'

/**
 * Longer timers are split: the maximum in Node.js is 2^31 ms, and the wall clock may change
 * meanwhile.
 */
const pieceMsMax = 60_000

export function createInProcessScheduleTimer(clock: Clock, onFire: OnFire): ScheduleTimer {
  return new InProcessScheduleTimer(clock, onFire)
}

class InProcessScheduleTimer implements ScheduleTimer {
  readonly #clock: Clock
  readonly #onFire: OnFire
  #entries: readonly TimerEntry[] = []
  /** All due times up to this one have fired. */
  #firedMs: number
  #cancel: () => void = () => undefined

  constructor(clock: Clock, onFire: OnFire) {
    this.#clock = clock
    this.#onFire = onFire
    this.#firedMs = clock.nowMs()
  }

  async set(entries: readonly TimerEntry[]): Promise<void> {
    this.#entries = entries
    this.#arm()
  }

  async close(): Promise<void> {
    this.#entries = []
    this.#cancel()
  }

  #arm(): void {
    this.#cancel()
    const times = this.#entries.map((entry) => entry.nextMs(this.#firedMs)).filter((ms) => ms !== undefined)
    if (times.length === 0) return
    const waitMs = Math.min(...times) - this.#clock.nowMs()
    this.#cancel = this.#clock.schedule(Math.min(Math.max(0, waitMs), pieceMsMax), () => this.#fire())
  }

  #fire(): void {
    const nowMs = this.#clock.nowMs()
    const due = this.#entries.filter((entry) => (entry.nextMs(this.#firedMs) ?? Number.POSITIVE_INFINITY) <= nowMs)
    this.#firedMs = Math.max(this.#firedMs, nowMs)
    for (const { name } of due) this.#onFire(name)
    this.#arm()
  }
}
