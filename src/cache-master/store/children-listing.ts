// Why: to show a directory, only its direct children must be known, however much is below them.
// How: page after page of the store, held against what is known, one command a page; the next page
// is asked for while one is applied. A page says of a directory that it is gone, not what was in
// it: that is listed at once, so that all up to the end of the page is known before the next one.
import { throwIfAborted } from '../../base/clock.ts'
import { isHiddenKey } from '../../base/paths.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { ListPosition } from '../../ufs/under-file-system.ts'
import type { MasterContext } from '../master-context.ts'
import type { Hold } from '../state/path-latch.ts'
import type { ListingCommands } from './listing-commands.ts'
import { type FetchedPage, pageLimitMax } from './listing-prefetch.ts'
import type { ChildrenPage, PageComparison } from './page-comparison.ts'
import type { StoreInquiries } from './store-inquiries.ts'
import type { HeldPage, SurePages } from './sure-pages.ts'
import { count, isNews, type SyncTally } from './sync-tally.ts'
import type { UnusableNames } from './unusable-names.ts'

interface ChildrenListingParts {
  readonly context: Pick<MasterContext, 'changes'>
  readonly store: Pick<StoreInquiries, 'page'>
  readonly comparison: PageComparison
  readonly commands: ListingCommands
  readonly surePages: SurePages
  readonly unusable: UnusableNames
  /** What is in directories. */
  readonly sync: {
    probeDirectory(record: NamespaceRecord, prefix: string, signal: AbortSignal): Promise<unknown>
    tree(record: NamespaceRecord, prefix: string, signal: AbortSignal, tally?: SyncTally): Promise<void>
  }
}

export class ChildrenListing {
  readonly #parts: ChildrenListingParts

  constructor(parts: ChildrenListingParts) {
    this.#parts = parts
  }

  /**
   * Makes the direct children of a directory known. Subdirectories that are gone from the store go
   * with all in them.
   * @param onReached all up to this key is known; not called for the last page
   */
  async make(
    record: NamespaceRecord,
    prefix: string,
    signal: AbortSignal,
    tally?: SyncTally,
    onReached?: (upToKey: string) => void,
  ): Promise<void> {
    if (isHiddenKey(prefix)) return
    const { store, comparison, commands, surePages, unusable, sync } = this.#parts
    const { changes } = this.#parts.context
    let hasDirectories = false
    let after: ListPosition | undefined
    for (let isWhole = false; !isWhole;) {
      throwIfAborted(signal)
      const request = { prefix, after, limit: pageLimitMax, delimiter: '/' } as const
      const held: HeldPage = { fetched: await store.page(record, request, signal) }
      let turn: Hold | undefined
      let doubtful: Pick<ChildrenPage, 'absent' | 'unsure'>
      try {
        const afterKey = after?.key
        const absentIn = (fetched: FetchedPage): string[] =>
          comparison.childrenAbsent(record, prefix, afterKey, fetched).filter(isFileKey)
        const taken = await surePages.take(record, request, held, absentIn, signal)
        turn = taken.turn
        const { page, inquiry } = held.fetched
        changes.listed(inquiry, { prefix, afterKey, upToKey: page.next?.key, isOfChildren: true })
        const compared = comparison.children(record, prefix, afterKey, held.fetched)
        const { files, absent } = compared
        doubtful = compared
        hasDirectories ||= page.prefixes.length > 0 || absent.some((key) => !isFileKey(key))
        const removals = absent.filter((key) => taken.gone.has(key))
        const ends = page.next === undefined && unusable.below(record, prefix, false, 0).total === 0
        await commands.submit(record, inquiry, {
          upserts: files.filter(isNews).map(({ object }) => object),
          directories: compared.directories,
          removals,
          // Without directories these are all below it.
          ...(hasDirectories ? { childrenListed: ends ? [prefix] : [] } : { treeListed: ends ? [prefix] : [] }),
        })
        // The same page again when what is left of it cannot be told any more.
        if (inquiry.isOutdated) continue
        if (tally !== undefined) count(tally, { files, removals })
        after = page.next
        isWhole = after === undefined
      } finally {
        turn?.release()
        held.fetched.inquiry.close()
      }
      for (const key of doubtful.unsure) await sync.probeDirectory(record, key, signal)
      for (const key of doubtful.absent) if (!isFileKey(key)) await sync.tree(record, key, signal, tally)
      if (after !== undefined) onReached?.(after.key)
    }
  }
}

function isFileKey(key: string): boolean {
  return !key.endsWith('/')
}
