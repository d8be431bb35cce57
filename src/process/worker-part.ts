// Why: the cache worker as a part, alone in its process or beside the other roles.
import { BlockChanges } from '../cache-worker/block-changes.ts'
import { type CacheWorker, createCacheWorker } from '../cache-worker/cache-worker.ts'
import { openWorkerIdentity } from '../cache-worker/worker-identity.ts'
import { join } from 'node:path'
import { lockDirectory } from '../journal/directory-lock.ts'
import { openBlockStore } from '../block/multi-directory-store.ts'
import { type MasterServiceDefinition } from '../wire/generated/master.ts'
import { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import { serving } from '../wire/server.ts'
import type { Service } from '../wire/service.ts'
import type { RoleContext } from './role-shell.ts'
import { serveData, serveRpc } from './servers.ts'
import { namespaceStoreOpener } from './stores.ts'

export interface WorkerPart {
  readonly workerId: string
  readonly worker: CacheWorker
  readonly rpc: string
  readonly data: string
}

/** Opens the block directories, listens, and begins to register with the master. */
export async function startWorkerPart(
  context: RoleContext,
  master: Service<MasterServiceDefinition>,
  webAddress: () => string,
): Promise<WorkerPart> {
  const { config, clock, random, logger, metrics, signal } = context
  const workerId = await openWorkerIdentity(config.home)
  context.onStop('worker lock', lockDirectory(join(config.home, 'worker')))
  const changes = new BlockChanges()
  const directories = config.worker.tiers.flatMap((tier) =>
    tier.directories.map(({ path, mediumType, quotaBytes }) => ({ path, mediumType, quotaBytes, tier: tier.alias })),
  )
  const segments = { blockBytesMax: config.worker.segmentBlockBytesMax, segmentBytes: config.worker.segmentBytes }
  const store = await openBlockStore({ directories, workerId, segments, events: changes, clock, logger, metrics, signal })
  const worker = createCacheWorker({
    workerId,
    hostname: config.worker.hostname,
    home: config.home,
    store,
    changes,
    master,
    openStore: namespaceStoreOpener(context, master),
    clock,
    random,
    logger,
    metrics,
    options: {
      reservationMs: config.worker.reservationTimeoutMs,
      sweepMs: config.heartbeatIntervalMs,
      readBufferBytes: config.worker.readerBufferBytes,
      heartbeatMs: config.heartbeatIntervalMs,
    },
    storeReadLimits: {
      rangeBytes: config.ufs.cosn.readAheadBlockBytes,
      rangesAhead: config.ufs.cosn.readAheadQueueSize,
      readSlots: config.ufs.cosn.uploadThreadPool,
    },
  })
  context.onStop('cache worker', () => worker.close())
  const data = await serveData(context, config.worker, worker.dataHandlers)
  const rpc = await serveRpc(context, 'worker', config.worker, [serving(WorkerServiceDefinition, worker.workerService)])
  worker.start({ rpcAddress: rpc, dataAddress: data, webAddress: webAddress() }, signal)
  return { workerId, worker, rpc, data }
}
