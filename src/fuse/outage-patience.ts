// Why: a restart of the master or of a worker must not reach the programs that use a mount. How: a
// call that may succeed later is made again, until a time is over or its program stops waiting.
import { type Clock, throwIfAborted } from '../base/clock.ts'
import { type ErrorCode, toSkeinError } from '../base/errors.ts'

export interface PatienceOptions {
  /** How long a call waits for a cluster that does not answer; 0: it does not. */
  readonly waitMs: number
  readonly clock: Pick<Clock, 'monotonicMs' | 'sleep'>
}

/** Errors of a cluster that is away, not of a file. */
const outageCodes: ReadonlySet<ErrorCode> = new Set(['unavailable', 'deadline_exceeded'])
/** Errors that say that waiting is over, or does not help. */
const finalReasons: ReadonlySet<string> = new Set(['path_busy', 'not_persisted', 'block_lost'])
const pauseMsFirst = 50
const pauseMsMax = 1000

export class OutagePatience {
  readonly #options: PatienceOptions

  constructor(options: PatienceOptions) {
    this.#options = options
  }

  /**
   * The result of `call`, which is made again while the cluster is away. Its argument says whether
   * an earlier call may have succeeded.
   * @throws what the last call throws; the signal's reason
   */
  async run<T>(signal: AbortSignal, call: (isAgain: boolean) => Promise<T>): Promise<T> {
    const { clock, waitMs } = this.#options
    const untilMs = clock.monotonicMs() + waitMs
    for (let pauseMs = pauseMsFirst, isAgain = false; ; pauseMs = Math.min(2 * pauseMs, pauseMsMax), isAgain = true) {
      try {
        return await call(isAgain)
      } catch (thrown) {
        throwIfAborted(signal)
        const error = toSkeinError(thrown)
        const isOutage = error.retryable && outageCodes.has(error.code) && !finalReasons.has(error.reason ?? '')
        if (!isOutage || clock.monotonicMs() + pauseMs > untilMs) throw thrown
        await clock.sleep(pauseMs, signal)
      }
    }
  }
}
