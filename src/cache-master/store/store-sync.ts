// Why: the master alone looks at the stores, and what it sees becomes metadata here. How: ask the
// store (a page, or one HEAD), hold the answer against what is known, and journal one command if,
// and only if, it says something new. What was changed here while the store was asked
// (recent-changes.ts) is left as it is: the answer may be older. Between holding an answer against
// what is known and submitting what it says nobody else gets a turn.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { keyProblem } from '../../base/paths.ts'
import type { ApplyListing } from '../../meta/commands/commands.ts'
import { compareKeys } from '../../meta/edge-order.ts'
import {
  diffPage,
  endOfPiece,
  isMarker,
  objectProblem,
  type PageDiff,
  type PageRange,
} from '../../meta/apply/listing-diff.ts'
import { directoryAt, fileAt, listedAtMs } from '../../meta/resolve-path.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { isSameVersion } from '../../meta/apply/tree.ts'
import type { ListPosition, ObjectInfo } from '../../ufs/under-file-system.ts'
import type { FetchedPage } from './listing-prefetch.ts'
import type { MasterContext } from '../master-context.ts'
import { blockSizeOf } from './namespace-definition.ts'
import type { Hold } from '../state/path-latch.ts'
import type { Inquiry } from '../state/recent-changes.ts'
import { UnusableNames } from './unusable-names.ts'
import { asksMax, overtaken, StoreInquiries, type UseLooked } from './store-inquiries.ts'
import { count, isNews, type SyncTally } from './sync-tally.ts'
import { type HeldPage, SurePages } from './sure-pages.ts'
import { type Look, type SyncedObject, type SyncedPage, syncedObject } from './synced-page.ts'

/** Objects a page of a listing may hold. */
export const pageLimitMax = 1000
/** Files that one command removes: the event loop stands still for it. */
const removalsPerCommand = 300
/**
 * Known names that are held against a listing at once, and how many such pieces one call works off.
 */
const knownPerPiece = 1200
const piecesPerCall = 30
/** Files that one call looks at because the listing leaves them out. */
const looksPerCall = 4000

interface Piece {
  readonly diff: PageDiff
  /** Undefined when this was all of the page. */
  readonly rest: { readonly after: ListPosition; readonly fetched: FetchedPage } | undefined
}

/** A page of a listing, held against what is known. */
interface Compared {
  readonly diff: PageDiff
  readonly next: ListPosition | undefined
  readonly empty: boolean
}

type Change = Partial<Omit<ApplyListing, 'type' | 'atMs' | 'namespaceId' | 'blockSizeBytes'>>

export class StoreSync {
  readonly #context: MasterContext
  readonly #store: StoreInquiries
  /** What the store has and cannot give. */
  readonly unusable = new UnusableNames()
  readonly #surePages: SurePages

  constructor(context: MasterContext) {
    this.#context = context
    this.#store = new StoreInquiries(context)
    this.#surePages = new SurePages(this.#store, context.changes)
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
        const absentIn = (fetched: FetchedPage): string[] =>
          absentOf(this.#piece(record, prefix, from, fetched).diff, fetched)
        const taken = await this.#surePages.take(record, { prefix, after: at, limit }, held, absentIn, signal)
        turn = taken.turn
        const { page, inquiry } = held.fetched
        const { diff, rest } = this.#piece(record, prefix, at, held.fetched, taken.gone)
        looks += taken.gone.size
        const upToKey = rest?.after.key ?? page.next?.key
        this.#context.changes.listed(inquiry, { prefix, afterKey: at?.key, upToKey, isOfChildren: false })
        const news = diff.files.filter(isNews)
        const directory = directoryAt(this.#context.tables, record.rootId, prefix)
        const ends =
          rest === undefined && page.next === undefined && (directory !== undefined || page.objects.length > 0)
        const fileIds = await this.#submit(record, inquiry, {
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
      const absentIn = (fetched: FetchedPage): string[] =>
        absentOf(this.#piece(record, prefix, after, fetched).diff, fetched)
      const taken = await this.#surePages.take(record, request, held, absentIn, signal)
      turn = taken.turn
      const { page } = held.fetched
      const { diff, rest } = this.#piece(record, prefix, after, held.fetched, taken.gone)
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

  /** Makes everything below a directory known. */
  async tree(record: NamespaceRecord, prefix: string, signal: AbortSignal, tally?: SyncTally): Promise<void> {
    let after: ListPosition | undefined
    do after = (await this.page(record, prefix, after, pageLimitMax, signal, tally)).next
    while (after !== undefined)
  }

  /**
   * Makes the direct children of a directory known. Subdirectories that are gone from the store go
   * with all in them.
   */
  async children(record: NamespaceRecord, prefix: string, signal: AbortSignal, tally?: SyncTally): Promise<void> {
    const gone: string[] = []
    const unsure: string[] = []
    let after: ListPosition | undefined
    for (let isWhole = false; !isWhole;) {
      const request = { prefix, after, limit: pageLimitMax, delimiter: '/' } as const
      const held: HeldPage = { fetched: await this.#store.list(record, request, signal) }
      let turn: Hold | undefined
      try {
        const afterKey = after?.key
        const absentIn = (fetched: FetchedPage): string[] =>
          this.#childrenAbsent(record, prefix, afterKey, fetched).filter(isFileKey)
        const taken = await this.#surePages.take(record, request, held, absentIn, signal)
        turn = taken.turn
        const { page, inquiry } = held.fetched
        this.#context.changes.listed(inquiry, { prefix, afterKey, upToKey: page.next?.key, isOfChildren: true })
        this.unusable.note(
          record,
          { prefix, afterKey, upToKey: page.next?.key, isFlat: true, directories: page.prefixes },
          page.objects,
        )
        const absent = this.#childrenAbsent(record, prefix, afterKey, held.fetched)
        gone.push(...absent.filter((key) => !isFileKey(key)))
        const range = {
          directory: undefined,
          prefix,
          afterKey: after?.key,
          upToKey: page.next?.key,
          ...newerThan(inquiry),
        }
        const { files, markers } = diffPage(
          this.#context.tables,
          record.rootId,
          page.objects,
          range,
          this.blockSizeBytes(record),
        )
        const removals = absent.filter((key) => taken.gone.has(key))
        const prefixes = page.prefixes.filter((key) => isUsable(key) && !inquiry.isNewerKnownBelow(key))
        // A later answer about one thing in it does not say that there is nothing else.
        const isUnsure = (key: string): boolean => inquiry.isNewerKnownBelow(key) && !inquiry.isChangedBelow(key)
        const isUnknown = (key: string): boolean => directoryAt(this.#context.tables, record.rootId, key) === undefined
        unsure.push(...page.prefixes.filter((key) => isUsable(key) && isUnsure(key) && isUnknown(key)))
        await this.#submit(record, inquiry, {
          upserts: files.filter(isNews).map(({ object }) => object),
          directories: [
            ...prefixes.map((key) => ({ key, marker: false })),
            ...markers.map((key) => ({ key, marker: true })),
          ],
          removals,
          childrenListed:
            page.next === undefined && this.unusable.below(record, prefix, false, 0).total === 0 ? [prefix] : [],
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
    }
    for (const key of unsure) await this.probeDirectory(record, key, signal)
    for (const key of gone) await this.tree(record, key, signal, tally)
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
    if (here?.persisted === false) return here
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
      if (known !== undefined && isSameVersion(known, object)) return known
      if (look !== undefined) look.change = known === undefined ? 'ADDED' : 'CHANGED'
      const problem = objectProblem(object, this.blockSizeBytes(record))
      if (problem !== '')
        throw new SkeinError('failed_precondition', `/${record.name}/${key} cannot be cached: ${problem}`)
      await this.#submit(record, inquiry, { upserts: [object] })
      return fileAt(tables, record.rootId, key)
    })
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
        await this.#submit(record, inquiry, {
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

  /** @returns the file ids of the upserts; nothing is journaled when there is nothing to say */
  async #submit(record: NamespaceRecord, inquiry: Inquiry, change: Change): Promise<readonly number[]> {
    const { removals = [], childrenListed = [], treeListed = [], ...news } = change
    // A directory that was removed or moved since is not the one that was listed.
    const isSame = (key: string): boolean => !inquiry.isChanged(key)
    const listed = { childrenListed: childrenListed.filter(isSame), treeListed: treeListed.filter(isSame) }
    const none = { upserts: [], directories: [], unmarked: [], childrenListed: [], treeListed: [] }
    if (Object.values({ ...news, ...listed, removals }).every((part) => part.length === 0)) return []
    const { upserts = [], directories = [] } = news
    const applied = this.#context.changes.made(
      inquiry,
      [...upserts, ...directories].map(({ key }) => key),
    )
    const submit: MasterContext['log']['submit'] = (command) => this.#context.log.submit(command).finally(applied)
    const head = { type: 'apply_listing', namespaceId: record.id, blockSizeBytes: this.blockSizeBytes(record) } as const
    const atMs = this.#context.clock.nowMs()
    if (removals.length <= removalsPerCommand)
      return (await submit({ ...head, atMs, ...none, ...news, ...listed, removals })).fileIds
    const { fileIds } = await submit({
      ...head,
      atMs,
      ...none,
      ...news,
      removals: removals.slice(0, removalsPerCommand),
    })
    for (let at = removalsPerCommand; at < removals.length; at += removalsPerCommand) {
      // Others had their turn: what they changed stays. What is left of an outdated answer is
      // listed again.
      if (inquiry.isOutdated) return fileIds
      const some = removals.slice(at, at + removalsPerCommand).filter((key) => !inquiry.isNewerKnown(key))
      const ends = at + removalsPerCommand >= removals.length
      const last = ends
        ? { childrenListed: listed.childrenListed.filter(isSame), treeListed: listed.treeListed.filter(isSame) }
        : {}
      await submit({ ...head, atMs, ...none, ...last, removals: some })
    }
    return fileIds
  }

  #isTreeNews(record: NamespaceRecord, directory: DirectoryInode | undefined): boolean {
    return directory === undefined || !this.isFresh(listedAtMs(this.#context.tables, record, directory).treeMs)
  }

  /**
   * Holds the beginning of a page against what is known, all of it where that is not too much.
   * @returns what is left too
   */
  #piece(
    record: NamespaceRecord,
    prefix: string,
    after: ListPosition | undefined,
    fetched: FetchedPage,
    gone?: ReadonlySet<string>,
  ): Piece {
    const { tables } = this.#context
    const { page, inquiry } = fetched
    const directory = directoryAt(tables, record.rootId, prefix)
    const [afterKey, upToKey] = [after?.key, page.next?.key]
    this.unusable.note(record, { prefix, afterKey, upToKey, isFlat: false }, page.objects)
    const range = { directory, prefix, afterKey, upToKey, ...newerThan(inquiry), covered: this.unusable.covers(record) }
    const end = endOfPiece(tables, range, knownPerPiece)
    // A page out of order removes nothing and is not cut.
    const objects = end === undefined ? page.objects : page.objects.filter(({ key }) => compareKeys(key, end) <= 0)
    const isWhole = end === undefined || objects.some((object, index) => object !== page.objects[index])
    const blockSizeBytes = this.blockSizeBytes(record)
    const some = isWhole ? page.objects : objects
    const whole = diffPage(tables, record.rootId, some, isWhole ? range : { ...range, upToKey: end }, blockSizeBytes)
    const isGone = (key: string): boolean => gone?.has(key) !== false || key === '' || isListed(key, fetched)
    const diff = { ...whole, removals: whole.removals.filter(isGone), unmarked: whole.unmarked.filter(isGone) }
    if (isWhole) return { diff, rest: undefined }
    const left = { page: { ...page, objects: page.objects.slice(objects.length) }, inquiry }
    return { diff, rest: { after: { key: end, token: undefined }, fetched: left } }
  }

  /** Keys of known children in the page's range that the page does not show. */
  #childrenAbsent(
    record: NamespaceRecord,
    prefix: string,
    afterKey: string | undefined,
    { page, inquiry }: FetchedPage,
  ): string[] {
    const { tables } = this.#context
    const present = new Set([...page.objects.map(({ key }) => key), ...page.prefixes])
    const directory = directoryAt(tables, record.rootId, prefix)
    const absent: string[] = []
    const isCovered = this.unusable.covers(record)
    if (directory === undefined) return absent
    for (const { name, inodeId } of tables.edges(directory.id, afterKey?.slice(prefix.length) ?? '')) {
      const key = prefix + name
      if (page.next !== undefined && compareKeys(key, page.next.key) > 0) break
      // An object of the directory's own name that holds bytes is not told apart from its marker
      // here; whole listings do.
      if (name === '' || key === afterKey || present.has(key) || isCovered?.(key) === true) continue
      if (inquiry.isYounger(key, inodeId) || inquiry.isNewerKnown(key)) continue
      const inode = tables.inode(inodeId)
      if (inode?.kind !== 'file' || inode.persisted) absent.push(key)
    }
    return absent
  }
}

/** What is known here in spite of a page. */
function newerThan(inquiry: Inquiry): Pick<PageRange, 'changed' | 'isYounger'> {
  return { changed: inquiry.changed, isYounger: (key, inodeId) => inquiry.isYounger(key, inodeId) }
}

/**
 * What a diff would take away because the page leaves it out; not a file `a/` that is a directory's
 * marker there.
 */
function absentOf({ removals, unmarked }: PageDiff, fetched: FetchedPage): string[] {
  return [...removals, ...unmarked].filter((key) => key !== '' && !isListed(key, fetched))
}

function isListed(key: string, { page }: FetchedPage): boolean {
  return key.endsWith('/') && page.objects.some((object) => object.key === key)
}

function isFileKey(key: string): boolean {
  return !key.endsWith('/')
}

function isUsable(prefix: string): boolean {
  return keyProblem(prefix) === undefined && prefix.isWellFormed()
}
