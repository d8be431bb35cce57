// Why: starts the cache worker as a part, alone in its process or together with other roles. How:
// takes its lock and id, opens the block directories, then its servers.
import { BlockChanges } from '../../cache-worker/blocks/block-changes.ts'
import { type CacheWorker, createCacheWorker } from '../../cache-worker/cache-worker.ts'
import { createPersistService } from '../../cache-worker/reads/object-persister.ts'
import { PreparedUploads } from '../../cache-worker/uploads/prepared-uploads.ts'
import { createReadPolicies } from '../../cache-worker/reads/read-policies.ts'
import { DemandGauge } from '../../base/flow/demand-gauge.ts'
import { knownIdentity, openIdentity } from '../../base/files/identity.ts'
import { join } from 'node:path'
import { lockDirectory } from '../../journal/disk/directory-lock.ts'
import type { AnnotatorSettings } from '../../block/tier/order/choose-annotator.ts'
import { checkDirectories } from '../../block/disk/check-directories.ts'
import { openTiers } from '../../block/assembly/open-tiers.ts'
import type { Config, WorkerConfig } from '../../config/config.ts'
import { demandStores } from '../../ufs/demand-store.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'
import { DataClient } from '../../wire/data/data-client.ts'
import { type LifecycleServiceDefinition, PersistServiceDefinition } from '../../wire/generated/lifecycle.ts'
import { type MasterServiceDefinition } from '../../wire/generated/master.ts'
import { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import { serving } from '../../wire/rpc/server.ts'
import type { Service } from '../../wire/service.ts'
import type { RoleContext } from '../role-shell.ts'
import { serveData, serveRpc } from '../servers.ts'
import { goosefsWorkerServices } from './goosefs-part.ts'
import { namespaceDefinitions } from '../stores.ts'
import { workerReading } from './worker-reading.ts'
import { workerWriting } from './worker-writing.ts'

export interface WorkerPart {
  readonly workerId: string
  readonly worker: CacheWorker
  readonly rpc: string
  readonly data: string
}

/**
 * Checks the worker's directories. Changes nothing, so that a refused start leaves nothing behind.
 * @throws the errors of checkDirectories
 */
export async function checkWorkerDirectories({ home, worker }: Config): Promise<void> {
  const workerId = await knownIdentity(join(home, 'worker'), 'worker')
  await checkDirectories(
    worker.tiers.flatMap(({ directories }) => directories),
    workerId,
  )
}

/** The services of the master that a worker calls. */
export interface WorkerMaster {
  readonly master: Service<MasterServiceDefinition>
  readonly lifecycle: Service<LifecycleServiceDefinition>
}

/** Opens the block directories, listens, and starts to register with the master. */
export async function startWorkerPart(
  context: RoleContext,
  { master, lifecycle }: WorkerMaster,
  webAddress: () => string,
  /** Counts waiting readers. Default: a gauge that nobody else uses. */
  demand = new DemandGauge(),
): Promise<WorkerPart> {
  const { config, clock, random, logger, metrics, signal } = context
  await checkWorkerDirectories(config)
  const workerId = await openIdentity(join(config.home, 'worker'), 'worker')
  context.onStop('worker lock', lockDirectory(join(config.home, 'worker')))
  const changes = new BlockChanges()
  const tiers = config.worker.tiers.map(({ alias, directories }) =>
    directories.map((directory) => ({ ...directory, tier: alias })),
  )
  const segments = { blockBytesMax: config.worker.segmentBlockBytesMax, segmentBytes: config.worker.segmentBytes }
  const annotator = annotatorOf(config.worker)
  const limits = {
    watermarks: config.worker.tiers.map((tier) => tier.watermarks),
    freeAheadBytes: config.worker.freeAheadBytes,
  }
  const { promotionBytesPerSecond, scrubBytesPerSecond } = config.worker
  const store = await openTiers({
    tiers,
    workerId,
    segments,
    annotator,
    limits,
    promotionBytesPerSecond,
    scrubBytesPerSecond,
    stallMs: config.worker.data.stallMs,
    leastBytesPerSecond: config.worker.data.leastBytesPerSecond,
    events: changes,
    clock,
    logger,
    metrics,
    signal,
  })
  const definitions = namespaceDefinitions(context, master)
  const openStore = (namespaceId: string): Promise<UnderFileSystem> => definitions.openStore(namespaceId)
  const worker = await createCacheWorker({
    workerId,
    hostname: config.worker.hostname,
    home: config.home,
    store,
    changes,
    master,
    openStore: demandStores(openStore, demand),
    readPolicyOf: createReadPolicies((namespaceId) => definitions.attributesOf(namespaceId)),
    clock,
    random,
    logger,
    metrics,
    options: {
      reservationMs: config.worker.reservationTimeoutMs,
      sweepMs: config.heartbeatIntervalMs,
      readBufferBytes: config.worker.readerBufferBytes,
      readBuffersBytesMax: config.worker.data.readBuffersBytesMax,
      heartbeatMs: config.heartbeatIntervalMs,
    },
    storeReadLimits: {
      rangeBytes: config.ufs.cosn.readAheadBlockBytes,
      rangesAhead: config.ufs.cosn.readAheadQueueSize,
      readSlots: config.ufs.cosn.uploadThreadPool,
      readAheadBytesMax: config.worker.storeReadBytesMax,
    },
  })
  context.onStop('cache worker', () => worker.close())
  const otherWorkers = new DataClient({ clock })
  const requireDefinition = (namespaceId: string, version: number): void => definitions.require(namespaceId, version)
  const uploads = new PreparedUploads({ openStore, requireDefinition, clock, logger })
  const persisting = createPersistService({
    ...{ store, data: otherWorkers, openStore, clock, logger, requireDefinition, uploads },
  })
  context.onStop('persisting', async () => {
    await uploads.close()
    await persisting.close()
    otherWorkers.close()
  })
  let dataAddress: string | undefined
  const reading = workerReading(context, master, { worker, dataAddress: () => dataAddress })
  const data = (dataAddress = await serveData(context, config.worker, worker.dataHandlers))
  const writes = workerWriting(context, lifecycle, {
    ...{ own: worker.localTarget, has: (blockId) => store.has(blockId), uploads },
  })
  const services = [
    serving(WorkerServiceDefinition, worker.workerService),
    serving(PersistServiceDefinition, persisting.service),
  ]
  const rpc = await serveRpc(
    context,
    'worker',
    config.worker,
    services,
    goosefsWorkerServices(context, { blocks: store, files: reading.byId }, writes),
  )
  worker.start({ rpcAddress: rpc, dataAddress: data, webAddress: webAddress() }, signal)
  return { workerId, worker, rpc, data }
}

function annotatorOf({ annotator, lrfuStepFactor, lrfuAttenuationFactor }: WorkerConfig): AnnotatorSettings {
  if (annotator === 'LRU') return { kind: 'LRU' }
  return { kind: 'LRFU', stepFactor: lrfuStepFactor, attenuationFactor: lrfuAttenuationFactor }
}
