// Why: starts the job worker as a part, alone in its process or together with other roles. How:
// takes its lock and id, connects to the queue and the job master, then takes tasks.
import { join } from 'node:path'
import { lockDirectory } from '../../journal/disk/directory-lock.ts'
import type { BlockTarget } from '../../client/write/block-target.ts'
import { directoriesAtMaster } from '../../client/worker-directories.ts'
import { BlockTargetPool } from '../../client/write/block-target-pool.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'
import { openIdentity } from '../../base/files/identity.ts'
import { createJobWorker, defaultJobWorkerLimits, type JobWorker } from '../../job-worker/job-worker.ts'
import type { Queue } from '../../queue/queue.ts'
import { DataClient } from '../../wire/data/data-client.ts'
import type { JobServiceDefinition } from '../../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'
import { connector } from '../links.ts'
import type { RoleContext } from '../role-shell.ts'
import { namespaceDefinitions } from '../stores.ts'

export interface JobWorkerPeers {
  readonly master: Service<MasterServiceDefinition>
  readonly jobMaster: Service<JobServiceDefinition>
  readonly queue: Queue
  /** Counts readers that wait in this process. */
  readonly demand?: DemandGauge
  /** Block target of a cache worker in the same process. */
  readonly local?: (workerId: string) => BlockTarget | undefined
}

/**
 * At a stop, sets may finish within this time. The job master has the others done elsewhere or
 * again.
 */
const finishingMs = 1000

/** Starts to register and to take tasks. Resolves when the job worker takes tasks. */
export async function startJobWorkerPart(
  context: RoleContext,
  peers: JobWorkerPeers,
  rpcAddress: string,
): Promise<{ jobWorker: JobWorker; id: string }> {
  const { config, clock, random, logger, metrics, signal } = context
  const { hostname } = config.jobWorker
  const { cpus, memoryBytes } = config.machine
  const id = await openIdentity(join(config.home, 'job-worker'), 'job worker')
  context.onStop('job worker lock', lockDirectory(join(config.home, 'job-worker')))
  const connect = connector(context)
  const data = new DataClient({ clock, connectionsMax: config.jobWorker.blockStreamsMax })
  const targets = new BlockTargetPool({
    hostname,
    data,
    connectWorker: (address) => connect(WorkerServiceDefinition, address),
    directoriesOf: directoriesAtMaster((request, call) => peers.master.listWorkers(request, call)),
    clock,
    logger,
    ...(peers.local === undefined ? {} : { local: peers.local }),
  })
  context.onStop('links to workers', () => {
    targets.close()
    data.close()
  })
  const definitions = namespaceDefinitions(context, peers.master, true)
  const jobWorker = createJobWorker({
    jobWorkerId: id,
    hostname,
    rpcAddress,
    queue: peers.queue,
    jobMaster: peers.jobMaster,
    master: peers.master,
    openStore: (namespaceId) => definitions.openStore(namespaceId),
    targets,
    cached: {
      read: ({ dataAddress }, blockId, expected, aborted) =>
        data.read(dataAddress, blockId, { offset: 0, length: expected.length }, aborted, expected),
      free: async (target, blockIds, aborted) => {
        const link = connect(WorkerServiceDefinition, target.rpcAddress)
        try {
          await link.service.freeBlocks({ blockIds: [...blockIds] }, { signal: aborted })
        } finally {
          link.close()
        }
      },
    },
    ...(peers.demand === undefined ? {} : { demand: peers.demand }),
    clock,
    random,
    logger,
    metrics,
    ...(memoryBytes !== undefined && { machine: { cores: cpus, memoryBytes } }),
    limits: {
      ...defaultJobWorkerLimits,
      activeTasksMax: config.jobWorker.activeTasksMax,
      streamsMax: config.jobWorker.cpuTasksMax,
      readSlots: config.ufs.cosn.uploadThreadPool,
      readAheadBytesMax: config.jobWorker.readBudgetBytes,
      rangeBytes: config.ufs.cosn.readAheadBlockBytes,
      rangesAhead: config.ufs.cosn.readAheadQueueSize,
      heartbeatMs: config.heartbeatIntervalMs,
      tuning: config.jobWorker.tuning,
    },
  })
  context.onStop('job worker', () => jobWorker.close(Math.min(config.shutdownTimeoutMs, finishingMs)))
  await jobWorker.start(signal)
  return { jobWorker, id }
}
