// Why: an object that its store answers with 500 for ever must not hold a load for as long as a
// store that is down is waited for, and by its own error the one cannot be told from the other.
// How: after a read has failed for good the store is asked something else, once a set and a while;
// if it answers, whatever it says, the fault is the object's, and the failure says so.
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { slowDownReason } from '../../ufs/trust/s3-errors.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'

/** The reason of a read's failure that says: the store is there, and answers others. */
const storeAnswersReason = 'store_answers'
/** How long what the store said holds for other blocks of the set. */
const validMs = 2000

export class LoneFaults {
  readonly #store: () => Pick<UnderFileSystem, 'check'>
  readonly #clock: Clock
  readonly #signal: AbortSignal
  #asked: { readonly atMs: number; readonly answers: Promise<boolean> } | undefined

  constructor(store: () => Pick<UnderFileSystem, 'check'>, clock: Clock, signal: AbortSignal) {
    this.#store = store
    this.#clock = clock
    this.#signal = signal
  }

  /**
   * The error of a read that failed, with the reason above where it is the object's own. Does not
   * throw.
   */
  async named(error: SkeinError): Promise<SkeinError> {
    const mayBeDown =
      error.retryable &&
      (error.code === 'unavailable' || error.code === 'internal' || error.code === 'deadline_exceeded')
    if (!mayBeDown || error.reason === slowDownReason || this.#signal.aborted) return error
    const now = this.#clock.monotonicMs()
    if (this.#asked === undefined || now - this.#asked.atMs >= validMs)
      this.#asked = { atMs: now, answers: this.#ask() }
    if (!(await this.#asked.answers)) return error
    return new SkeinError(error.code, error.message, { reason: storeAnswersReason, retryable: true })
  }

  async #ask(): Promise<boolean> {
    try {
      await this.#store().check(this.#signal)
      return true
    } catch (thrown) {
      // A refusal is an answer, too.
      return !this.#signal.aborted && !toSkeinError(thrown).retryable && !isSkeinError(thrown, 'internal')
    }
  }
}
