// Why: composes one cache worker: its store, control plane, data plane, and link to the master. It
// does not know the servers that expose it. How: create it before the servers listen, because they
// need its handlers. Start it when their addresses are known.
import type { Clock, Random } from '../base/clock.ts'
import { toSkeinError } from '../base/errors.ts'
import type { BlockEviction } from '../block/block-eviction.ts'
import type { BlockStore } from '../block/block-store.ts'
import type { BlockTarget } from '../client/write/block-target.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import type { OpenStore } from '../ufs/store-cache.ts'
import { DataClient } from '../wire/data/data-client.ts'
import type { DataPlaneHandlers } from '../wire/data/data-plane.ts'
import type { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { Service } from '../wire/service.ts'
import type { BlockChanges } from './blocks/block-changes.ts'
import { BlockCopier } from './blocks/block-copier.ts'
import { createDataHandlers } from './data-handlers.ts'
import { BlockOrders } from './blocks/block-orders.ts'
import { LocalBlocks } from './local-blocks.ts'
import { LocalBlockTarget } from './local-block-target.ts'
import { ClusterMembership } from './link/cluster-membership.ts'
import { KeptBlocks } from './blocks/kept-blocks.ts'
import {
  MasterLink,
  type MasterLinkDependencies,
  type MasterLinkOptions,
  type WorkerAddresses,
} from './link/master-link.ts'
import type { ReadPolicyOf } from './reads/read-policies.ts'
import { createWorkerProbes } from './probe/worker-probes.ts'
import { createStoreReads, type StoreReadLimits } from './reads/store-reads.ts'
import { createWorkerService } from './block-calls.ts'
import { WritersStore } from './blocks/writers-store.ts'

export interface CacheWorkerOptions extends MasterLinkOptions {
  /** A reservation that is not renewed for this long is aborted. */
  readonly reservationMs: number
  readonly sweepMs: number
  /** Bytes buffered for one reader of blocks. */
  readonly readBufferBytes: number
  /** Bytes buffered for all readers of blocks together. */
  readonly readBuffersBytesMax: number
}

export interface CacheWorkerDependencies {
  readonly workerId: string
  readonly hostname: string
  /** skein.home. Writers on the same host compare it with their own. */
  readonly home: string
  readonly store: BlockStore & BlockEviction
  /** The event sink that the store was opened with. */
  readonly changes: BlockChanges
  readonly master: MasterLinkDependencies['master']
  /** Opens under file systems for reads of uncached files. The worker closes them. */
  readonly openStore: OpenStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options?: Partial<CacheWorkerOptions>
  readonly storeReadLimits?: Partial<StoreReadLimits>
  /** Read policy of a namespace. Default: CACHE for all. */
  readonly readPolicyOf?: ReadPolicyOf
}

export interface CacheWorker {
  readonly workerService: Service<WorkerServiceDefinition>
  readonly dataHandlers: DataPlaneHandlers
  /** For a job worker in the same process. */
  readonly localTarget: BlockTarget
  /** For a door in the same process. */
  readonly localBlocks: Pick<DataClient, 'read'>
  /** Starts to register and to sweep, until close() or the signal. Call once. */
  start(addresses: WorkerAddresses, signal: AbortSignal): void
  /**
   * Resolves when the master has the first full report. Never resolves if the worker is closed
   * before.
   */
  readonly registered: Promise<void>
  /**
   * Resolves when the master refuses this worker because its blocks belong to another cluster. The
   * worker keeps trying.
   */
  readonly refused: Promise<void>
  /** Stops everything that start began, then closes the stores. Stop the servers first. */
  close(): Promise<void>
}

/** @throws SkeinError as clusterOf */
export async function createCacheWorker(deps: CacheWorkerDependencies): Promise<CacheWorker> {
  const { workerId, hostname, home, clock, logger, metrics } = deps
  const {
    reservationMs = 60_000,
    sweepMs = 10_000,
    readBufferBytes = 4 * 1024 * 1024,
    readBuffersBytesMax = 256 * 1024 * 1024,
    ...linkOptions
  } = deps.options ?? {}
  const readPolicyOf: ReadPolicyOf = deps.readPolicyOf ?? (() => Promise.resolve('CACHE'))
  const data = new DataClient({ clock })
  const reportAgain = (blockId: number): void => deps.changes.addedAgain(blockId)
  // Blocks that writers find must stay. Writers use this wrapper; the master's orders use the store
  // below it.
  const store: BlockStore = new WritersStore(deps.store, (blockId) => orders.keep(blockId))
  const copier = new BlockCopier({ store, data, reportAgain, clock, logger })
  const orders = new BlockOrders({ store: deps.store, changes: deps.changes, copier, logger })
  const keep = { store, readPolicyOf, logger }
  const storeReads = createStoreReads({ openStore: deps.openStore, clock, limits: deps.storeReadLimits, metrics, keep })
  const directories = store.usage().map(({ path }) => path)
  const kept = new KeptBlocks({ store, directories, logger })
  const membership = await ClusterMembership.open({ store, directories, kept, logger })
  metrics.observe('skein_worker_unknown_blocks', () => kept.count)
  const eviction = deps.store
  const own = { workerId, hostname, home }
  const probes = createWorkerProbes({ openStore: deps.openStore, store, clock })
  const { service, sweep } = createWorkerService({ ...own, store, eviction, copier, kept, probes, clock, metrics })
  const stopping = new AbortController()
  const registered = Promise.withResolvers<void>()
  const refused = Promise.withResolvers<void>()
  let running: Promise<unknown> = Promise.resolve()

  const sweepForever = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const aborted = await sweep(reservationMs)
      if (aborted > 0) logger.warn('aborted reservations that their writers did not renew', { aborted })
      await clock.sleep(sweepMs, signal)
    }
  }

  return {
    workerService: service,
    dataHandlers: createDataHandlers({
      store,
      hostname,
      metrics,
      clock,
      readBufferBytes,
      readBuffersBytesMax,
      readStore: storeReads.readStore,
      isStoreWanted: () => storeReads.isWanted(),
    }),
    localTarget: new LocalBlockTarget(workerId, store),
    localBlocks: new LocalBlocks(store, metrics),
    registered: registered.promise,
    refused: refused.promise,
    start: (addresses, signal) => {
      const ending = AbortSignal.any([signal, stopping.signal])
      const link = new MasterLink({ ...deps, membership, kept, orders, addresses, options: linkOptions })
      link.registered.then(registered.resolve, registered.reject)
      link.refused.then(refused.resolve, refused.reject)
      const sweeping = sweepForever(ending).catch((thrown: unknown) => {
        if (!ending.aborted) logger.error('the sweep of stale reservations ended', { error: toSkeinError(thrown) })
      })
      running = Promise.all([link.run(ending), sweeping])
    },
    close: async () => {
      stopping.abort()
      await running
      await copier.close()
      data.close()
      await probes.close()
      await storeReads.close()
      await store.close()
    },
  }
}
