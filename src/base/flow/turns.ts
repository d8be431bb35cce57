// Why: long work must not delay everything else, such as heartbeats and requests of users. How: a
// loop checks after each step, and yields to the event loop after it has run for long enough.
import type { Clock } from '../clock.ts'

/** Approximate maximum time that a loop runs without a pause. */
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
