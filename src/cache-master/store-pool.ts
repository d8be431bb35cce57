// Why: opening a store costs connections and clients; a namespace keeps one as long as its definition holds.
// How: opened at the first use with the secrets unsealed for it, kept by namespace and version, closed when replaced or deleted.
import { SkeinError } from '../base/errors.ts'
import type { Secret } from '../base/secret.ts'
import type { NamespaceRecord } from '../meta/tables.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { UnderFileSystem } from '../ufs/under-file-system.ts'
import type { SecretSealing } from './secret-sealing.ts'

/** What is needed to reach a store. */
export interface StoreAccess {
  readonly uri: string
  readonly attributes: Record<string, string>
  readonly secrets: Record<string, Secret>
}
export type OpenStore = (access: StoreAccess) => UnderFileSystem | Promise<UnderFileSystem>

export class StorePool {
  readonly #openStore: OpenStore
  readonly #sealing: SecretSealing
  readonly #exists: (namespaceId: string) => boolean
  readonly #logger: Logger
  readonly #open = new Map<string, { readonly version: number; readonly store: Promise<UnderFileSystem> }>()

  constructor(openStore: OpenStore, sealing: SecretSealing, exists: (namespaceId: string) => boolean, logger: Logger) {
    this.#openStore = openStore
    this.#sealing = sealing
    this.#exists = exists
    this.#logger = logger
  }

  /** The namespace's store. @throws SkeinError not_found when it was deleted, and what opening it throws (tried again at the next call) */
  async get(record: NamespaceRecord): Promise<UnderFileSystem> {
    if (!this.#exists(record.id)) throw new SkeinError('not_found', `namespace '/${record.name}' was deleted meanwhile`)
    const known = this.#open.get(record.id)
    if (known?.version === record.version) return known.store
    if (known !== undefined) this.#close(record.id)
    const store = (async () => this.#openStore(this.accessOf(record)))()
    this.#open.set(record.id, { version: record.version, store })
    store.catch(() => this.#open.get(record.id)?.store === store && this.#open.delete(record.id))
    return store
  }

  /** A store that is not kept: the caller closes it. */
  async openOnce(access: StoreAccess): Promise<UnderFileSystem> {
    return this.#openStore(access)
  }

  /** The definition with its secrets unsealed. */
  accessOf(record: NamespaceRecord): StoreAccess {
    const secrets = Object.entries(record.sealedSecrets).map(
      ([field, sealed]) => [field, this.#sealing.unseal(record.id, field, sealed)] as const,
    )
    return { uri: record.uri, attributes: { ...record.attributes }, secrets: Object.fromEntries(secrets) }
  }

  /** Closes the store of a namespace that is gone. */
  drop(namespaceId: string): void {
    if (this.#open.has(namespaceId)) this.#close(namespaceId)
  }

  async close(): Promise<void> {
    const stores = [...this.#open.values()]
    this.#open.clear()
    await Promise.allSettled(stores.map(async ({ store }) => (await store).close()))
  }

  #close(namespaceId: string): void {
    const known = this.#open.get(namespaceId)
    this.#open.delete(namespaceId)
    known?.store
      .then((store) => store.close())
      .catch((error: unknown) => this.#logger.warn('a store did not close', { namespaceId, error }))
  }
}
