// Why: connects to a cluster across the network (interface: cluster.ts). How: this file is
// loaded when a command first needs a cluster, because gRPC takes longer to load than most commands
// take to run.
import { randomUUID } from 'node:crypto'
import { systemClock, systemRandom } from '../base/clock.ts'
import { Budget } from '../base/flow/budget.ts'
import { ConnectedFileSystem } from './connected-file-system.ts'
import { AheadMemory } from './open/ahead-memory.ts'
import { FileReads } from './open/file-reads.ts'
import { OpenedFiles } from './open/opened-files.ts'
import { fileStatusOf } from './status/file-status.ts'
import { MasterFileChanges } from './write/file-changes.ts'
import { BlockTargetPool } from './write/block-target-pool.ts'
import { FileReader } from './read/file-reader.ts'
import { FileWriter } from './write/file-writer.ts'
import { type Connect, connectAtJobMaster, connectJobMaster, connectMaster } from './master-client.ts'
import { keptWorkerList } from './read/kept-worker-list.ts'
import { PassiveCopies } from './read/passive-copies.ts'
import { ShortCircuitReader } from './read/short-circuit-reader.ts'
import { directoriesAtMaster } from './worker-directories.ts'
import { WorkerOriginReader } from './read/worker-origin-reader.ts'
import type { Config } from '../config/config.ts'
import { type Logger, silentLogger } from '../telemetry/logger.ts'
import { createClient, type ServiceClient } from '../wire/rpc/channel.ts'
import { DataClient } from '../wire/data/data-client.ts'
import { LifecycleServiceDefinition } from '../wire/generated/lifecycle.ts'
import type { WorkerInfo } from '../wire/generated/master.ts'
import { ScheduleServiceDefinition } from '../wire/generated/schedule.ts'
import { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { Service } from '../wire/service.ts'
import type { Cluster } from './cluster.ts'

/** How long a command tries to reach a role before it fails. */
const unreachableMs = 2000
/**
 * How long a command waits at its end for pending requests for replicas. On a network they take a
 * few milliseconds. An optional replica does not justify a noticeable pause.
 */
const settleMs = 200
const dropMs = 5000
/** How long a command waits for a job master to register. */
const unregisteredMs = 3000

/**
 * Returns the cluster at `config.master.address`. Connects at the first call.
 * @throws SkeinError invalid_argument for a bad address
 */
export function connectCluster(config: Config, logger: Logger = silentLogger): Cluster {
  const { address } = config.master
  const options = {
    deadlineMs: config.rpcDeadlineMs,
    unavailableMs: unreachableMs,
    clock: systemClock,
    random: systemRandom,
    logger,
  }
  const connect: Connect = (definition, at) => createClient(definition, at, options)
  const master = connectMaster(address, connect)
  const patience = { clock: systemClock, waitMs: unregisteredMs }
  const jobMaster = connectJobMaster(master.service, address, connect, patience)
  const schedules = connectAtJobMaster(ScheduleServiceDefinition, master.service, address, connect, patience)
  const { hostname } = config.worker
  const given = <T>(key: string, value: T): T | undefined => (config.sources.has(key) ? value : undefined)
  const streams = given('goosefs.user.block.worker.client.pool.max', config.jobWorker.blockStreamsMax)
  const data = new DataClient({
    clock: systemClock,
    hostname,
    ...(streams !== undefined && { connectionsMax: streams }),
  })
  const reading = { master: master.service, data, hostname, random: systemRandom, logger }
  const connectWorker = (at: string): ServiceClient<WorkerServiceDefinition> => connect(WorkerServiceDefinition, at)
  const passive = config.user.passiveCache
    ? new PassiveCopies({ ...reading, connectWorker, clock: systemClock })
    : undefined
  const near = new ShortCircuitReader({ data, connectWorker, clock: systemClock, logger })
  const syncIntervalMs = given('goosefs.user.file.metadata.sync.interval', config.user.metadataSyncIntervalMs)
  const workers = new Map<string, ServiceClient<WorkerServiceDefinition>>()
  const workerAt = (at: string): Service<WorkerServiceDefinition> => {
    const client = workers.get(at) ?? connectWorker(at)
    workers.set(at, client)
    return client.service
  }
  const dropWrong = ({ rpcAddress }: WorkerInfo, blockId: number): void => {
    const told = workerAt(rpcAddress).freeBlocks(
      { blockIds: [blockId] },
      { signal: new AbortController().signal, deadlineMs: dropMs },
    )
    told.catch((error: unknown) => logger.debug('cannot drop a wrong block', { blockId, error }))
  }
  const listWorkers = keptWorkerList((request, call) => master.service.listWorkers(request, call), systemClock)
  const reader = new FileReader({
    ...reading,
    dropWrong,
    near,
    syncIntervalMs,
    origin: new WorkerOriginReader({ ...reading, master: { listWorkers } }),
    passive,
  })
  const opened = new OpenedFiles({ clock: systemClock, keepMs: keptOpenMs(config, syncIntervalMs) })
  const ahead = new AheadMemory(config.user.readAheadBytes, systemClock)
  const reads = new FileReads({ master: master.service, reader, opened, ahead, syncIntervalMs, clock: systemClock })
  const lifecycle = connect(LifecycleServiceDefinition, address)
  // Blocks that are written slowly must not keep readers from connections.
  const uploads = new DataClient({ clock: systemClock, connectionsMax: config.jobWorker.blockStreamsMax })
  const targets = new BlockTargetPool({
    hostname,
    data: uploads,
    connectWorker,
    directoriesOf: directoriesAtMaster((request, call) => master.service.listWorkers(request, call)),
    clock: systemClock,
    logger,
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
  const disconnect = async (): Promise<void> => {
    await passive?.settle(settleMs)
    close()
  }
  const close = (): void => {
    passive?.close()
    near.close()
    targets.close()
    for (const client of workers.values()) client.close()
    uploads.close()
    data.close()
    lifecycle.close()
    schedules.close()
    jobMaster.close()
    master.close()
  }
  return {
    address,
    files: new ConnectedFileSystem({ reads, changes, opened, disconnect }),
    master: () => master.service,
    jobMaster: () => jobMaster.service,
    schedules: () => schedules.service,
    lifecycle: () => lifecycle.service,
    worker: workerAt,
    createFile: (path, file, signal) => writer.create(path, file, signal),
    writeFile: (path, length, chunks, signal) => writer.write(path, length, chunks, signal),
    readFile: (path, signal, range) => reader.read(path, signal, range),
    settle: async () => passive?.settle(settleMs),
    close,
  }
}

/** An opened file is not kept for longer than metadata may be old. */
function keptOpenMs({ user }: Config, syncIntervalMs = -1): number {
  return syncIntervalMs < 0 ? user.openedFileAgeMs : Math.min(user.openedFileAgeMs, syncIntervalMs)
}
