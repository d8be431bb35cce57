// Why: lets a loop wait for a change or for a time-out without fast polling. How: one promise for
// the current wait.
import type { Clock } from '../../base/clock.ts'

/**
 * notify() ends the current wait, or the next one if nobody waits. Several calls before a wait
 * count as one.
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

  /**
   * Resolves after notify(), after `ms`, or when the signal is aborted. Only one caller may wait at
   * a time.
   */
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
