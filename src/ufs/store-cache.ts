// Why: opening a store costs a call to the master and new connections, so the tasks of one
// namespace share one. Secrets may change: when a store refuses ours, it is opened again with the
// current secrets of the master. How: each store counts the tasks that use it. A replaced store is
// closed when the last task releases it.
import type { Clock } from '../base/clock.ts'
import type { SkeinError } from '../base/errors.ts'
import type { UnderFileSystem } from './under-file-system.ts'

/** Opens the store of a namespace with the master's current access data. @throws SkeinError */
export type OpenStore = (namespaceId: string, signal: AbortSignal) => Promise<UnderFileSystem>

export interface StoreCacheOptions {
  readonly openStore: OpenStore
  readonly clock: Clock
  /** Maximum unused stores that stay open. */
  readonly idleStoresMax: number
  /**
   * Minimum time between two reopenings of a namespace's store, because some refusals are
   * permanent.
   */
  readonly renewPauseMs: number
}

interface Entry {
  readonly namespaceId: string
  readonly opening: Promise<UnderFileSystem>
  store: UnderFileSystem | undefined
  users: number
  current: boolean
}

/** A task's lease of a namespace's store. */
export interface StoreLease {
  readonly store: UnderFileSystem
  /**
   * Replaces a store that refused our secrets. Returns false when a new store would be refused,
   * too.
   * @throws SkeinError
   */
  renew(): Promise<boolean>
  release(): Promise<void>
}

/** Whether the error means that the store refused our secrets, which may have changed meanwhile. */
export function isRefusal(error: SkeinError): boolean {
  return error.code === 'unauthenticated' || error.code === 'permission_denied'
}

export class StoreCache {
  readonly #options: StoreCacheOptions
  // The map is in order of last use.
  readonly #entries = new Map<string, Entry>()
  readonly #renewedMs = new Map<string, number>()
  /** SlowDown responses that were already reported, per store. */
  readonly #toldSlowDowns = new WeakMap<UnderFileSystem, number>()
  // The cache outlives the task that opens a store, so a task's signal must not cancel the opening.
  readonly #closing = new AbortController()

  constructor(options: StoreCacheOptions) {
    this.#options = options
  }

  /** @throws SkeinError the errors of openStore */
  async lease(namespaceId: string): Promise<StoreLease> {
    let entry = this.#use(namespaceId)
    let store = await this.#opened(entry)
    // Other reads of this task may still use the replaced store, so it is released with the task.
    const held = [entry]
    const renewed = async (): Promise<boolean> => {
      if (entry.current && !this.#mayRenew(namespaceId)) return false
      if (entry.current) this.#retire(entry)
      const next = this.#use(namespaceId)
      const nextStore = await this.#opened(next)
      held.push(next)
      entry = next
      store = nextStore
      return true
    }
    let renewing: Promise<boolean> | undefined
    return {
      get store() {
        return store
      },
      renew: () => (renewing ??= renewed().finally(() => (renewing = undefined))),
      release: async () => {
        for (const one of held.splice(0)) await this.#release(one)
      },
    }
  }

  /** Whether a store has returned SlowDown since the last takeSlowDowns. */
  get hasSlowDowns(): boolean {
    return [...this.#entries.values()].some(({ store }) => this.#untold(store) > 0)
  }

  /** The number of SlowDown responses since the last call, per namespace. */
  takeSlowDowns(): ReadonlyMap<string, number> {
    const taken = new Map<string, number>()
    for (const { namespaceId, store } of this.#entries.values()) {
      const untold = this.#untold(store)
      if (store === undefined || untold === 0) continue
      taken.set(namespaceId, untold)
      this.#toldSlowDowns.set(store, store.slowDowns ?? 0)
    }
    return taken
  }

  #untold(store: UnderFileSystem | undefined): number {
    return store === undefined ? 0 : (store.slowDowns ?? 0) - (this.#toldSlowDowns.get(store) ?? 0)
  }

  /** Closes all unused stores, and the others when they are released. */
  async close(): Promise<void> {
    this.#closing.abort()
    const entries = [...this.#entries.values()]
    for (const entry of entries) this.#retire(entry)
    await Promise.all(entries.map((entry) => this.#closeIfUnused(entry)))
  }

  #use(namespaceId: string): Entry {
    const known = this.#entries.get(namespaceId)
    const entry = known ?? {
      namespaceId,
      opening: this.#options.openStore(namespaceId, this.#closing.signal),
      store: undefined,
      users: 0,
      current: true,
    }
    entry.users += 1
    this.#entries.delete(namespaceId)
    this.#entries.set(namespaceId, entry)
    return entry
  }

  async #opened(entry: Entry): Promise<UnderFileSystem> {
    try {
      entry.store = await entry.opening
      return entry.store
    } catch (thrown) {
      this.#retire(entry)
      entry.users -= 1
      throw thrown
    }
  }

  #retire(entry: Entry): void {
    entry.current = false
    if (this.#entries.get(entry.namespaceId) === entry) this.#entries.delete(entry.namespaceId)
  }

  async #release(entry: Entry): Promise<void> {
    entry.users -= 1
    await this.#closeIfUnused(entry)
    const idle = [...this.#entries.values()].filter((other) => other.users === 0)
    for (const oldest of idle.slice(0, Math.max(0, idle.length - this.#options.idleStoresMax))) {
      this.#retire(oldest)
      await this.#closeIfUnused(oldest)
    }
  }

  async #closeIfUnused(entry: Entry): Promise<void> {
    if (entry.current || entry.users > 0) return
    const store = await entry.opening.catch(() => undefined)
    await store?.close()
  }

  #mayRenew(namespaceId: string): boolean {
    const now = this.#options.clock.monotonicMs()
    const before = this.#renewedMs.get(namespaceId)
    if (before !== undefined && now - before < this.#options.renewPauseMs) return false
    this.#renewedMs.set(namespaceId, now)
    return true
  }
}
