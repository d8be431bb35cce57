// Why: a slow store must not delay planning, and a page that makes too many sets must not delay
// everything else. How: the next page is requested while the previous one is planned and journaled.
// A page with too many sets is requested again with fewer objects.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { type LoadRecord, stagingOf } from '../../load/load.ts'
import { filesWithin, type PlannerOptions } from '../../load/plan/planner.ts'
import type { RunningLoad } from '../running-load.ts'
import { LoadListing, type ListingPage } from './file-pages.ts'

type PlannerOf = (load: LoadRecord) => PlannerOptions

/**
 * Maximum number of sets per page. A page is planned in one step, which delays everything else, and
 * must fit in one journal entry.
 */
export const setsPerPageMax = 2000

/**
 * Reads the listing one page ahead: the store answers while the previous page is planned and
 * journaled.
 */
export class ListingAhead {
  readonly #runner: RunningLoad
  readonly #plannerOf: PlannerOf
  readonly #signal: AbortSignal
  readonly #listing: LoadListing
  /** Objects to request: fewer if they make many sets. */
  #limit: number
  #next: { readonly cursor: string; readonly page: Promise<ListingPage | SkeinError> } | undefined

  constructor(runner: RunningLoad, plannerOf: PlannerOf, signal: AbortSignal) {
    this.#runner = runner
    this.#plannerOf = plannerOf
    this.#signal = signal
    this.#listing = new LoadListing(runner.load(), runner.context, () =>
      stagingOf(runner.load(), runner.context.clock.nowMs()),
    )
    this.#limit = runner.context.options.pageFiles
  }

  /** Returns the page at the load's cursor. Undefined: the listing failed and was stopped. */
  async page(load: LoadRecord): Promise<ListingPage | undefined> {
    const { clock, options, logger } = this.#runner.context
    const until = clock.monotonicMs() + options.listingPatienceMs
    for (;;) {
      const answer = await this.#ask(load.cursor)
      this.#next = undefined
      if (!(answer instanceof SkeinError)) {
        this.#runner.waitFor('')
        if (this.#isTooLong(load, answer)) continue
        this.#listing.taken(answer)
        if (answer.nextCursor !== '') void this.#ask(answer.nextCursor)
        return answer
      }
      if (this.#signal.aborted || answer.reason === 'staging_expired') throw answer
      if (answer.retryable && clock.monotonicMs() < until) {
        this.#runner.waitFor(`the listing waits: ${answer.message}`)
        await this.#runner.pause(500, this.#signal)
        continue
      }
      logger.warn('a listing was stopped', { loadId: load.loadId, error: answer })
      const reason = `the listing of ${load.path} stopped: ${answer.message}`
      await this.#runner.submit({
        type: 'ListingStopped',
        nowMs: clock.nowMs(),
        loadId: load.loadId,
        reason,
        errorCode: answer.code,
      })
      return undefined
    }
  }

  /**
   * Whether the page must be requested again with fewer objects. Only the listing can tell where
   * the shorter page ends.
   */
  #isTooLong(load: LoadRecord, { files }: ListingPage): boolean {
    const { options, cluster } = this.#runner.context
    if (load.options.metadataOnly === true) return false
    const within = (sets: number): number => filesWithin(files, this.#plannerOf(load), cluster.placement, sets)
    const fits = within(setsPerPageMax)
    if (fits < files.length && this.#limit > 1) {
      this.#limit = Math.min(fits, this.#limit - 1)
      return true
    }
    // After a page that fits easily, the next one may be longer.
    if (this.#limit < options.pageFiles && within(setsPerPageMax / 2) === files.length)
      this.#limit = Math.min(this.#limit * 2, options.pageFiles)
    return false
  }

  /** Never rejects, so that a page that is not awaited yet cannot cause an unhandled rejection. */
  #ask(cursor: string): Promise<ListingPage | SkeinError> {
    if (this.#next?.cursor === cursor) return this.#next.page
    const page = this.#listing.page(cursor, this.#limit, this.#signal).catch(toSkeinError)
    this.#next = { cursor, page }
    return page
  }
}
