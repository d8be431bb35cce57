// Why: a store that takes long to answer must not hold up planning, and a page that makes too many
// sets must not hold up everything else. How: the next page is asked for while the one before is
// planned and journaled; a page with too many sets is asked for again, with fewer objects.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { type LoadRecord, stagingOf } from '../../load/load.ts'
import { filesWithin, type PlannerOptions } from '../../load/plan/planner.ts'
import type { RunningLoad } from '../running-load.ts'
import { LoadListing, type ListingPage } from './file-pages.ts'

type PlannerOf = (load: LoadRecord) => PlannerOptions

/**
 * Of one page of the listing: what is planned at once holds up everything else, and must fit into
 * one entry of the journal.
 */
export const setsPerPageMax = 2000

/**
 * Reads the listing one page ahead: the store answers while the page before is planned and written
 * down.
 */
export class ListingAhead {
  readonly #runner: RunningLoad
  readonly #plannerOf: PlannerOf
  readonly #signal: AbortSignal
  readonly #listing: LoadListing
  /** Objects to ask for: fewer where they make many sets. */
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

  /**
   * The page at the load's cursor; undefined when the listing was stopped because it cannot be
   * read.
   */
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
   * Whether the page must be asked for again, with fewer objects: only the listing can say where
   * such a page ends.
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
    // After a page that fits easily the next one may be longer.
    if (this.#limit < options.pageFiles && within(setsPerPageMax / 2) === files.length)
      this.#limit = Math.min(this.#limit * 2, options.pageFiles)
    return false
  }

  /** Never rejects, so that a page which nobody waits for yet cannot go unhandled. */
  #ask(cursor: string): Promise<ListingPage | SkeinError> {
    if (this.#next?.cursor === cursor) return this.#next.page
    const page = this.#listing.page(cursor, this.#limit, this.#signal).catch(toSkeinError)
    this.#next = { cursor, page }
    return page
  }
}
