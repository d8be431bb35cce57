// Why: a store lists a large directory for minutes, and a client that gets nothing for one of them
// gives up and begins anew. How: a listing at the store runs by itself, page by page, and whoever
// waits for a part of it goes on as soon as that part is known. Others join it where what they ask
// for is young enough for them. It ends when nobody has asked for it for a while. What is read of
// an unfinished listing must end where the store has been listed to; behind that place there may be
// names that are gone.
import { untilAborted } from '../../base/clock.ts'
import type { Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { compareKeys } from '../../meta/edge-order.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { StoreSync } from '../store/store-sync.ts'

/** The direct children of a directory, or all below it. Its key is empty or ends in `/`. */
export interface ListedTree {
  readonly record: NamespaceRecord
  readonly key: string
  readonly isRecursive: boolean
}

/** Which listings are young enough. */
export interface ListingAge {
  /** It began at this time or later. */
  readonly sinceMs: number
  /**
   * The part that is wanted begins at this key. If it is not listed yet, only what is asked of the
   * store from now on counts.
   */
  readonly fromKey: string
  /** One that has ended is taken, too. */
  readonly mayBeDone: boolean
}

/** Nobody has asked for it for so long: it ends. */
const idleMs = 30_000
/** One that has ended is known for so long. */
const keptMs = 600_000
/** Listings that run, or are known. */
const listingsMax = 100

export class RunningListing {
  readonly startedMs: number
  readonly #abort = new AbortController()
  /** When the store was asked for what is behind `#upToKey`, or later. */
  #askedMs: number
  #upToKey: string | undefined
  #isDone = false
  #failure: SkeinError | undefined
  #waiters = 0
  #wantedMs: number
  #step = Promise.withResolvers<void>()

  constructor(nowMs: number) {
    this.startedMs = nowMs
    this.#askedMs = nowMs
    this.#wantedMs = nowMs
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get isDone(): boolean {
    return this.#isDone
  }

  get isOver(): boolean {
    return this.#isDone || this.#failure !== undefined
  }

  get wantedMs(): number {
    return this.#waiters > 0 ? Number.POSITIVE_INFINITY : this.#wantedMs
  }

  /** All up to this key (included) is known; undefined: nothing yet. */
  get upToKey(): string | undefined {
    return this.#upToKey
  }

  isYoung({ sinceMs, fromKey, mayBeDone }: ListingAge): boolean {
    if (this.signal.aborted || this.#failure !== undefined || (this.#isDone && !mayBeDone)) return false
    if (this.startedMs >= sinceMs) return true
    const isToCome = !this.#isDone && this.#upToKey !== undefined && compareKeys(fromKey, this.#upToKey) >= 0
    return isToCome && this.#askedMs >= sinceMs
  }

  want(nowMs: number): void {
    this.#wantedMs = nowMs
  }

  /**
   * Resolves when more is known than now, or all. @throws what the store said, and the reason of
   * the signal
   */
  async more(signal: AbortSignal): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isDone) return
    this.#waiters += 1
    try {
      await untilAborted(this.#step.promise, signal)
    } finally {
      this.#waiters -= 1
      // The store says nothing, so nobody else will come for this one.
      if (signal.aborted && this.#waiters === 0 && this.#upToKey === undefined) this.stop()
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** The next pages of the store are asked for from now on. */
  reached(key: string, nowMs: number): void {
    this.#upToKey = key
    this.#askedMs = nowMs
    this.#wake()
  }

  ended(failure?: SkeinError): void {
    this.#isDone = failure === undefined
    this.#failure = failure
    this.#wake()
  }

  stop(): void {
    this.#abort.abort(new SkeinError('unavailable', 'the listing was stopped: nobody waited for it'))
  }

  #wake(): void {
    const { resolve } = this.#step
    this.#step = Promise.withResolvers()
    resolve()
  }
}

export class RunningListings {
  readonly #sync: Pick<StoreSync, 'children' | 'tree'>
  readonly #clock: Pick<Clock, 'nowMs'>
  /** The newest of each directory, the longest known first. */
  readonly #listings = new Map<string, RunningListing>()

  constructor(sync: Pick<StoreSync, 'children' | 'tree'>, clock: Pick<Clock, 'nowMs'>) {
    this.#sync = sync
    this.#clock = clock
  }

  /** One that is young enough; a new one, if there is none. */
  at(tree: ListedTree, age: ListingAge): RunningListing {
    const nowMs = this.#clock.nowMs()
    const name = nameOf(tree)
    const known = this.#listings.get(name)
    if (known?.isYoung(age) === true) {
      known.want(nowMs)
      return known
    }
    this.#drop(name)
    this.#makeRoom(nowMs)
    const listing = new RunningListing(nowMs)
    this.#listings.set(name, listing)
    void this.#run(tree, listing).then(
      () => listing.ended(),
      (thrown: unknown) => {
        if (this.#listings.get(name) === listing) this.#listings.delete(name)
        listing.ended(toSkeinError(thrown))
      },
    )
    return listing
  }

  close(): void {
    for (const listing of this.#listings.values()) listing.stop()
    this.#listings.clear()
  }

  async #run({ record, key, isRecursive }: ListedTree, listing: RunningListing): Promise<void> {
    const { signal } = listing
    const onReached = (upToKey: string): void => {
      const nowMs = this.#clock.nowMs()
      listing.reached(upToKey, nowMs)
      if (listing.wantedMs < nowMs - idleMs) listing.stop()
    }
    if (isRecursive) await this.#sync.tree(record, key, signal, undefined, onReached)
    else await this.#sync.children(record, key, signal, undefined, onReached)
  }

  /** Those that wait for it still get it. */
  #drop(name: string): void {
    const known = this.#listings.get(name)
    if (known !== undefined && !known.isOver && known.wantedMs < Number.POSITIVE_INFINITY) known.stop()
    this.#listings.delete(name)
  }

  #makeRoom(nowMs: number): void {
    for (const [name, listing] of this.#listings)
      if (listing.isOver && listing.wantedMs < nowMs - keptMs) this.#listings.delete(name)
    for (const [name, listing] of this.#listings) {
      if (this.#listings.size < listingsMax) return
      if (listing.wantedMs < Number.POSITIVE_INFINITY) this.#drop(name)
    }
  }
}

/** A listing by another definition of the namespace says nothing. */
function nameOf({ record, key, isRecursive }: ListedTree): string {
  return JSON.stringify([record.id, record.version, isRecursive, key])
}
