// Why: a process that stands still (a large step of its own, a stopped machine) hears nobody
// meanwhile, and must not take the others' silence for their end. How: a timer that is looked for
// at short intervals; how much too late it comes adds up.
import type { Clock } from '../clock.ts'

const lookEveryMs = 100
/** A timer is always a little late on a busy machine. */
const toleratedMs = 400

export class Standstill {
  readonly #clock: Clock
  #totalMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How long this process has stood still since `watch`, in all. */
  get totalMs(): number {
    return this.#totalMs
  }

  /** Looks until the signal aborts. */
  watch(signal: AbortSignal): void {
    const beganMs = this.#clock.monotonicMs()
    this.#clock.schedule(lookEveryMs, () => {
      if (signal.aborted) return
      const lateMs = this.#clock.monotonicMs() - beganMs - lookEveryMs
      if (lateMs > toleratedMs) this.#totalMs += lateMs
      this.watch(signal)
    })
  }
}
