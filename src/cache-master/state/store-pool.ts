// Why: opening a store costs connections and clients; a namespace keeps one as long as its
// definition holds. How: opened at the first use with the secrets unsealed for it, kept by
// namespace and version. Whoever has a namespace's store goes by its present definition with each
// call; what is under way by an older one is made again (ufs/following-store.ts).
import { SkeinError } from '../../base/errors.ts'
import type { Secret } from '../../base/secret.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { DefinedStore, FollowingStore } from '../../ufs/following-store.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'
import { lostSecretsOf, secretsLost } from './lost-secrets.ts'
import type { SecretSealing } from './secret-sealing.ts'

/** What is needed to reach a store. */
export interface StoreAccess {
  readonly uri: string
  readonly attributes: Record<string, string>
  readonly secrets: Record<string, Secret>
}
export type OpenStore = (access: StoreAccess) => UnderFileSystem | Promise<UnderFileSystem>

interface Opened {
  readonly version: number
  readonly opening: Promise<DefinedStore>
  defined: DefinedStore | undefined
}

export class StorePool {
  readonly #openStore: OpenStore
  readonly #sealing: SecretSealing
  readonly #recordOf: (namespaceId: string) => NamespaceRecord | undefined
  readonly #logger: Logger
  readonly #open = new Map<string, Opened>()

  constructor(
    openStore: OpenStore,
    sealing: SecretSealing,
    recordOf: (namespaceId: string) => NamespaceRecord | undefined,
    logger: Logger,
  ) {
    this.#openStore = openStore
    this.#sealing = sealing
    this.#recordOf = recordOf
    this.#logger = logger
  }

  /**
   * The namespace's store. @throws SkeinError not_found when it was deleted, and what opening it
   * throws (tried again at the next call)
   */
  async get({ id, name }: NamespaceRecord): Promise<UnderFileSystem> {
    await this.#current(id, name)
    const known = (): DefinedStore | undefined => {
      const opened = this.#open.get(id)
      return opened !== undefined && opened.version === this.#recordOf(id)?.version ? opened.defined : undefined
    }
    return new FollowingStore({
      get known() {
        return known()
      },
      current: () => this.#current(id, name),
      close: async () => undefined,
    })
  }

  /** A store that is not kept: the caller closes it. */
  async openOnce(access: StoreAccess): Promise<UnderFileSystem> {
    return this.#openStore(access)
  }

  /**
   * The definition with its secrets unsealed.
   * @param replaced secrets that are set anew: they need not open any more, and are left out
   * @throws SkeinError failed_precondition (`secrets_lost`)
   */
  accessOf(record: NamespaceRecord, replaced: readonly string[] = []): StoreAccess {
    const lost = lostSecretsOf(record).filter((field) => !replaced.includes(field))
    if (lost.length > 0) throw secretsLost(record.name, lost)
    const secrets = Object.entries(record.sealedSecrets)
      .filter(([field]) => !replaced.includes(field))
      .map(([field, sealed]) => [field, this.#sealing.unseal(record.id, field, sealed)] as const)
    return { uri: record.uri, attributes: { ...record.attributes }, secrets: Object.fromEntries(secrets) }
  }

  /**
   * Nothing is asked by an older definition than the present one from now on; by none, when the
   * namespace is gone.
   */
  follow(namespaceId: string): void {
    const opened = this.#open.get(namespaceId)
    if (opened !== undefined && opened.version !== this.#recordOf(namespaceId)?.version)
      this.#retire(namespaceId, opened)
  }

  async close(): Promise<void> {
    const stores = [...this.#open.values()]
    this.#open.clear()
    await Promise.allSettled(stores.map(async ({ opening }) => (await opening).store.close()))
  }

  async #current(namespaceId: string, name: string): Promise<DefinedStore> {
    for (;;) {
      const record = this.#recordOf(namespaceId)
      if (record === undefined) throw new SkeinError('not_found', `namespace '/${name}' was deleted meanwhile`)
      this.follow(namespaceId)
      const opened = this.#open.get(namespaceId) ?? this.#opening(record)
      opened.defined = await opened.opening
      if (!opened.defined.retired.aborted) return opened.defined
    }
  }

  #opening(record: NamespaceRecord): Opened {
    const opening = (async () => new DefinedStore(await this.#openStore(this.accessOf(record))))()
    const opened: Opened = { version: record.version, opening, defined: undefined }
    this.#open.set(record.id, opened)
    opening.catch(() => this.#open.get(record.id) === opened && this.#open.delete(record.id))
    return opened
  }

  #retire(namespaceId: string, opened: Opened): void {
    this.#open.delete(namespaceId)
    opened.opening
      .then((defined) => defined.retire())
      .catch((error: unknown) => this.#logger.warn('a store did not close', { namespaceId, error }))
  }
}
