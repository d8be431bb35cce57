// Why: who opened a file before its dataset was swapped reads the old version to its end. How: the
// blocks of versions that a swap replaced are dropped a while later; a restart drops them at once,
// since their workers then report unknown blocks.
import type { Clock } from '../../base/clock.ts'

export class DelayedDrops {
  readonly #clock: Clock
  readonly #delayMs: number
  readonly #drop: (fileId: number) => void
  #gathering: number[] | undefined

  constructor(clock: Clock, delayMs: number, drop: (fileId: number) => void) {
    this.#clock = clock
    this.#delayMs = delayMs
    this.#drop = drop
  }

  add(fileId: number): void {
    if (this.#gathering !== undefined) {
      this.#gathering.push(fileId)
      return
    }
    const some = [fileId]
    this.#gathering = some
    // What comes later in this turn (the rest of one swap) shares the timer.
    queueMicrotask(() => {
      this.#gathering = undefined
      this.#clock.schedule(this.#delayMs, () => some.forEach((id) => this.#drop(id)))
    })
  }
}
