// Why: one object whose store does not answer would hold the report of the hundreds that share its
// set, all of them in. How: when blocks of the set have come in, and then for a while nothing at
// all, the reads that are left are ended and reported as stragglers; the job master makes a set of
// their own for them, and the others count as in. A set whose reads all hang is left alone: its own
// time-outs end it, and nobody waits for it.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'

/** The reason of a block's failure that says: not tried to the end. */
const stragglerReason = 'straggler'

const lookMs = 500
/**
 * Nothing has come for this long, and for this many times as long as the slowest read that has come
 * took.
 */
const quietMs = 3000
const quietFactor = 4

export class Stragglers {
  readonly #clock: Clock
  readonly #blocksLeft: () => number
  readonly #isCrowded: () => boolean
  readonly #cut = new AbortController()
  /** Reads that the store has not answered yet, with their beginning. */
  readonly #reading = new Map<object, number>()
  #lastMs: number
  #slowestMs = 0
  #arrived = 0
  #cancelLook: (() => void) | undefined

  /**
   * `blocksLeft`: of the set, at work. `isCrowded`: reads wait for others of this job worker, which
   * is no fault of the store.
   */
  constructor(clock: Clock, blocksLeft: () => number, isCrowded: () => boolean) {
    this.#clock = clock
    this.#blocksLeft = blocksLeft
    this.#isCrowded = isCrowded
    this.#lastMs = clock.monotonicMs()
  }

  /** Aborts the reads that are left. */
  get signal(): AbortSignal {
    return this.#cut.signal
  }

  get isCut(): boolean {
    return this.#cut.signal.aborted
  }

  /** A read began. The function that comes back is called when it has ended, however. */
  begin(): (arrived: boolean) => void {
    const read = {}
    const startMs = this.#clock.monotonicMs()
    this.#reading.set(read, startMs)
    return (arrived) => {
      if (!this.#reading.delete(read)) return
      if (!arrived) return
      this.#arrived += 1
      this.moved()
      this.#slowestMs = Math.max(this.#slowestMs, this.#lastMs - startMs)
    }
  }

  /** Bytes came. */
  moved(): void {
    this.#lastMs = this.#clock.monotonicMs()
  }

  /** All blocks are admitted: from now on the set waits only for what is being read. */
  watch(): void {
    this.#cancelLook = this.#clock.schedule(lookMs, () => this.#look())
  }

  stop(): void {
    this.#cancelLook?.()
  }

  /** What is reported for a block whose read was ended. */
  error(key: string): SkeinError {
    const seconds = Math.round((this.#clock.monotonicMs() - this.#lastMs) / 1000)
    return new SkeinError(
      'deadline_exceeded',
      `${key}: the store gave nothing for ${seconds} s, and is asked again by itself`,
      {
        reason: stragglerReason,
      },
    )
  }

  #look(): void {
    if (this.#reading.size < this.#blocksLeft() || this.#isCrowded()) this.moved()
    const now = this.#clock.monotonicMs()
    const patience = Math.max(quietMs, this.#slowestMs * quietFactor)
    const quiet = (sinceMs: number): boolean => now - sinceMs >= patience
    if (this.#arrived > 0 && quiet(this.#lastMs) && [...this.#reading.values()].every(quiet))
      this.#cut.abort(new SkeinError('cancelled', 'the rest of the set did not come'))
    else this.watch()
  }
}
