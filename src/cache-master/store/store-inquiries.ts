// Why: whoever asks a store must know whether the answer was overtaken by what was changed here
// meanwhile. How: each question is an inquiry that gathers those changes (recent-changes.ts) until
// its answer was submitted; where the answer is worth nothing any more, the store is asked anew.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { isHiddenKey } from '../../base/paths.ts'
import { directoryAt, fileAt } from '../../meta/resolve-path.ts'
import type { FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { parseStoreUri } from '../../ufs/store-uri.ts'
import type { ObjectInfo } from '../../ufs/under-file-system.ts'
import { withHiddenNamed } from './hidden-objects.ts'
import { listedObject } from './listed-names.ts'
import { goneOf, withOwnWord } from './listing-looks.ts'
import { type FetchedPage, ListingPrefetch, type PageRequest } from './listing-prefetch.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import type { Hold } from '../state/path-latch.ts'
import type { Inquiry } from '../state/inquiry.ts'

/** How often the store is asked for the same. */
export const asksMax = 5

/** One object as the store has it (undefined: none), and the file that it is here. */
export interface LookedAt {
  readonly object: ObjectInfo | undefined
  readonly known: FileInode | undefined
  readonly inquiry: Inquiry
}

export type UseLooked<Result> = (looked: LookedAt) => Result | Promise<Result>

export class StoreInquiries {
  readonly #context: Pick<MasterContext, 'tables' | 'stores' | 'changes' | 'clock'>
  readonly #prefetch: ListingPrefetch

  constructor(context: Pick<MasterContext, 'tables' | 'stores' | 'changes' | 'clock'>) {
    this.#context = context
    this.#prefetch = new ListingPrefetch(context.clock, (record, request, signal) =>
      this.#list(record, request, signal),
    )
  }

  close(): void {
    this.#prefetch.close()
  }

  /** As list, with the page behind it asked for already. */
  async page(record: NamespaceRecord, request: PageRequest, signal: AbortSignal): Promise<FetchedPage> {
    const taken = await this.#prefetch.take(record, request, signal)
    const fetched = taken.inquiry.isOutdated ? await this.list(record, request, signal) : taken
    if (fetched.page.next !== undefined) this.#prefetch.start(record, { ...request, after: fetched.page.next })
    return fetched
  }

  /**
   * A page; the caller closes its inquiry. @throws SkeinError unavailable when too much is changed
   * meanwhile, and what the store says
   */
  async list(record: NamespaceRecord, request: PageRequest, signal: AbortSignal): Promise<FetchedPage> {
    for (let asks = 1; asks <= asksMax; asks += 1) {
      const fetched = await this.#list(record, request, signal)
      if (!fetched.inquiry.isOutdated) return fetched
    }
    throw overtaken(record, request.prefix)
  }

  /** As list, with the turn to make it known. */
  async listInTurn(
    record: NamespaceRecord,
    request: PageRequest,
    signal: AbortSignal,
  ): Promise<FetchedPage & { readonly turn: Hold }> {
    for (let asks = 1; asks <= asksMax; asks += 1) {
      const fetched = await this.list(record, request, signal)
      let turn: Hold | undefined
      try {
        turn = await this.#context.changes.turn(record, request.prefix, signal)
      } finally {
        if (turn === undefined) fetched.inquiry.close()
      }
      if (!fetched.inquiry.isOutdated) return { ...fetched, turn }
      turn.release()
    }
    throw overtaken(record, request.prefix)
  }

  /**
   * Asks for one object, and again when the file was changed here meanwhile; after some times what
   * is known here is taken for the store's word. @param use called in the same turn of the event
   * loop: nobody changes anything before it
   * @param mayBeListed also where no file of this name is known
   * @throws SkeinError failed_precondition when the store has no such object, and lists it
   */
  async lookAt<Result>(
    record: NamespaceRecord,
    key: string,
    signal: AbortSignal,
    use: UseLooked<Result>,
    mayBeListed = false,
  ): Promise<Result> {
    const { tables, changes } = this.#context
    for (let asks = 1; ; asks += 1) {
      const inquiry = changes.begin(record, key, true)
      let turn: Hold | undefined
      try {
        const isListed = mayBeListed || fileAt(tables, record.rootId, key)?.persisted === true
        const object = await (isListed ? this.#listedObject(record, key, signal) : this.objectAt(record, key, signal))
        turn = await changes.turn(record, key, signal)
        const known = fileAt(tables, record.rootId, key)
        if (inquiry.isChanged(key) && asks < asksMax) continue
        // Who made it known looked later.
        const isNewer = inquiry.isNewerKnown(key) || (known !== undefined && inquiry.isYounger(key, known.id))
        const word = isNewer ? asObject(key, known) : object
        return await use({ object: word, known, inquiry })
      } finally {
        turn?.release()
        inquiry.close()
      }
    }
  }

  /** The object of this key as the store has it now; undefined when there is none. */
  async objectAt(record: NamespaceRecord, key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    if (isHiddenKey(key)) return undefined
    const store = await this.#context.stores.get(record)
    try {
      return { ...(await store.stat(key, signal)), key }
    } catch (error) {
      if (isSkeinError(error, 'not_found')) return undefined
      throw error
    }
  }

  /**
   * As objectAt, of what the store lists. @throws SkeinError failed_precondition when it does so
   * wrongly
   */
  async #listedObject(record: NamespaceRecord, key: string, signal: AbortSignal): Promise<ObjectInfo | undefined> {
    const object = await this.objectAt(record, key, signal)
    // A directory lists the names that it has; and a marker that is missing hides nothing.
    const isNever = key === '' || key.endsWith('/') || isHiddenKey(key)
    if (object !== undefined || isNever || parseStoreUri(record.uri).kind === 'file') return object
    const store = await this.#context.stores.get(record)
    const path = pathOf(record, key)
    const again = await listedObject(store, key, path, signal)
    return again === undefined ? undefined : { ...again, key }
  }

  /** Those of some keys that are gone from the store, as the objects themselves say. */
  gone(record: NamespaceRecord, keys: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    return goneOf(keys, (key, lookSignal) => this.objectAt(record, key, lookSignal), signal)
  }

  async #list(record: NamespaceRecord, request: PageRequest, signal: AbortSignal): Promise<FetchedPage> {
    const inquiry = this.#context.changes.begin(record, request.prefix, false, request.after?.key)
    if (isHiddenKey(request.prefix)) return { page: { objects: [], prefixes: [], next: undefined }, inquiry }
    try {
      const store = await this.#context.stores.get(record)
      const listed = withHiddenNamed(await store.list({ delimiter: undefined, ...request }, signal))
      const { tables } = this.#context
      const known = {
        file: (key: string) => fileAt(tables, record.rootId, key),
        isMarker: (key: string) => directoryAt(tables, record.rootId, key)?.marker === true,
      }
      const page = await withOwnWord(
        listed,
        known,
        (key, lookSignal) => this.#listedObject(record, key, lookSignal),
        signal,
      )
      return { page, inquiry }
    } catch (error) {
      inquiry.close()
      throw error
    }
  }
}

export function overtaken(record: NamespaceRecord, key: string): SkeinError {
  const message = `${pathOf(record, key)} is changed too fast for the store to be listed meanwhile: try again`
  return new SkeinError('unavailable', message)
}

/**
 * A listing that leaves out what is there is no ground to remove anything, and what else it leaves
 * out nobody knows.
 */
export function leavesOut(record: NamespaceRecord, prefix: string, key: string): SkeinError {
  const why = `the store lists ${pathOf(record, prefix)} without ${JSON.stringify(key)}, which it has`
  const message = `${why}: its listings are behind or incomplete; nothing was removed, list it again later`
  return new SkeinError('failed_precondition', message, { reason: 'listing_incomplete' })
}

function asObject(key: string, known: FileInode | undefined): ObjectInfo | undefined {
  if (known === undefined) return undefined
  const { length, etag, modifiedMs, storageClass, crc64 } = known
  return { key, length, etag, modifiedMs, storageClass, crc64 }
}
