// Why: when no worker is left, files that the store has can still be read. How: this process opens
// the store of the namespace by the definition of the master, which it holds as roles do
// (namespace-definitions.ts), and reads as a worker reads (ufs/leased-reads.ts). A gateway gets the
// secrets of the cluster, as other roles do; all others have their own (own-secrets.ts). Nothing is
// kept in the cache.
import { randomUUID } from 'node:crypto'
import { Budget } from '../../base/flow/budget.ts'
import type { Clock, Random } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Config } from '../../config/config.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { leasedRead } from '../../ufs/leased-reads.ts'
import { StoreCache } from '../../ufs/store-cache.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'
import type { FileInfo, MasterServiceDefinition, NamespaceAccess } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { OriginReader } from '../read/file-reader.ts'
import { NamespaceDefinitions } from './namespace-definitions.ts'
import { ownSecrets } from './own-secrets.ts'
import { openAccess, storeOpening } from './store-opening.ts'

export interface DirectOriginOptions {
  readonly config: Pick<Config, 'ufs' | 'user'>
  readonly master: Pick<Service<MasterServiceDefinition>, 'getNamespaceAccess' | 'holdNamespaces'>
  /** `cluster`: this process is a role. */
  readonly secrets: 'cluster' | 'own'
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
}

const readSlots = 32
const readAheadBytesMax = 128 * 1024 * 1024
const idleStoresMax = 16
const storeRenewPauseMs = 10_000
/** A reader waits, so a master that does not answer is asked twice only. */
const masterPolicy = { attemptsMax: 2, initialMs: 100, maxMs: 100 }
const tellEveryMs = 60_000

export class DirectOrigin implements OriginReader {
  readonly #options: DirectOriginOptions
  readonly #definitions: NamespaceDefinitions
  readonly #stores: StoreCache
  readonly #slots = new Budget('store requests', readSlots)
  readonly #bytes = new Budget('read-ahead bytes', readAheadBytesMax)
  #toldMs: number | undefined

  constructor(options: DirectOriginOptions) {
    const { config, master, clock, random, logger, metrics, secrets } = options
    const open = storeOpening({ ufs: config.ufs, clock, random, logger, metrics })
    const own = async (access: NamespaceAccess): Promise<UnderFileSystem> =>
      openAccess(open, access, await ownSecrets(config.user.origin.credentialsFile, access.name))
    this.#options = options
    this.#definitions = new NamespaceDefinitions({
      ...{ holderId: randomUUID(), master, clock, random, logger, masterPolicy },
      withoutSecrets: secrets === 'own',
      open: secrets === 'own' ? own : (access) => openAccess(open, access),
    })
    this.#stores = new StoreCache({
      openStore: (namespaceId) => this.#open(namespaceId),
      clock,
      idleStoresMax,
      renewPauseMs: storeRenewPauseMs,
    })
  }

  /**
   * See OriginReader.
   * @throws SkeinError unavailable (`no_worker`) when this process cannot open the store, and what
   *   the store throws
   */
  async *readOrigin(
    { namespaceId, key, etag, path }: FileInfo,
    offset: number,
    length: number,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { readAheadBlockBytes: rangeBytes, readAheadQueueSize: rangesAhead } = this.#options.config.ufs.cosn
    const resources = { rangeBytes, rangesAhead, slots: this.#slots, bytes: this.#bytes }
    const chunks = leasedRead(this.#stores, resources, { namespaceId, key, etag, offset, length }, signal)
    for await (const chunk of chunks) {
      this.#count(path, chunk.length)
      yield chunk
    }
  }

  /** Afterwards no definition is held. Idempotent. */
  async close(): Promise<void> {
    await this.#stores.close()
    await this.#definitions.close()
  }

  async #open(namespaceId: string): Promise<UnderFileSystem> {
    try {
      // The store is opened again when it refused our secrets, which may be others by now.
      if (this.#options.secrets === 'own') this.#definitions.require(namespaceId, Number.POSITIVE_INFINITY)
      return await this.#definitions.openStore(namespaceId)
    } catch (thrown) {
      const cause = toSkeinError(thrown)
      const message = `no worker answers, and this process cannot read the store itself: ${cause.message}`
      throw new SkeinError('unavailable', message, { reason: 'no_worker', cause })
    }
  }

  #count(path: string, bytes: number): void {
    const { clock, logger, metrics } = this.#options
    metrics.add('skein_door_origin_bytes_total', bytes)
    const nowMs = clock.monotonicMs()
    if (this.#toldMs !== undefined && nowMs - this.#toldMs < tellEveryMs) return
    this.#toldMs = nowMs
    logger.warn('no worker answers: reading from the store without one', { path })
  }
}
