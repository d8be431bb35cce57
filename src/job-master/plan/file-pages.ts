// Why: the planner takes pages of files, one after the other. It does not need to know whether they
// come from the listing of a store or from a staged list of paths, which files are selected, and
// which changes the listing found. How: one function returns the page at a cursor. For a list, each
// path is looked up separately, several at a time: a file by name, a directory by its listing.
import type { Clock } from '../../base/clock.ts'
import { Turns } from '../../base/flow/turns.ts'
import { isSkeinError } from '../../base/errors.ts'
import { formatPath, type NamespacePath, placeWithin } from '../../base/paths.ts'
import type { IndexItem } from '../../load/state/list-parts.ts'
import type { Delta } from '../../load/state/load-commands.ts'
import { type LoadOptions, namespaceOfLoad } from '../../load/load.ts'
import type { ListedFile } from '../../load/plan/planner.ts'
import { isSelective, nameBelow, type SelectableFile, selectorOf, type Selector } from '../../load/choice/selection.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { MasterServiceDefinition, SyncedFile, SyncPageResponse } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'

/** Paths of a list that are looked up at once. */
const lookupsMax = 32
/** Maximum number of items in a part of a list. An item's part is position / partItemsMax. */
export const partItemsMax = 1000

/** What to list. */
export interface Listable {
  readonly path: string
  readonly indexId?: string | undefined
  readonly inRoot?: boolean
  readonly options: Pick<LoadOptions, 'selection'>
}

/** Terms for requests to the master: the staging of an atomic load. */
export interface ListingTerms {
  readonly stagingId?: string
  readonly stagingExpiresMs?: number
}

/**
 * Staging id for plans, which is not a path. The master keeps nothing under it, and no new files
 * become visible.
 */
export const planStaging: ListingTerms = { stagingId: 'plan' }

export interface ListingPage {
  readonly namespaceId: string
  /** The selected files. */
  readonly files: readonly ListedFile[]
  /** Empty: the listing has ended. */
  readonly nextCursor: string
  readonly delta: Delta
  readonly filesExcluded: number
  /** Atomic load only: the staging that holds these files. */
  readonly stagingId?: string
  /** Requests to the store for this page: listings and lookups of single objects. */
  readonly lists: number
  readonly looks: number
}

/**
 * The listing of one load, page by page. The master reports each change only once, so changes are
 * kept here until their page is taken.
 */
export class LoadListing {
  readonly #master: Pick<Service<MasterServiceDefinition>, 'getNamespace' | 'syncPage' | 'refreshFile'>
  readonly #tables: Pick<Tables, 'indexes' | 'indexParts'>
  readonly #clock: Clock
  readonly #load: Listable
  readonly #terms: () => ListingTerms
  readonly #selector: Selector | undefined
  readonly #changes = new Map<string, string>()
  #removed = 0
  #stagingId: string | undefined
  #namespaceId: string | undefined

  /** @throws SkeinError invalid_argument (an invalid glob) */
  constructor(
    load: Listable,
    context: {
      readonly master: Pick<Service<MasterServiceDefinition>, 'getNamespace' | 'syncPage' | 'refreshFile'>
      readonly tables: Pick<Tables, 'indexes' | 'indexParts'>
      readonly clock: Clock
    },
    terms: () => ListingTerms = () => ({}),
  ) {
    this.#load = load
    this.#master = context.master
    this.#tables = context.tables
    this.#clock = context.clock
    this.#terms = terms
    const { selection } = load.options
    this.#selector = selection !== undefined && isSelective(selection) ? selectorOf(selection) : undefined
  }

  /**
   * Returns the page at a cursor (empty: the first page), of about `limit` objects. The same page
   * may be requested again.
   * @throws SkeinError the errors of SyncPage
   */
  async page(cursor: string, limit: number, signal: AbortSignal): Promise<ListingPage> {
    if (this.#load.indexId !== undefined) return await this.#indexPage(this.#load.indexId, cursor, limit, signal)
    const { path } = this.#load
    const answer = await this.#sync(path, cursor, limit, signal)
    const looks = cursor === '' && this.#mayBeFile(path) ? 1 : 0
    return await this.#pageOf(
      answer.namespaceId,
      answer.files.map((file) => ({ file, root: path, item: undefined })),
      answer.nextCursor,
      { lists: 1, looks, signal },
    )
  }

  /**
   * Call when a page is used, before the next one is requested, so that its changes are counted
   * once.
   */
  taken(page: ListingPage): void {
    for (const { key } of page.files) this.#changes.delete(key)
    this.#removed -= page.delta.filesRemoved
  }

  async #sync(path: string, cursor: string, limit: number, signal: AbortSignal): Promise<SyncPageResponse> {
    const answer = await this.#master.syncPage(
      { path, inRoot: this.#load.inRoot === true, cursor, limit, ...this.#exactTerms() },
      { signal },
    )
    this.#stagingId ??= answer.stagingId
    for (const { key, change = '' } of answer.files) if (change !== '') this.#changes.set(key, change)
    this.#removed += answer.removed ?? 0
    return answer
  }

  /**
   * All pages must go to the same staging: a page that comes after the staging has expired is
   * refused.
   */
  #exactTerms(): ListingTerms {
    const terms = this.#terms()
    return this.#stagingId === undefined || terms.stagingId === undefined
      ? terms
      : { ...terms, stagingId: this.#stagingId }
  }

  async #pageOf(
    namespaceId: string,
    found: readonly Found[],
    nextCursor: string,
    { lists, looks, signal }: { readonly lists: number; readonly looks: number; readonly signal: AbortSignal },
  ): Promise<ListingPage> {
    const turns = new Turns(this.#clock)
    let [filesAdded, filesChanged, filesExcluded] = [0, 0, 0]
    const files: ListedFile[] = []
    for (const { file, root, item } of found) {
      if (this.#selector !== undefined && turns.isOver) await turns.pause(signal)
      const isMarker = file.length === 0 && (file.key === '' || file.key.endsWith('/')) && file.problem === ''
      if (
        !isMarker &&
        this.#selector !== undefined &&
        !this.#selector(nameBelow(this.#placeOf(root).key, file.key), selectable(file))
      ) {
        filesExcluded += 1
        this.#changes.delete(file.key)
        continue
      }
      const change = this.#changes.get(file.key)
      if (change === 'ADDED') filesAdded += 1
      else if (change === 'CHANGED') filesChanged += 1
      files.push(item === undefined ? file : ofItem(file, item))
    }
    const delta = { filesAdded, filesChanged, filesRemoved: this.#removed }
    const staged = this.#stagingId === undefined ? {} : { stagingId: this.#stagingId }
    return { namespaceId, files, nextCursor, delta, filesExcluded, lists, looks, ...staged }
  }

  // ---- a staged list ----

  async #indexPage(indexId: string, cursor: string, limit: number, signal: AbortSignal): Promise<ListingPage> {
    const namespaceId = await this.#namespace(signal)
    const found: Found[] = []
    let [lists, looks] = [0, 0]
    let position = positionOf(cursor)
    for (;;) {
      const items =
        position.inner === ''
          ? this.#items(indexId, position.item, Math.min(lookupsMax, limit))
          : this.#items(indexId, position.item, 1)
      if (items.length === 0) return await this.#pageOf(namespaceId, found, '', { lists, looks, signal })
      const { inner } = position
      const answers = await Promise.all(items.map((item) => this.#lookUp(namespaceId, item, inner, limit, signal)))
      for (const [index, answer] of answers.entries()) {
        lists += answer.lists
        looks += answer.looks
        // A directory with several pages, or one that would make this page too long, starts a new
        // page.
        if (found.length > 0 && found.length + answer.found.length > limit) {
          return await this.#pageOf(namespaceId, found, cursorOf({ item: position.item + index, inner: '' }), {
            lists,
            looks,
            signal,
          })
        }
        found.push(...answer.found)
        if (answer.nextCursor !== '')
          return await this.#pageOf(
            namespaceId,
            found,
            cursorOf({ item: position.item + index, inner: answer.nextCursor }),
            {
              lists,
              looks,
              signal,
            },
          )
      }
      position = { item: position.item + items.length, inner: '' }
      if (found.length >= limit) {
        const more = this.#items(indexId, position.item, 1).length > 0
        return await this.#pageOf(namespaceId, found, more ? cursorOf(position) : '', { lists, looks, signal })
      }
    }
  }

  async #namespace(signal: AbortSignal): Promise<string> {
    const name = `/${namespaceOfLoad(this.#load)}`
    this.#namespaceId ??= (await this.#master.getNamespace({ name }, { signal })).namespaceId
    return this.#namespaceId
  }

  #placeOf(path: string): NamespacePath {
    return placeWithin(namespaceOfLoad(this.#load), path)
  }

  #mayBeFile(path: string): boolean {
    const { key } = this.#placeOf(path)
    return key !== '' && !key.endsWith('/')
  }

  /** At most `count` items of one part. */
  #items(indexId: string, from: number, count: number): readonly IndexItem[] {
    const part = Math.floor(from / partItemsMax)
    const items = this.#tables.indexParts.get([indexId, part]) ?? []
    return items.slice(from % partItemsMax, (from % partItemsMax) + count)
  }

  async #lookUp(
    namespaceId: string,
    item: IndexItem,
    inner: string,
    limit: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    const path = this.#placeOf(item.path)
    let looks = 0
    if (inner === '' && this.#mayBeFile(item.path)) {
      looks = 1
      const file = await this.#file(namespaceId, path.key, signal)
      if (file !== undefined) return { found: [{ file, root: item.path, item }], nextCursor: '', lists: 0, looks }
    }
    const directory = formatPath(path.key === '' || path.key.endsWith('/') ? path : { ...path, key: `${path.key}/` })
    try {
      const answer = await this.#sync(directory, inner, limit, signal)
      return {
        found: answer.files.map((file) => ({ file, root: directory, item })),
        nextCursor: answer.nextCursor,
        lists: 1,
        looks,
      }
    } catch (thrown) {
      if (!isSkeinError(thrown, 'not_found') || thrown.reason !== undefined) throw thrown
      return { found: [{ file: missing(path.key), root: item.path, item }], nextCursor: '', lists: 1, looks }
    }
  }

  /** Looks up the file of this key. Undefined: there is none. */
  async #file(namespaceId: string, key: string, signal: AbortSignal): Promise<Found['file'] | undefined> {
    try {
      const { stagingId } = this.#exactTerms()
      const answer = await this.#master.refreshFile(
        { namespaceId, key, ...(stagingId !== undefined && { stagingId }) },
        { signal },
      )
      const { file } = answer
      this.#stagingId ??= answer.stagingId
      if (file?.change !== undefined && file.change !== '') this.#changes.set(key, file.change)
      return file
    } catch (thrown) {
      if (isSkeinError(thrown, 'not_found') && thrown.reason === undefined) return undefined
      if (isSkeinError(thrown, 'failed_precondition', 'staging_expired')) throw thrown
      // An object that cannot be cached fails only its own file.
      if (isSkeinError(thrown, 'failed_precondition'))
        return { ...missing(key), problem: thrown.message, problemCode: thrown.code }
      throw thrown
    }
  }
}

/** An object without a version is one that the store could not show. */
function selectable(file: SyncedFile): SelectableFile {
  return file.problem !== '' && file.etag === '' && file.length === 0 ? { length: undefined } : file
}

interface Found {
  readonly file: SyncedFile & Pick<ListedFile, 'problemCode'>
  /** The path of the list that contains the file. */
  readonly root: string
  readonly item: IndexItem | undefined
}

interface Answer {
  readonly found: readonly Found[]
  readonly nextCursor: string
  readonly lists: number
  readonly looks: number
}

interface Position {
  readonly item: number
  /** Position within the listing of the item's directory. */
  readonly inner: string
}

/** Cursor of a list: the number of the item, and the cursor in its listing. */
function cursorOf({ item, inner }: Position): string {
  return `${item}:${inner}`
}

function positionOf(cursor: string): Position {
  if (cursor === '') return { item: 0, inner: '' }
  const colon = cursor.indexOf(':')
  return { item: Number(cursor.slice(0, colon)), inner: cursor.slice(colon + 1) }
}

function missing(key: string): SyncedFile & Pick<ListedFile, 'problemCode'> {
  const problem = 'there is no such file or directory in the store'
  return { fileId: 0, key, length: 0, etag: '', blockSizeBytes: 1, blocks: [], problem, problemCode: 'not_found' }
}

function ofItem(file: Found['file'], { replication, etag }: IndexItem): ListedFile {
  const own = replication === undefined ? file : { ...file, replication }
  if (etag === undefined || file.problem !== '' || file.etag === etag) return own
  return { ...own, problem: `the store has another version: its ETag is ${file.etag}, expected ${etag}` }
}
