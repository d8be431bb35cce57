// Why: who lists asks for page after page, and the store's answer time should not add up. How: with
// each page that is given out the next one is asked for; it is kept for the one caller that comes
// with exactly this position. A listing that begins drops what is kept of its prefix: a page is
// never older than the listing that it is part of. A page for which nobody comes is dropped when it
// is too old: its inquiry would go on, and gather what is changed and answered, for ever.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { ListPage, ListPosition } from '../../ufs/under-file-system.ts'
import type { Inquiry } from '../state/inquiry.ts'

/** Objects a page of a listing may hold. */
export const pageLimitMax = 1000

export interface PageRequest {
  readonly prefix: string
  readonly after: ListPosition | undefined
  readonly limit: number
  /** Only the direct children of the prefix. */
  readonly delimiter?: '/'
}
export interface FetchedPage {
  readonly page: ListPage
  /** Goes on until the page was submitted: whoever has the page closes it. */
  readonly inquiry: Inquiry
}
type Fetch = (record: NamespaceRecord, request: PageRequest, signal: AbortSignal) => Promise<FetchedPage>

interface Ahead {
  readonly listing: string
  readonly abort: AbortController
  readonly result: Promise<FetchedPage>
  /** Nobody came for it in time. */
  readonly stopWaiting: () => void
}

/** Listings that may be ahead at once, and how old a page may be when it is taken. */
const aheadMax = 8
const ageMaxMs = 30_000

export class ListingPrefetch {
  readonly #clock: Clock
  readonly #fetch: Fetch
  readonly #ahead = new Map<string, Ahead>()

  constructor(clock: Clock, fetch: Fetch) {
    this.#clock = clock
    this.#fetch = fetch
  }

  /**
   * The page, from ahead if it is there, else asked for now. A page ahead that failed is asked for
   * again.
   */
  async take(record: NamespaceRecord, request: PageRequest, signal: AbortSignal): Promise<FetchedPage> {
    if (request.after === undefined) this.#begin(listingOf(record, request))
    const name = nameOf(record, request)
    const ahead = this.#ahead.get(name)
    this.#ahead.delete(name)
    ahead?.stopWaiting()
    if (ahead !== undefined) {
      const onAbort = (): void => ahead.abort.abort(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        const fetched = await ahead.result
        if (!fetched.inquiry.isOutdated) return fetched
      } catch {
        // Asked for again below, where the error is the caller's.
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    }
    if (ahead !== undefined) drop(ahead)
    return this.#fetch(record, request, signal)
  }

  start(record: NamespaceRecord, request: PageRequest): void {
    const name = nameOf(record, request)
    if (this.#ahead.has(name)) return
    for (const [oldest, ahead] of this.#ahead) {
      if (this.#ahead.size < aheadMax) break
      drop(ahead)
      this.#ahead.delete(oldest)
    }
    const abort = new AbortController()
    const result = this.#fetch(record, request, abort.signal)
    result.catch(() => undefined)
    const stopWaiting = this.#clock.schedule(ageMaxMs, () => {
      this.#ahead.delete(name)
      drop(ahead)
    })
    const ahead: Ahead = { listing: listingOf(record, request), abort, result, stopWaiting }
    this.#ahead.set(name, ahead)
  }

  /** Others that list the same now ask for their next page again. */
  #begin(listing: string): void {
    for (const [name, ahead] of this.#ahead) {
      if (ahead.listing !== listing) continue
      this.#ahead.delete(name)
      drop(ahead)
    }
  }

  close(): void {
    for (const ahead of this.#ahead.values()) drop(ahead)
    this.#ahead.clear()
  }
}

function drop({ abort, result, stopWaiting }: Ahead): void {
  stopWaiting()
  abort.abort(stale())
  result.then(
    ({ inquiry }) => inquiry.close(),
    () => undefined,
  )
}

function listingOf({ id }: NamespaceRecord, { prefix, delimiter }: PageRequest): string {
  return JSON.stringify([id, prefix, delimiter])
}

function nameOf(record: NamespaceRecord, { prefix, after, limit, delimiter }: PageRequest): string {
  return JSON.stringify([record.id, record.version, prefix, after?.key, after?.token, limit, delimiter])
}

function stale(): SkeinError {
  return new SkeinError('cancelled', 'the page is no longer wanted')
}
