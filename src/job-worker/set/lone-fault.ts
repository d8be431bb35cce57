// Why: a load waits long for a store that is down, but it must not wait as long for one object that
// always fails with 500. The error of the read does not tell the two cases apart. How: after a read
// has failed for good, the store gets another request, at most one per set in a period. If the
// store answers it, the fault lies with the object, and the failure says so.
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { slowDownReason } from '../../ufs/trust/s3-errors.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'

/** Failure reason of a read: the store answers other requests. */
const storeAnswersReason = 'store_answers'
/** How long the result applies to other blocks of the set. */
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
   * Adds the reason above to the error of a failed read if only the object is at fault. Does not
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
      // A refusal is an answer too.
      return !this.#signal.aborted && !toSkeinError(thrown).retryable && !isSkeinError(thrown, 'internal')
    }
  }
}
