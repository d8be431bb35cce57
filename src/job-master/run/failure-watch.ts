// Why: a load with a limit for failed files must stop when the limit is exceeded, in any step. How:
// the limit is checked after each step that may fail files. If it is exceeded, a signal ends the
// steps of the load.
import { SkeinError } from '../../base/errors.ts'
import { failuresExceeded, parseFailureLimit } from '../../load/plan/failure-limit.ts'
import type { Tables } from '../../load/state/load-tables.ts'

export class FailureWatch {
  readonly #tables: Tables
  readonly #loadId: number
  readonly #limit: ReturnType<typeof parseFailureLimit>
  readonly #exceeded = new AbortController()

  constructor(tables: Tables, loadId: number) {
    this.#tables = tables
    this.#loadId = loadId
    this.#limit = parseFailureLimit(tables.loads.get([loadId])?.options.maxFailures ?? '')
  }

  /** Aborted, with a reason for users, when more files failed than the load allows. */
  get signal(): AbortSignal {
    return this.#exceeded.signal
  }

  look(): void {
    if (this.#limit === undefined || this.#exceeded.signal.aborted) return
    const load = this.#tables.loads.get([this.#loadId])
    if (load === undefined) return
    const why = failuresExceeded(this.#limit, load.counts, load.listingDone)
    if (why === undefined) return
    const last = this.#tables.failures.scan([load.loadId], Number.MIN_SAFE_INTEGER, 1)[0]?.value
    const such = last === undefined ? '' : `, such as ${last.key}: ${last.reason}`
    this.#exceeded.abort(new SkeinError('aborted', why + such, { reason: 'max_failures' }))
  }
}
