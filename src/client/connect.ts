// Why: connects to a cluster across the network (interface: cluster.ts). How: this file is
// loaded when a command first needs a cluster, because gRPC takes longer to load than most commands
// take to run.
import { randomUUID } from 'node:crypto'
import { systemClock, systemRandom } from '../base/clock.ts'
import { Budget } from '../base/flow/budget.ts'
import { PiecePool } from '../base/flow/piece-pool.ts'
import { connectReading } from './connect-reading.ts'
import { ConnectedFileSystem } from './connected-file-system.ts'
import { fileStatusOf } from './status/file-status.ts'
import type { FileLoads } from './file-loads.ts'
import type { FilesAhead } from './open/files-ahead.ts'
import { JobMasterLoads } from './job-master-loads.ts'
import { MasterFileUpkeep } from './upkeep/master-file-upkeep.ts'
import { MasterFileChanges } from './write/file-changes.ts'
import { BlockTargetPool } from './write/block-target-pool.ts'
import { gatherBytes } from './write/file-output.ts'
import { FileWriter } from './write/file-writer.ts'
import { type Connect, connectAtJobMaster, connectJobMaster, connectMaster } from './master-client.ts'
import { directoriesAtMaster } from './worker-directories.ts'
import type { Config } from '../config/config.ts'
import { type Logger, silentLogger } from '../telemetry/logger.ts'
import { MetricRegistry } from '../telemetry/registry.ts'
import { createClient, type ServiceClient } from '../wire/rpc/channel.ts'
import { DataClient } from '../wire/data/data-client.ts'
import { LifecycleServiceDefinition } from '../wire/generated/lifecycle.ts'
import { ScheduleServiceDefinition } from '../wire/generated/schedule.ts'
import { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { Service } from '../wire/service.ts'
import type { Cluster } from './cluster.ts'
import type { RolesHere } from './roles-here.ts'

/** How long a command tries to reach a role before it fails. */
const unreachableMs = 2000
/** How long a command waits for a job master to register. */
const unregisteredMs = 3000

export interface ConnectClusterOptions {
  readonly logger?: Logger
  /** Whose secrets are used when no worker answers. Default `own`; a role uses the cluster's. */
  readonly storeSecrets?: 'cluster' | 'own'
  /** Default: nobody sees the metrics. */
  readonly metrics?: MetricRegistry
  /** Default: all roles are reached through the network. */
  readonly here?: RolesHere | undefined
}

/**
 * Returns the cluster at `config.master.address`. Connects at the first call.
 * @throws SkeinError invalid_argument for a bad address
 */
export function connectCluster(
  config: Config,
  { logger = silentLogger, storeSecrets = 'own', metrics = new MetricRegistry(), here }: ConnectClusterOptions = {},
): Cluster & { readonly loads: FileLoads; readonly ahead: FilesAhead } {
  const { address } = config.master
  const options = {
    deadlineMs: config.rpcDeadlineMs,
    unavailableMs: unreachableMs,
    clock: systemClock,
    random: systemRandom,
    logger,
  }
  const connect: Connect = (definition, at) =>
    createClient(definition, at, { ...options, channel: here?.channelTo(at) })
  const master = connectMaster(address, connect)
  const patience = { clock: systemClock, waitMs: unregisteredMs }
  const jobMaster = connectJobMaster(master.service, address, connect, patience)
  const schedules = connectAtJobMaster(ScheduleServiceDefinition, master.service, address, connect, patience)
  const connectWorker = (at: string): ServiceClient<WorkerServiceDefinition> => connect(WorkerServiceDefinition, at)
  const workers = new Map<string, ServiceClient<WorkerServiceDefinition>>()
  const workerAt = (at: string): Service<WorkerServiceDefinition> => {
    const client = workers.get(at) ?? connectWorker(at)
    workers.set(at, client)
    return client.service
  }
  const reading = connectReading(config, {
    ...{ master: master.service, connectWorker, workerAt, logger, storeSecrets, metrics, here },
  })
  const lifecycle = connect(LifecycleServiceDefinition, address)
  // Blocks that are written slowly must not keep readers from connections.
  const uploads = new DataClient({ clock: systemClock, connectionsMax: config.jobWorker.blockStreamsMax })
  const targets = new BlockTargetPool({
    hostname: config.worker.hostname,
    data: uploads,
    connectWorker,
    directoriesOf: directoriesAtMaster((request, call) => master.service.listWorkers(request, call)),
    clock: systemClock,
    logger,
    ...(here !== undefined && { local: (workerId: string) => here.targetOf(workerId) }),
  })
  const writer = new FileWriter({
    lifecycle: lifecycle.service,
    master: master.service,
    targets,
    // A value in a site file is the master's setting; the attribute of a namespace takes precedence
    // over it.
    blockSizeBytes:
      config.sources.get('goosefs.user.block.size.bytes.default')?.layer === 'flag'
        ? config.user.blockSizeBytes
        : undefined,
    kept: new Budget('kept bytes of blocks that are being written', config.user.writeKeptBytes),
    // The pieces of a block that was kept are there for the next one.
    pieces: new PiecePool({
      ...{ pieceBytes: gatherBytes, clock: systemClock },
      idleMax: Math.ceil(config.user.writeKeptBytes / gatherBytes),
    }),
    uniqueId: randomUUID,
    clock: systemClock,
    random: systemRandom,
    logger,
  })
  const changes = new MasterFileChanges({
    master: master.service,
    lifecycle: lifecycle.service,
    writer,
    statusOf: fileStatusOf,
  })
  const upkeep = new MasterFileUpkeep({
    master: master.service,
    lifecycle: lifecycle.service,
    syncOf: (asked) => reading.reads.syncOf(asked),
  })
  const disconnect = async (): Promise<void> => {
    await reading.settle()
    close()
  }
  const close = (): void => {
    reading.close()
    targets.close()
    for (const client of workers.values()) client.close()
    uploads.close()
    lifecycle.close()
    schedules.close()
    jobMaster.close()
    master.close()
  }
  return {
    address,
    files: new ConnectedFileSystem({ reads: reading.reads, changes, upkeep, opened: reading.opened, disconnect }),
    ahead: reading.ahead,
    loads: new JobMasterLoads({
      ...{ jobs: jobMaster.service, activeJobs: config.load.activeJobs, uniqueId: randomUUID, clock: systemClock },
    }),
    master: () => master.service,
    jobMaster: () => jobMaster.service,
    schedules: () => schedules.service,
    lifecycle: () => lifecycle.service,
    worker: workerAt,
    readFile: (path, signal, range) => reading.reader.read(path, signal, range),
    settle: () => reading.settle(),
    close,
  }
}
