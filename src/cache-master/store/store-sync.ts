// Why: the master alone looks at the stores, and what it sees becomes metadata here. How: ask the
// store (a page, or one HEAD), hold the answer against what is known, and journal one command if,
// and only if, it says something new. What was changed here while the store was asked
// (recent-changes.ts) is left as it is: the answer may be older. Between holding an answer against
// what is known and submitting what it says nobody else gets a turn.
import { isSameMetadata } from '../../base/attributes/object-metadata.ts'
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { isHiddenKey } from '../../base/paths.ts'
import { isMarker, objectProblem, type PageDiff } from '../../meta/apply/listing-diff.ts'
import { directoryAt, fileAt, listedAtMs } from '../../meta/resolve-path.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { isSameVersion } from '../../meta/apply/tree.ts'
import type { ListPosition, ObjectInfo } from '../../ufs/under-file-system.ts'
import { type FetchedPage, pageLimitMax } from './listing-prefetch.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import { blockSizeOf } from './namespace-definition.ts'
import type { Hold } from '../state/path-latch.ts'
import { ListingCommands } from './listing-commands.ts'
import { ChildrenListing } from './children-listing.ts'
import { PageComparison } from './page-comparison.ts'
import { UnusableNames } from './unusable-names.ts'
import { asksMax, overtaken, StoreInquiries, type UseLooked } from './store-inquiries.ts'
import { count, isNews, type SyncTally } from './sync-tally.ts'
import { type HeldPage, SurePages } from './sure-pages.ts'
import { type Look, type SyncedObject, type SyncedPage, syncedObject } from './synced-page.ts'

/** Pieces of a page that one call works off. */
const piecesPerCall = 30
/** Files that one call looks at because the listing leaves them out. */
const looksPerCall = 4000

/** A page of a listing, held against what is known. */
interface Compared {
  readonly diff: PageDiff
  readonly next: ListPosition | undefined
  readonly empty: boolean
}

export class StoreSync {
  readonly #context: MasterContext
  readonly #store: StoreInquiries
  /** What the store has and cannot give. */
  readonly unusable = new UnusableNames()
  readonly #comparison: PageComparison
  readonly #commands: ListingCommands
  readonly #surePages: SurePages
  readonly #children: ChildrenListing

  constructor(context: MasterContext) {
    this.#context = context
    this.#store = new StoreInquiries(context)
    this.#comparison = new PageComparison(context, this.unusable)
    this.#commands = new ListingCommands(context)
    this.#surePages = new SurePages(this.#store, context.changes)
    this.#children = new ChildrenListing({
      ...{ context, store: this.#store, comparison: this.#comparison, commands: this.#commands },
      ...{ surePages: this.#surePages, unusable: this.unusable, sync: this },
    })
  }

  close(): void {
    this.#store.close()
  }

  /** Whether a listing of this age need not be made again. */
  isFresh(listedMs: number, syncIntervalMs = this.#context.options.metadataSyncIntervalMs): boolean {
    if (listedMs < 0) return false
    return syncIntervalMs < 0 || this.#context.clock.nowMs() - listedMs < syncIntervalMs
  }

  /**
   * One page of everything below a directory (`prefix` is empty or ends in `/`), made known. What
   * is known in the page's range of keys and not in the page is removed; the last page makes the
   * whole tree known.
   */
  async page(
    record: NamespaceRecord,
    prefix: string,
    after: ListPosition | undefined,
    limit: number,
    signal: AbortSignal,
    tally?: SyncTally,
  ): Promise<SyncedPage> {
    if (isHiddenKey(prefix)) return { files: [], empty: true, next: undefined }
    const blockSizeBytes = this.blockSizeBytes(record)
    const files: SyncedObject[] = []
    let removed = 0
    let looks = 0
    let at = after
    const held: HeldPage = { fetched: await this.#store.page(record, { prefix, after, limit }, signal) }
    let turn: Hold | undefined
    try {
      for (let pieces = 1; ; pieces += 1) {
        const from = at
        const absentIn = (fetched: FetchedPage): string[] => this.#comparison.absent(record, prefix, from, fetched)
        const taken = await this.#surePages.take(record, { prefix, after: at, limit }, held, absentIn, signal)
        turn = taken.turn
        const { page, inquiry } = held.fetched
        const { diff, rest } = this.#comparison.piece(record, prefix, at, held.fetched, taken.gone)
        looks += taken.gone.size
        const upToKey = rest?.after.key ?? page.next?.key
        this.#context.changes.listed(inquiry, { prefix, afterKey: at?.key, upToKey, isOfChildren: false })
        const news = diff.files.filter(isNews)
        const directory = directoryAt(this.#context.tables, record.rootId, prefix)
        const ends =
          rest === undefined && page.next === undefined && (directory !== undefined || page.objects.length > 0)
        const fileIds = await this.#commands.submit(record, inquiry, {
          upserts: news.map(({ object }) => object),
          directories: diff.markers.map((key) => ({ key, marker: true })),
          removals: diff.removals,
          unmarked: diff.unmarked,
          treeListed:
            ends && this.#isTreeNews(record, directory) && this.unusable.below(record, prefix, true, 0).total === 0
              ? [prefix]
              : [],
        })
        turn.release()
        if (inquiry.isOutdated) {
          // What is left of it cannot be told any more; what was said holds.
          held.fetched = await this.#store.list(record, { prefix, after: at, limit }, signal)
          continue
        }
        if (tally !== undefined) count(tally, diff)
        removed += diff.removals.length
        const idOf = new Map(news.map(({ object }, i) => [object.key, fileIds[i] ?? 0] as const))
        for (const file of diff.files) files.push(syncedObject(file, idOf.get(file.object.key), blockSizeBytes))
        if (rest === undefined)
          return { files, empty: page.objects.length === 0 && page.next === undefined, next: page.next, removed }
        // The store is asked again from there: a call ends in good time, and what it says is not
        // too old.
        if (pieces >= piecesPerCall || looks >= looksPerCall) return { files, empty: false, next: rest.after, removed }
        throwIfAborted(signal)
        at = rest.after
        held.fetched = rest.fetched
      }
    } finally {
      turn?.release()
      held.fetched.inquiry.close()
    }
  }

  /**
   * What one page of a tree's listing would change; nothing is changed but by `use`, which is
   * called in the same turn.
   */
  async compare<Result>(
    record: NamespaceRecord,
    prefix: string,
    after: ListPosition | undefined,
    limit: number,
    signal: AbortSignal,
    use: (compared: Compared) => Result | Promise<Result>,
  ): Promise<Result> {
    const request = { prefix, after, limit }
    const held: HeldPage = { fetched: await this.#store.list(record, request, signal) }
    let turn: Hold | undefined
    try {
      const absentIn = (fetched: FetchedPage): string[] => this.#comparison.absent(record, prefix, after, fetched)
      const taken = await this.#surePages.take(record, request, held, absentIn, signal)
      turn = taken.turn
      const { page } = held.fetched
      const { diff, rest } = this.#comparison.piece(record, prefix, after, held.fetched, taken.gone)
      const next = rest === undefined ? page.next : rest.after
      return await use({ diff, next, empty: page.objects.length === 0 && next === undefined })
    } finally {
      turn?.release()
      held.fetched.inquiry.close()
    }
  }

  /**
   * Whether the store has this version of one file; `none` when it has no such object. A file that
   * is only here is the same.
   */
  async compareFile(record: NamespaceRecord, key: string, signal: AbortSignal): Promise<'same' | 'other' | 'none'> {
    if (fileAt(this.#context.tables, record.rootId, key)?.persisted === false) return 'same'
    return this.#store.lookAt(record, key, signal, ({ object, known }) => {
      if (known?.persisted === false) return 'same'
      if (object === undefined || isMarker(object)) return 'none'
      return known !== undefined && isSameVersion(known, object) ? 'same' : 'other'
    })
  }

  /**
   * Makes everything below a directory known.
   * @param onReached all up to this key is known, the directory's last page excepted
   */
  async tree(
    record: NamespaceRecord,
    prefix: string,
    signal: AbortSignal,
    tally?: SyncTally,
    onReached?: (upToKey: string) => void,
  ): Promise<void> {
    let after: ListPosition | undefined
    do {
      after = (await this.page(record, prefix, after, pageLimitMax, signal, tally)).next
      if (after !== undefined) onReached?.(after.key)
      throwIfAborted(signal)
    } while (after !== undefined)
  }

  /** As ChildrenListing.make. */
  children(
    record: NamespaceRecord,
    prefix: string,
    signal: AbortSignal,
    tally?: SyncTally,
    onReached?: (upToKey: string) => void,
  ): Promise<void> {
    return this.#children.make(record, prefix, signal, tally, onReached)
  }

  /**
   * Looks at one object again. @returns the file as it is now, or undefined when the store has none
   * (it is removed then).
   * @throws SkeinError failed_precondition when the object cannot be a file, and what the store
   *   says
   */
  async refresh(
    record: NamespaceRecord,
    key: string,
    signal: AbortSignal,
    look?: Look,
  ): Promise<FileInode | undefined> {
    const { tables, clock, log } = this.#context
    const here = fileAt(tables, record.rootId, key)
    if (here?.persisted === false || isHiddenKey(key)) return here
    return this.#store.lookAt(record, key, signal, async ({ object, known, inquiry }) => {
      if (known?.persisted === false) return known
      const isThere = object !== undefined && !isMarker(object)
      this.#context.changes.answered(inquiry, key, !isThere || known === undefined || !isSameVersion(known, object))
      if (!isThere) {
        if (known !== undefined)
          await log.submit({ type: 'remove_file', atMs: clock.nowMs(), namespaceId: record.id, key, fileId: known.id })
        return undefined
      }
      if (look !== undefined) look.crc64 = object.crc64
      if (known !== undefined && isSameVersion(known, object)) return this.#withMetadata(known, object)
      if (look !== undefined) look.change = known === undefined ? 'ADDED' : 'CHANGED'
      const problem = objectProblem(object, this.blockSizeBytes(record))
      if (problem !== '')
        throw new SkeinError('failed_precondition', `${pathOf(record, key)} cannot be cached: ${problem}`)
      await this.#commands.submit(record, inquiry, { upserts: [object] })
      return fileAt(tables, record.rootId, key)
    })
  }

  /** A known file of the version that was looked at, with what the store has with it. */
  async #withMetadata(known: FileInode, { metadata }: ObjectInfo): Promise<FileInode> {
    if (metadata === undefined || isSameMetadata(known, metadata)) return known
    const { tables, clock, log } = this.#context
    await log.submit({ type: 'set_metadata', atMs: clock.nowMs(), files: [{ fileId: known.id, ...metadata }] })
    const now = tables.inode(known.id)
    return now?.kind === 'file' ? now : known
  }

  /** As StoreInquiries.lookAt. */
  lookAt<Result>(
    record: NamespaceRecord,
    key: string,
    signal: AbortSignal,
    use: UseLooked<Result>,
    mayBeListed = false,
  ): Promise<Result> {
    return this.#store.lookAt(record, key, signal, use, mayBeListed)
  }

  /** As StoreInquiries.objectAt. */
  objectAt(record: NamespaceRecord, key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    return this.#store.objectAt(record, key, signal)
  }

  /**
   * Whether the store has anything below `prefix` (ends in `/`); if so the directory is known
   * afterwards.
   */
  async probeDirectory(
    record: NamespaceRecord,
    prefix: string,
    signal: AbortSignal,
  ): Promise<DirectoryInode | undefined> {
    const { tables } = this.#context
    if (isHiddenKey(prefix)) return directoryAt(tables, record.rootId, prefix)
    for (let asks = 1; asks <= asksMax; asks += 1) {
      const { page, inquiry, turn } = await this.#store.listInTurn(
        record,
        { prefix, after: undefined, limit: 1 },
        signal,
      )
      try {
        const [first] = page.objects
        const known = directoryAt(tables, record.rootId, prefix)
        if (first === undefined) {
          const scope = { prefix, afterKey: undefined, upToKey: undefined, isOfChildren: false }
          if (known === undefined) this.#context.changes.listed(inquiry, scope)
          return undefined
        }
        if (known !== undefined) return known
        if (inquiry.isNewerKnownBelow(prefix)) continue
        await this.#commands.submit(record, inquiry, {
          directories: [{ key: prefix, marker: first.key === prefix && isMarker(first) }],
        })
        return directoryAt(tables, record.rootId, prefix)
      } finally {
        turn.release()
        inquiry.close()
      }
    }
    throw overtaken(record, prefix)
  }

  blockSizeBytes(record: NamespaceRecord): number {
    return blockSizeOf(record, this.#context.options.blockSizeBytesDefault)
  }

  #isTreeNews(record: NamespaceRecord, directory: DirectoryInode | undefined): boolean {
    return directory === undefined || !this.isFresh(listedAtMs(this.#context.tables, record, directory).treeMs)
  }
}
