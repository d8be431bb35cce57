// Why: `ls`, page by page. How: a page token is the place where the page before ended, so that no
// state is kept between pages; a directory is listed at the store when its first page is asked for
// and what is known of it is too old. A page does not wait for the whole of it, only for its own
// entries (running-listings.ts); its token says how old the listing may be that the next page is
// taken from. A page of a prefix, or behind a key, costs its own entries (meta/listed-range.ts).
import { z } from 'zod'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { keyProblem } from '../../base/paths.ts'
import { compareKeys } from '../../meta/edge-order.ts'
import { entriesOf, hiddenBelow, type ListedDirectory, type ListedRange } from '../../meta/listed-range.ts'
import { directoryAt, isRoot, listedAtMs, type Place, placeOfText } from '../../meta/resolve-path.ts'
import type { DirectoryInode, NamedInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import type { WalkEntry, WalkPosition } from '../../meta/walk.ts'
import type { ListStatusRequest, ListStatusResponse, UnusablePaths } from '../../wire/generated/master.ts'
import type { CallOptions } from '../../wire/service.ts'
import { directoryKey } from '../paths/file-look-up.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { mergeUnusable, unusablePaths } from '../store/unusable-names.ts'
import { isExplicit } from '../paths/file-info.ts'
import { BriefEntries, FullEntries, type PageEntries } from './page-entries.ts'
import { piecesOfRoot, shownRoot } from './root-pieces.ts'
import { RunningListings } from './running-listings.ts'

/** Entries of a page: a thousand, and one more to see whether others follow. */
const entriesMax = 1001
/** Of a page whose request says none. */
const entriesDefault = 1000

/**
 * The last thing given out: a namespace itself (no key), or an entry of it, or of the root mount
 * (no namespace).
 */
const tokenSchema = z.strictObject({
  ...{ namespace: z.string(), key: z.string(), folder: z.boolean() },
  /** The listing of the directory at the store began at this time or later, and ended after it. */
  sinceMs: z.optional(z.number()),
  /** Entries that are left out were not named yet, because the store was not listed to its end. */
  unnamed: z.optional(z.literal(true)),
  /** Of a namespace in the listing of `/`: both, of the root mount. */
  root: z.optional(z.strictObject({ sinceMs: z.optional(z.number()), unnamed: z.optional(z.literal(true)) })),
})
type Token = z.infer<typeof tokenSchema>
/** How far the listing of a directory at its store is, for the next page. */
type Listing = Pick<Token, 'sinceMs' | 'unnamed'>

/** Names that are looked at for one page, where entries are left out. */
const namesPerPage = 5000

/** Which entries of the listed directory are shown. */
interface ShownRange extends ListedRange {
  readonly isImpliedShown: boolean
}

/** Where the entries of a page ended; no `next`: none follow. */
interface Page extends Listing {
  readonly next: WalkPosition | undefined
  readonly unusable?: UnusablePaths | undefined
}

interface Listed {
  readonly record: NamespaceRecord
  /** Empty for a namespace, else ending in `/`. */
  readonly key: string
}

interface ShownEntry {
  readonly entry: WalkEntry
  readonly inode: NamedInode
}

interface Taken {
  readonly shown: readonly ShownEntry[]
  readonly next: WalkPosition | undefined
}

const noEntries: Taken = { shown: [], next: undefined }

export class ListService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #sync: StoreSync
  readonly #listings: RunningListings

  constructor(context: MasterContext, locator: PathLocator, sync: StoreSync) {
    this.#context = context
    this.#locator = locator
    this.#sync = sync
    this.#listings = new RunningListings(sync, context.clock)
  }

  /** Ends what is listed at stores. */
  close(): void {
    this.#listings.close()
  }

  /**
   * A file itself, or what is in a directory (all below it when recursive), in the order of the
   * keys; both when a path names both. A prefix and a start are for what is in the directory.
   * @throws SkeinError not_found, invalid_argument (page token)
   */
  async list(request: ListStatusRequest, { signal }: CallOptions): Promise<ListStatusResponse> {
    const place = placeOfText(this.#context.tables, request.path)
    const limit = request.limit === 0 ? entriesDefault : Math.min(request.limit, entriesMax)
    const token = request.pageToken === '' ? undefined : parseToken(request.pageToken)
    const range = rangeOf(request)
    const entries = this.#pageOf(request, place)
    this.#context.workers.expire()
    if (place === undefined || isRoot(place)) return this.#listRoot(request, range, token, entries, limit, signal)
    const { record, key } = place
    if (token !== undefined) {
      if (directoryAt(this.#context.tables, record.rootId, key) === undefined)
        return { ...entries.answer(), nextPageToken: '' }
      const listed = { record, key: directoryKey(key) }
      return response(record, await this.#page(listed, request, range, token, entries, limit, signal), entries)
    }
    const { file, directory } = await this.#locator.locate(place, signal, request.syncIntervalMs)
    if (file !== undefined) entries.addNamed(record, key, file)
    if (directory === undefined) return { ...entries.answer(), nextPageToken: '' }
    const listed = { record, key: directoryKey(key) }
    return response(record, await this.#page(listed, request, range, undefined, entries, limit, signal), entries)
  }

  #pageOf({ brief = false, withMetadata = false }: ListStatusRequest, place: Place | undefined): PageEntries {
    if (!brief) return new FullEntries(this.#context, withMetadata)
    if (place === undefined || isRoot(place))
      return new BriefEntries(this.#context, withMetadata, { path: '/', key: undefined })
    const key = directoryKey(place.key)
    const path = pathOf(place.record, key)
    return new BriefEntries(this.#context, withMetadata, { path: path.endsWith('/') ? path : `${path}/`, key })
  }

  /**
   * The content of the root mount, if there is one, with the namespaces among it: in pieces, each
   * up to the name of the next namespace.
   */
  async #listRoot(
    request: ListStatusRequest,
    range: ShownRange,
    token: Token | undefined,
    entries: PageEntries,
    limit: number,
    signal: AbortSignal,
  ): Promise<ListStatusResponse> {
    const { tables } = this.#context
    const root = shownRoot(tables, range)
    const from = token === undefined ? '' : token.namespace === '' ? token.key : `${token.namespace}/`
    let unusable: UnusablePaths | undefined
    let ofRoot: Listing | undefined = token?.namespace === '' ? token : token?.root
    let behind: WalkPosition | undefined = token === undefined ? undefined : { key: from, folder: true }
    if (token?.namespace === '') behind = token
    for (const { record, key } of piecesOfRoot(tables)) {
      if (key !== undefined && compareKeys(key, from) < 0) continue
      if (root !== undefined && key !== from) {
        const before =
          behind === undefined ? undefined : { namespace: '', key: behind.key, folder: behind.folder, ...ofRoot }
        const piece = { ...range, before: key }
        const page = await this.#page({ record: root, key: '' }, request, piece, before, entries, limit, signal)
        unusable = mergeUnusable(unusable, page.unusable)
        if (page.next !== undefined) return response(root, { ...page, unusable }, entries)
        ofRoot = { sinceMs: page.sinceMs, unnamed: page.unnamed }
      }
      if (record === undefined || key === undefined) break
      behind = { key, folder: true }
      if (key === from && token?.namespace !== '' && !range.isRecursive) continue
      const directory = directoryAt(tables, record.rootId, '')
      const below = rangeBelow(range, key)
      if (directory === undefined || below === undefined) continue
      const goingOn = key === from && token?.namespace !== '' ? token : undefined
      if (goingOn === undefined && isIn(range, key)) entries.addDirectory(record, '', directory)
      if (entries.count >= limit)
        return response(record, { next: { key: '', folder: true }, unusable }, entries, ofRoot)
      if (!range.isRecursive) continue
      const after = goingOn?.key === '' ? undefined : goingOn
      const page = await this.#page({ record, key: '' }, request, below, after, entries, limit, signal)
      unusable = mergeUnusable(unusable, page.unusable)
      if (page.next !== undefined) return response(record, { ...page, unusable }, entries, ofRoot)
    }
    return { ...entries.answer(), nextPageToken: '', ...(unusable !== undefined && { unusable }) }
  }

  /**
   * Lists at the store first where what is known is too old: only what the range can show, and only
   * as far as the page goes.
   * @param token of the page before
   */
  async #page(
    { record, key }: Listed,
    { syncIntervalMs }: Pick<ListStatusRequest, 'syncIntervalMs'>,
    range: ShownRange,
    token: Token | undefined,
    entries: PageEntries,
    limit: number,
    signal: AbortSignal,
  ): Promise<Page> {
    const { tables } = this.#context
    // Without room for an entry the next page begins at the start.
    if (entries.count >= limit) return { next: { key, folder: true } }
    const before = token?.key === key && token.folder ? undefined : token
    const { isRecursive, prefix } = range
    const deepest = key + (isRecursive ? prefix.slice(0, prefix.lastIndexOf('/') + 1) : '')
    const isKnown = before !== undefined || deepest === key
    const shown = isKnown
      ? directoryAt(tables, record.rootId, deepest)
      : await this.#located(record, deepest, signal, syncIntervalMs)
    if (shown === undefined) return { next: undefined }
    const { childrenMs, treeMs } = listedAtMs(tables, record, shown)
    const listedMs = isRecursive ? treeMs : childrenMs
    const sinceMs = before === undefined ? this.#youngest(syncIntervalMs) : before.sinceMs
    const isFresh =
      before === undefined ? this.#sync.isFresh(listedMs, syncIntervalMs) : sinceMs === undefined || listedMs > sinceMs
    const listing = isFresh
      ? undefined
      : this.#listings.at(
          { record, key: deepest, isRecursive },
          {
            ...{ sinceMs: sinceMs ?? 0, fromKey: key + range.startAfter },
            mayBeDone: before !== undefined || range.startAfter !== '',
          },
        )
    for (;;) {
      const isWhole = listing?.isDone !== false
      const directory = directoryAt(tables, record.rootId, key)
      const within = { room: limit - entries.count, upToKey: isWhole ? undefined : (listing.upToKey ?? '') }
      const taken = directory === undefined ? noEntries : this.#take({ id: directory.id, key }, range, before, within)
      if (taken === undefined) {
        await listing?.more(signal)
        continue
      }
      for (const { entry, inode } of taken.shown) {
        if (inode.kind === 'file') entries.addFile(record, entry.key, inode)
        else entries.addDirectory(record, entry.key, inode)
      }
      const isUnnamed = before === undefined || before.unnamed === true
      return {
        next: taken.next,
        sinceMs: before?.sinceMs ?? listing?.startedMs ?? listedMs - 1,
        unusable: isUnnamed && isWhole ? unusablePaths(record, this.#sync, deepest, isRecursive) : undefined,
        unnamed: isUnnamed && !isWhole ? true : undefined,
      }
    }
  }

  /** When a listing that is not recorded yet must have begun. */
  #youngest(syncIntervalMs = this.#context.options.metadataSyncIntervalMs): number {
    return syncIntervalMs < 0 ? 0 : this.#context.clock.nowMs() - syncIntervalMs + 1
  }

  /**
   * The entries of a page, or undefined where the store must be listed further for them.
   * @param upToKey the store was listed to here; undefined: to the end
   */
  #take(
    directory: ListedDirectory,
    range: ShownRange,
    after: WalkPosition | undefined,
    { room, upToKey }: { readonly room: number; readonly upToKey: string | undefined },
  ): Taken | undefined {
    const { tables } = this.#context
    const shown: ShownEntry[] = []
    let names = 0
    const hidden = hiddenBelow(tables, directory)
    for (const entry of entriesOf(tables, directory, { ...range, hidden }, after)) {
      if (upToKey !== undefined && compareKeys(entry.key, upToKey) > 0) return undefined
      const inode = tables.inode(entry.inodeId)
      const isShown =
        inode?.kind === 'file' || range.isImpliedShown || (inode?.kind === 'directory' && isExplicit(inode))
      if (isShown && inode !== undefined && inode.kind !== 'pending') shown.push({ entry, inode })
      names += 1
      if (shown.length < room && names < namesPerPage) continue
      // Whether anything is in a directory is seen in what follows it.
      return upToKey !== undefined && entry.folder && upToKey.startsWith(entry.key) ? undefined : { shown, next: entry }
    }
    const isListed = upToKey === undefined || (range.before !== undefined && compareKeys(upToKey, range.before) >= 0)
    return isListed ? { shown, next: undefined } : undefined
  }

  /** The directory of this key; undefined when there is none. */
  async #located(
    record: NamespaceRecord,
    key: string,
    signal: AbortSignal,
    syncIntervalMs: number | undefined,
  ): Promise<DirectoryInode | undefined> {
    if (keyProblem(key) !== undefined) return undefined
    try {
      const { directory } = await this.#locator.locate({ record, key }, signal, syncIntervalMs)
      // Of an object `dir/` that holds bytes, the directory is there too.
      return directory ?? directoryAt(this.#context.tables, record.rootId, key)
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found')) return undefined
      throw thrown
    }
  }
}

function rangeOf({ recursive, prefix = '', startAfter = '', withoutImplied = false }: ListStatusRequest): ShownRange {
  return { isRecursive: recursive, prefix, startAfter, isImpliedShown: !withoutImplied }
}

/** Whether a key of the listed directory is in the range. */
function isIn({ prefix, startAfter }: ListedRange, key: string): boolean {
  return key.startsWith(prefix) && (startAfter === '' || compareKeys(key, startAfter) > 0)
}

/**
 * The range of keys below a directory of the listed directory; undefined when neither the directory
 * nor a key below it can be in the range.
 */
function rangeBelow(range: ShownRange, key: string): ShownRange | undefined {
  const { prefix, startAfter } = range
  if (!key.startsWith(prefix) && !prefix.startsWith(key)) return undefined
  if (startAfter !== '' && compareKeys(key, startAfter) <= 0 && !startAfter.startsWith(key)) return undefined
  const rest = (text: string): string => (text.startsWith(key) ? text.slice(key.length) : '')
  return { ...range, prefix: rest(prefix), startAfter: rest(startAfter) }
}

function response(
  record: NamespaceRecord,
  { next, unusable, sinceMs, unnamed }: Page,
  entries: PageEntries,
  root?: Listing,
): ListStatusResponse {
  const named = unusable === undefined ? {} : { unusable }
  if (next === undefined) return { ...entries.answer(), nextPageToken: '', ...named }
  const token: Token = { namespace: record.name, key: next.key, folder: next.folder, sinceMs, unnamed, root }
  return { ...entries.answer(), nextPageToken: JSON.stringify(token), ...named }
}

function parseToken(text: string): Token {
  try {
    return tokenSchema.parse(JSON.parse(text))
  } catch (error) {
    throw new SkeinError('invalid_argument', 'the page token is not one of this master', { cause: error })
  }
}
