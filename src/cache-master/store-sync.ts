// Why: the master alone looks at the stores, and what it sees becomes metadata here. How: ask the store (a page, or one
// HEAD), hold the answer against what is known, and journal one command if, and only if, it says something new.
import { containerOf } from '../base/block-id.ts'
import { throwIfAborted } from '../base/clock.ts'
import { isSkeinError, SkeinError } from '../base/errors.ts'
import { keyProblem } from '../base/paths.ts'
import type { ApplyListing } from '../meta/commands.ts'
import { compareKeys } from '../meta/key-order.ts'
import { diffPage, endOfPiece, isMarker, objectProblem, type PageDiff, type PageFile } from '../meta/listing-diff.ts'
import { directoryAt, fileAt, listedAtMs } from '../meta/resolve.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../meta/tables.ts'
import { isSameVersion } from '../meta/tree.ts'
import type { ListPage, ListPosition, ObjectInfo } from '../ufs/under-file-system.ts'
import { type FetchedPage, ListingPrefetch } from './listing-prefetch.ts'
import type { MasterContext } from './master-context.ts'
import { blockSizeOf } from './namespace-definition.ts'

/** Objects a page of a listing may hold. */
export const pageLimitMax = 1000
/** Files that one command removes: the event loop stands still for it. */
const removalsPerCommand = 300
/** Known names that are held against a listing at once, and how many such pieces one call works off. */
const knownPerPiece = 1200
const piecesPerCall = 30

/** An object of a listing, as the master knows it now. */
export interface SyncedObject {
  /** 0 when it cannot be a file. */
  readonly fileId: number
  readonly object: {
    readonly key: string
    readonly length: number
    readonly etag: string
    readonly storageClass: string
    readonly modifiedMs?: number
    readonly crc64?: string
  }
  readonly blockSizeBytes: number
  readonly problem: string
  /** What this look at the store made of it; undefined when it was known so. */
  readonly change?: 'ADDED' | 'CHANGED' | undefined
}

export interface SyncedPage {
  readonly files: readonly SyncedObject[]
  /** Nothing at all was there: no object, no marker. */
  readonly empty: boolean
  readonly next: ListPosition | undefined
  /** Files that were known and are gone from the store. */
  readonly removed?: number
}

/** What listings said, in files. */
export interface SyncTally {
  added: number
  changed: number
  removed: number
  unchanged: number
}

/** What one look at an object said beside the file. */
export interface Look {
  change?: 'ADDED' | 'CHANGED' | undefined
  crc64?: string | undefined
}

interface Piece {
  readonly diff: PageDiff
  /** Undefined when this was all of the page. */
  readonly rest: { readonly after: ListPosition; readonly fetched: FetchedPage } | undefined
}

type Change = Partial<Omit<ApplyListing, 'type' | 'atMs' | 'namespaceId' | 'blockSizeBytes'>>

export class StoreSync {
  readonly #context: MasterContext
  readonly #prefetch: ListingPrefetch

  constructor(context: MasterContext) {
    this.#context = context
    this.#prefetch = new ListingPrefetch(context.clock, (record, request, signal) => this.#list(record, request, signal))
  }

  close(): void {
    this.#prefetch.close()
  }

  /** Whether a listing of this age need not be made again. */
  isFresh(listedMs: number, syncIntervalMs = this.#context.options.metadataSyncIntervalMs): boolean {
    if (listedMs < 0) return false
    return syncIntervalMs < 0 || this.#context.clock.nowMs() - listedMs < syncIntervalMs
  }

  /**
   * One page of everything below a directory (`prefix` is empty or ends in `/`), made known. What is known in the page's
   * range of keys and not in the page is removed; the last page makes the whole tree known.
   */
  async page(
    record: NamespaceRecord,
    prefix: string,
    after: ListPosition | undefined,
    limit: number,
    signal: AbortSignal,
    tally?: SyncTally,
  ): Promise<SyncedPage> {
    const fetched = await this.#prefetch.take(record, { prefix, after, limit }, signal)
    const { page } = fetched
    if (page.next !== undefined) this.#prefetch.start(record, { prefix, after: page.next, limit })
    const blockSizeBytes = this.blockSizeBytes(record)
    const files: SyncedObject[] = []
    let removed = 0
    let piece = this.#piece(record, prefix, after, fetched)
    for (let pieces = 1; ; pieces += 1) {
      const { diff, rest } = piece
      if (tally !== undefined) count(tally, diff)
      const news = diff.files.filter(isNews)
      const directory = directoryAt(this.#context.tables, record.rootId, prefix)
      const ends = rest === undefined && page.next === undefined && (directory !== undefined || page.objects.length > 0)
      const fileIds = await this.#submit(record, {
        upserts: news.map(({ object }) => object),
        directories: diff.markers.map((key) => ({ key, marker: true })),
        removals: diff.removals,
        unmarked: diff.unmarked,
        treeListed: ends && this.#isTreeNews(directory) ? [prefix] : [],
      })
      removed += diff.removals.length
      const idOf = new Map(news.map(({ object }, i) => [object.key, fileIds[i] ?? 0] as const))
      for (const file of diff.files) files.push(syncedObject(file, idOf.get(file.object.key), blockSizeBytes))
      if (rest === undefined) return { files, empty: page.objects.length === 0 && page.next === undefined, next: page.next, removed }
      // The store is asked again from there: a call ends in good time, and what it says is not too old.
      if (pieces === piecesPerCall) return { files, empty: false, next: rest.after, removed }
      throwIfAborted(signal)
      piece = this.#piece(record, prefix, rest.after, rest.fetched)
    }
  }

  /** What one page of a tree's listing would change; nothing is changed. */
  async compare(
    record: NamespaceRecord,
    prefix: string,
    after: ListPosition | undefined,
    limit: number,
    signal: AbortSignal,
  ): Promise<{ readonly diff: PageDiff; readonly next: ListPosition | undefined; readonly empty: boolean }> {
    const fetched = await this.#list(record, { prefix, after, limit }, signal)
    const { diff, rest } = this.#piece(record, prefix, after, fetched)
    const next = rest === undefined ? fetched.page.next : rest.after
    return { diff, next, empty: fetched.page.objects.length === 0 && next === undefined }
  }

  /** Whether the store has this version of one file; `none` when it has no such object. A file that is only here is the same. */
  async compareFile(record: NamespaceRecord, key: string, signal: AbortSignal): Promise<'same' | 'other' | 'none'> {
    const known = fileAt(this.#context.tables, record.rootId, key)
    if (known?.persisted === false) return 'same'
    const object = await this.objectAt(record, key, signal)
    if (object === undefined || isMarker(object)) return 'none'
    return known !== undefined && isSameVersion(known, object) ? 'same' : 'other'
  }

  /** Makes everything below a directory known. */
  async tree(record: NamespaceRecord, prefix: string, signal: AbortSignal, tally?: SyncTally): Promise<void> {
    let after: ListPosition | undefined
    do after = (await this.page(record, prefix, after, pageLimitMax, signal, tally)).next
    while (after !== undefined)
  }

  /** Makes the direct children of a directory known. Subdirectories that are gone from the store go with all in them. */
  async children(record: NamespaceRecord, prefix: string, signal: AbortSignal, tally?: SyncTally): Promise<void> {
    let after: ListPosition | undefined
    const gone: string[] = []
    do {
      const containersBefore = this.#context.tables.counter('containers')
      const store = await this.#context.stores.get(record)
      const page = await store.list({ prefix, delimiter: '/', after, limit: pageLimitMax }, signal)
      const present = new Set([...page.objects.map(({ key }) => key), ...page.prefixes])
      const absent = this.#childrenAbsent(record, prefix, after?.key, page, present, containersBefore)
      gone.push(...absent.filter((key) => key.endsWith('/')))
      const blockSizeBytes = this.blockSizeBytes(record)
      const range = { directory: undefined, prefix, afterKey: after?.key, upToKey: page.next?.key, containersBefore }
      const diff = diffPage(this.#context.tables, record.rootId, page.objects, range, blockSizeBytes)
      const files = diff.files.map((file) => ({ ...file, known: fileAt(this.#context.tables, record.rootId, file.object.key) }))
      const removals = absent.filter((key) => !key.endsWith('/'))
      const upserts = files.filter((file) => isNews(file) && file.known?.persisted !== false).map(({ object }) => object)
      if (tally !== undefined) count(tally, { files, removals })
      const prefixes = page.prefixes.filter((key) => keyProblem(key) === undefined && key.isWellFormed())
      await this.#submit(record, {
        upserts,
        directories: [...prefixes.map((key) => ({ key, marker: false })), ...diff.markers.map((key) => ({ key, marker: true }))],
        removals,
        childrenListed: page.next === undefined ? [prefix] : [],
      })
      after = page.next
    } while (after !== undefined)
    for (const key of gone) await this.tree(record, key, signal, tally)
  }

  /**
   * Looks at one object again. @returns the file as it is now, or undefined when the store has none (it is removed then).
   * @throws SkeinError failed_precondition when the object cannot be a file, and what the store says
   */
  async refresh(record: NamespaceRecord, key: string, signal: AbortSignal, look?: Look): Promise<FileInode | undefined> {
    const here = fileAt(this.#context.tables, record.rootId, key)
    if (here?.persisted === false) return here
    const object = await this.objectAt(record, key, signal)
    const known = fileAt(this.#context.tables, record.rootId, key)
    if (known?.persisted === false) return known
    if (object === undefined || isMarker(object)) {
      if (known !== undefined) {
        await this.#context.log.submit({ type: 'remove_file', atMs: this.#context.clock.nowMs(), namespaceId: record.id, key })
      }
      return undefined
    }
    if (look !== undefined) look.crc64 = object.crc64
    if (known !== undefined && isSameVersion(known, object)) return known
    if (look !== undefined) look.change = known === undefined ? 'ADDED' : 'CHANGED'
    const problem = objectProblem(object, this.blockSizeBytes(record))
    if (problem !== '') throw new SkeinError('failed_precondition', `/${record.name}/${key} cannot be cached: ${problem}`)
    await this.#submit(record, { upserts: [object] })
    return fileAt(this.#context.tables, record.rootId, key)
  }

  /** Whether the store has anything below `prefix` (ends in `/`); if so the directory is known afterwards. */
  async probeDirectory(record: NamespaceRecord, prefix: string, signal: AbortSignal): Promise<DirectoryInode | undefined> {
    const store = await this.#context.stores.get(record)
    const page = await store.list({ prefix, delimiter: undefined, after: undefined, limit: 1 }, signal)
    const [first] = page.objects
    if (first === undefined) return undefined
    if (directoryAt(this.#context.tables, record.rootId, prefix) === undefined) {
      await this.#submit(record, { directories: [{ key: prefix, marker: first.key === prefix && isMarker(first) }] })
    }
    return directoryAt(this.#context.tables, record.rootId, prefix)
  }

  blockSizeBytes(record: NamespaceRecord): number {
    return blockSizeOf(record, this.#context.options.blockSizeBytesDefault)
  }

  /** @returns the file ids of the upserts; nothing is journaled when there is nothing to say */
  async #submit(record: NamespaceRecord, change: Change): Promise<readonly number[]> {
    const removals = [...(change.removals ?? [])]
    const parts = { upserts: [], directories: [], unmarked: [], childrenListed: [], treeListed: [], ...change }
    let fileIds: readonly number[] = []
    if (Object.values({ ...parts, removals }).every((part) => part.length === 0)) return fileIds
    const head = {
      type: 'apply_listing',
      atMs: this.#context.clock.nowMs(),
      namespaceId: record.id,
      blockSizeBytes: this.blockSizeBytes(record),
    } as const
    for (;;) {
      const some = removals.splice(0, removalsPerCommand)
      if (removals.length === 0) {
        fileIds = (await this.#context.log.submit({ ...head, ...parts, removals: some })).fileIds
        return fileIds
      }
      const only = { upserts: [], directories: [], unmarked: [], childrenListed: [], treeListed: [] }
      await this.#context.log.submit({ ...head, ...only, removals: some })
    }
  }

  /** The object of this key as the store has it now; undefined when there is none. */
  async objectAt(record: NamespaceRecord, key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    const store = await this.#context.stores.get(record)
    try {
      return { ...(await store.stat(key, signal)), key }
    } catch (error) {
      if (isSkeinError(error, 'not_found')) return undefined
      throw error
    }
  }

  async #list(
    record: NamespaceRecord,
    request: { readonly prefix: string; readonly after: ListPosition | undefined; readonly limit: number },
    signal: AbortSignal,
  ): Promise<FetchedPage> {
    const containersBefore = this.#context.tables.counter('containers')
    const store = await this.#context.stores.get(record)
    return { page: await store.list({ ...request, delimiter: undefined }, signal), containersBefore }
  }

  #isTreeNews(directory: DirectoryInode | undefined): boolean {
    return directory === undefined || !this.isFresh(listedAtMs(this.#context.tables, directory).treeMs)
  }

  /** Holds the beginning of a page against what is known, all of it where that is not too much. @returns what is left too */
  #piece(record: NamespaceRecord, prefix: string, after: ListPosition | undefined, fetched: FetchedPage): Piece {
    const { tables } = this.#context
    const { page, containersBefore } = fetched
    const directory = directoryAt(tables, record.rootId, prefix)
    const range = { directory, prefix, afterKey: after?.key, upToKey: page.next?.key, containersBefore }
    const end = endOfPiece(tables, range, knownPerPiece)
    // A page out of order removes nothing and is not cut.
    const objects = end === undefined ? page.objects : page.objects.filter(({ key }) => compareKeys(key, end) <= 0)
    const isWhole = end === undefined || objects.some((object, index) => object !== page.objects[index])
    const blockSizeBytes = this.blockSizeBytes(record)
    if (isWhole) return { diff: diffPage(tables, record.rootId, page.objects, range, blockSizeBytes), rest: undefined }
    const diff = diffPage(tables, record.rootId, objects, { ...range, upToKey: end }, blockSizeBytes)
    const left = { page: { ...page, objects: page.objects.slice(objects.length) }, containersBefore }
    return { diff, rest: { after: { key: end, token: undefined }, fetched: left } }
  }

  /** Keys of known children in the page's range that the page does not show. */
  #childrenAbsent(
    record: NamespaceRecord,
    prefix: string,
    afterKey: string | undefined,
    page: ListPage,
    present: ReadonlySet<string>,
    containersBefore: number,
  ): string[] {
    const { tables } = this.#context
    const directory = directoryAt(tables, record.rootId, prefix)
    const absent: string[] = []
    if (directory === undefined) return absent
    for (const { name, inodeId } of tables.edges(directory.id, afterKey?.slice(prefix.length) ?? '')) {
      const key = prefix + name
      if (page.next !== undefined && compareKeys(key, page.next.key) > 0) break
      // An object of the directory's own name that holds bytes is not told apart from its marker here; whole listings do.
      if (name === '' || key === afterKey || present.has(key)) continue
      if (containerOf(inodeId) > containersBefore) continue
      const inode = tables.inode(inodeId)
      if (inode?.kind !== 'file' || inode.persisted) absent.push(key)
    }
    return absent
  }
}

/** Whether an object is to be made known. */
export function isNews({ object, known, problem }: PageFile): boolean {
  return problem === '' && (known === undefined || !isSameVersion(known, object))
}

function count(tally: SyncTally, { files, removals }: Pick<PageDiff, 'files' | 'removals'>): void {
  for (const file of files) {
    if (file.problem !== '') continue
    if (!isNews(file)) tally.unchanged += 1
    else if (file.known === undefined) tally.added += 1
    else tally.changed += 1
  }
  tally.removed += removals.length
}

function syncedObject({ object, known, problem }: PageFile, newId: number | undefined, blockSizeBytes: number): SyncedObject {
  if (problem !== '') return { fileId: 0, object, blockSizeBytes, problem }
  if (newId !== undefined) return { fileId: newId, object, blockSizeBytes, problem, change: known === undefined ? 'ADDED' : 'CHANGED' }
  return { fileId: known?.id ?? 0, object, blockSizeBytes: known?.blockSizeBytes ?? blockSizeBytes, problem }
}
