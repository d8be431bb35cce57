// Why: work that takes long must not hold up everybody else: heartbeats, and people who ask. How: a
// loop asks after each step; once it has run for long enough it lets the event loop go on first.
import type { Clock } from '../clock.ts'

/** About how long a loop may run without a pause. */
const sliceMsDefault = 10

export class Turns {
  readonly #clock: Clock
  readonly #sliceMs: number
  #beganMs: number

  constructor(clock: Clock, sliceMs = sliceMsDefault) {
    this.#clock = clock
    this.#sliceMs = sliceMs
    this.#beganMs = clock.monotonicMs()
  }

  /** Whether it is time to pause. */
  get isOver(): boolean {
    return this.#clock.monotonicMs() - this.#beganMs >= this.#sliceMs
  }

  /** @throws the signal's reason */
  async pause(signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(0, signal)
    this.#beganMs = this.#clock.monotonicMs()
  }
}
