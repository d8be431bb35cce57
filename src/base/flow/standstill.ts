// Why: a process that is blocked (by a long step of its own, or a suspended machine) receives no
// messages meanwhile. It must not conclude that the other processes are down. How: a timer fires at
// short intervals, and its delays are added up.
import type { Clock } from '../clock.ts'

const lookEveryMs = 100
/** On a busy machine, timers are always a little late. */
const toleratedMs = 400

export class Standstill {
  readonly #clock: Clock
  #totalMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Total time for which this process was blocked since `watch`. */
  get totalMs(): number {
    return this.#totalMs
  }

  /** Measures until the signal aborts. */
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
