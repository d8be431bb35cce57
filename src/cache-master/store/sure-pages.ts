// Why: a page of a listing is made known in turn, and whoever has the turn asks the store nothing;
// but what a page leaves out must be asked for before it is removed. How: first each object that is
// left out is looked at, then the turn is taken, and then it is seen whether that was all of them;
// if not, both again.
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { FetchedPage, PageRequest } from './listing-prefetch.ts'
import type { Hold } from '../state/path-latch.ts'
import type { RecentChanges } from '../state/recent-changes.ts'
import { asksMax, leavesOut, overtaken, type StoreInquiries } from './store-inquiries.ts'

/**
 * The page that is worked on; another one where the store was asked anew. Whoever made it closes
 * its inquiry.
 */
export interface HeldPage {
  fetched: FetchedPage
}

interface SurePage {
  readonly turn: Hold
  /** What the page leaves out, and is gone from the store. */
  readonly gone: ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()

export class SurePages {
  readonly #store: Pick<StoreInquiries, 'list' | 'gone'>
  readonly #changes: Pick<RecentChanges, 'turn'>

  constructor(store: Pick<StoreInquiries, 'list' | 'gone'>, changes: Pick<RecentChanges, 'turn'>) {
    this.#store = store
    this.#changes = changes
  }

  /**
   * The turn to make a page known; it is whole, and none of what it leaves out is at the store. A
   * listing that left out what is there is asked for once more. @param absentIn the keys that are
   * known and that a page leaves out
   * @throws SkeinError failed_precondition `listing_incomplete`, unavailable when too much is
   *   changed meanwhile
   */
  async take(
    record: NamespaceRecord,
    request: PageRequest,
    held: HeldPage,
    absentIn: (fetched: FetchedPage) => readonly string[],
    signal: AbortSignal,
  ): Promise<SurePage> {
    let gone = none
    let isAgain = false
    const askAnew = async (): Promise<void> => {
      gone = none
      held.fetched.inquiry.close()
      held.fetched = await this.#store.list(record, request, signal)
    }
    for (let asks = 1; asks <= asksMax; asks += 1) {
      const { inquiry } = held.fetched
      const unsure = absentIn(held.fetched).filter((key) => !gone.has(key))
      if (unsure.length > 0) gone = gone.union(await this.#store.gone(record, unsure, signal))
      const there = unsure.find((key) => !gone.has(key) && !inquiry.isNewerKnown(key))
      if (there !== undefined && isAgain) throw leavesOut(record, request.prefix, there)
      if (there !== undefined) {
        isAgain = true
        await askAnew()
        continue
      }
      const turn = await this.#changes.turn(record, request.prefix, signal)
      if (!inquiry.isOutdated && absentIn(held.fetched).every((key) => gone.has(key))) return { turn, gone }
      turn.release()
      if (inquiry.isOutdated) await askAnew()
    }
    throw overtaken(record, request.prefix)
  }
}
