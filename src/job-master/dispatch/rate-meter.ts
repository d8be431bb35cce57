// Why: to halve a read rate, it must be measured first. How: an exponential moving average with a
// time constant of two seconds.
import type { Clock } from '../../base/clock.ts'

const forgetSeconds = 2

export class RateMeter {
  readonly #clock: Clock
  #perSecond = 0
  #atMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#atMs = clock.monotonicMs()
  }

  add(amount: number): void {
    this.#forget()
    this.#perSecond += amount / forgetSeconds
  }

  perSecond(): number {
    this.#forget()
    return this.#perSecond
  }

  #forget(): void {
    const now = this.#clock.monotonicMs()
    this.#perSecond *= Math.exp(-(now - this.#atMs) / 1000 / forgetSeconds)
    this.#atMs = now
  }
}
