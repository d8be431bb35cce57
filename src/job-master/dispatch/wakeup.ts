// Why: a loop that waits for "something changed, or some time passed" without polling fast.
import type { Clock } from '../../base/clock.ts'

/**
 * notify() ends the present wait, or the next one when nobody waits; notifications do not add up.
 */
export class Wakeup {
  readonly #clock: Clock
  #notified = false
  #wake: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  notify(): void {
    this.#notified = true
    this.#wake?.()
  }

  /** Resolves after notify(), after `ms`, or when the signal aborts; one waiter at a time. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#notified && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const end = (): void => {
          cancel()
          signal.removeEventListener('abort', end)
          this.#wake = undefined
          resolve()
        }
        const cancel = this.#clock.schedule(ms, end)
        signal.addEventListener('abort', end, { once: true })
        this.#wake = end
      })
    }
    this.#notified = false
  }
}
