// Why: one object whose store does not respond would delay the report of a set whose other objects,
// often hundreds, have arrived. How: if some blocks of the set have arrived and then nothing
// arrives for a while, the remaining reads are aborted and reported as stragglers. The job master
// puts them into a set of their own and counts the others as loaded. If all reads of a set hang,
// nothing is done: they time out on their own.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'

/** Failure reason of a block whose read was aborted early. */
const stragglerReason = 'straggler'

const lookMs = 500
/**
 * A set stalls when nothing has arrived for this long, and for this many times the duration of the
 * slowest finished read.
 */
const quietMs = 3000
const quietFactor = 4

export class Stragglers {
  readonly #clock: Clock
  readonly #blocksLeft: () => number
  readonly #isCrowded: () => boolean
  readonly #cut = new AbortController()
  /** Reads without a response from the store -> start time. */
  readonly #reading = new Map<object, number>()
  #lastMs: number
  #slowestMs = 0
  #arrived = 0
  #cancelLook: (() => void) | undefined

  /**
   * @param blocksLeft unfinished blocks of the set
   * @param isCrowded whether reads wait for other reads of this job worker, not for the store
   */
  constructor(clock: Clock, blocksLeft: () => number, isCrowded: () => boolean) {
    this.#clock = clock
    this.#blocksLeft = blocksLeft
    this.#isCrowded = isCrowded
    this.#lastMs = clock.monotonicMs()
  }

  /** Aborts the remaining reads. */
  get signal(): AbortSignal {
    return this.#cut.signal
  }

  get isCut(): boolean {
    return this.#cut.signal.aborted
  }

  /** Call at the start of a read. Call the returned function at its end, also after an error. */
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

  /** Bytes have arrived. */
  moved(): void {
    this.#lastMs = this.#clock.monotonicMs()
  }

  /** Call when all blocks are admitted. From then on the set waits only for reads in flight. */
  watch(): void {
    this.#cancelLook = this.#clock.schedule(lookMs, () => this.#look())
  }

  stop(): void {
    this.#cancelLook?.()
  }

  /** The error to report for a block whose read was aborted. */
  error(key: string): SkeinError {
    const seconds = Math.round((this.#clock.monotonicMs() - this.#lastMs) / 1000)
    return new SkeinError(
      'deadline_exceeded',
      `${key}: the store sent nothing for ${seconds} s; the object is retried in its own set`,
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
      this.#cut.abort(new SkeinError('cancelled', 'the rest of the set did not arrive'))
    else this.watch()
  }
}
