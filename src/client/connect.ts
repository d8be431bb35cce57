// Why: what a command sees of a running cluster, and how it is made across the network. How: commands get the interface,
// so that tests give them one in their own process; this file is loaded when a command first needs a cluster, because
// gRPC takes longer to load than most commands take to run.
import { randomUUID } from 'node:crypto'
import { systemClock, systemRandom } from '../base/clock.ts'
import { BlockTargetPool } from './write/block-target-pool.ts'
import { FileReader } from './read/file-reader.ts'
import { FileWriter, type WrittenFile } from './write/file-writer.ts'
import { type Connect, connectAtJobMaster, connectJobMaster, connectMaster } from './master-client.ts'
import { PassiveCopies } from './read/passive-copies.ts'
import { ShortCircuitReader } from './read/short-circuit-reader.ts'
import { directoriesAtMaster } from './worker-directories.ts'
import { WorkerOriginReader } from './read/worker-origin-reader.ts'
import type { Config } from '../config/config.ts'
import { type Logger, silentLogger } from '../telemetry/logger.ts'
import { createClient, type ServiceClient } from '../wire/rpc/channel.ts'
import { type ByteRange, DataClient } from '../wire/data/data-client.ts'
import type { JobServiceDefinition } from '../wire/generated/job.ts'
import { LifecycleServiceDefinition } from '../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition, WorkerInfo } from '../wire/generated/master.ts'
import { ScheduleServiceDefinition } from '../wire/generated/schedule.ts'
import { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { Service } from '../wire/service.ts'

export interface Cluster {
  /** `host:port` of the master, for messages. */
  readonly address: string
  master(): Service<MasterServiceDefinition>
  /** Found through the master; calls throw SkeinError unavailable while none is there. */
  jobMaster(): Service<JobServiceDefinition>
  /** Served by the job master, found in the same way. */
  schedules(): Service<ScheduleServiceDefinition>
  /** What users change; served by the master. */
  lifecycle(): Service<LifecycleServiceDefinition>
  /** A worker by its `host:port`; connections are closed with the cluster. */
  worker(rpcAddress: string): Service<WorkerServiceDefinition>
  /** A new file of exactly `length` bytes, and what the namespace's write policy wants (client/write/file-writer.ts). */
  writeFile(path: string, length: number, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<WrittenFile>
  /** The bytes of a file (of `range`: those that it has), cached blocks first, the store (through a worker) where they are missing. */
  readFile(path: string, signal: AbortSignal, range?: ByteRange): AsyncIterable<Uint8Array>
  /** For a process that ends now: gives what readers offered (client/read/passive-copies.ts) a moment to be told. */
  settle(): Promise<void>
  close(): void
}

/** How long a command tries to reach a role before it says that it is not there. */
const unreachableMs = 2000
/**
 * How long the end of a command waits for offers of copies: two calls on a network are told in a few milliseconds, and where
 * they are not, a copy that may never be needed is not worth a pause that people notice.
 */
const settleMs = 200
const dropMs = 5000
/** How long it waits for a job master to register. */
const unregisteredMs = 3000

/** The cluster at `config.master.address`. Nothing is connected before the first call. @throws SkeinError invalid_argument for a bad address */
export function connectCluster(config: Config, logger: Logger = silentLogger): Cluster {
  const { address } = config.master
  const options = { deadlineMs: config.rpcDeadlineMs, unavailableMs: unreachableMs, clock: systemClock, random: systemRandom, logger }
  const connect: Connect = (definition, at) => createClient(definition, at, options)
  const master = connectMaster(address, connect)
  const patience = { clock: systemClock, waitMs: unregisteredMs }
  const jobMaster = connectJobMaster(master.service, address, connect, patience)
  const schedules = connectAtJobMaster(ScheduleServiceDefinition, master.service, address, connect, patience)
  const { hostname } = config.worker
  const given = <T>(key: string, value: T): T | undefined => (config.sources.has(key) ? value : undefined)
  const streams = given('goosefs.user.block.worker.client.pool.max', config.jobWorker.blockStreamsMax)
  const data = new DataClient({ clock: systemClock, hostname, ...(streams !== undefined && { connectionsMax: streams }) })
  const reading = { master: master.service, data, hostname, random: systemRandom, logger }
  const connectWorker = (at: string): ServiceClient<WorkerServiceDefinition> => connect(WorkerServiceDefinition, at)
  const passive = config.user.passiveCache ? new PassiveCopies({ ...reading, connectWorker, clock: systemClock }) : undefined
  const near = new ShortCircuitReader({ data, connectWorker, clock: systemClock, logger })
  const syncIntervalMs = given('goosefs.user.file.metadata.sync.interval', config.user.metadataSyncIntervalMs)
  const workers = new Map<string, ServiceClient<WorkerServiceDefinition>>()
  const workerAt = (at: string): Service<WorkerServiceDefinition> => {
    const client = workers.get(at) ?? connectWorker(at)
    workers.set(at, client)
    return client.service
  }
  const dropWrong = ({ rpcAddress }: WorkerInfo, blockId: number): void => {
    const told = workerAt(rpcAddress).freeBlocks({ blockIds: [blockId] }, { signal: new AbortController().signal, deadlineMs: dropMs })
    told.catch((error: unknown) => logger.debug('a wrong block could not be dropped', { blockId, error }))
  }
  const reader = new FileReader({ ...reading, dropWrong, near, syncIntervalMs, origin: new WorkerOriginReader(reading), passive })
  const lifecycle = connect(LifecycleServiceDefinition, address)
  const targets = new BlockTargetPool({
    hostname,
    data,
    connectWorker,
    directoriesOf: directoriesAtMaster((request, call) => master.service.listWorkers(request, call)),
    clock: systemClock,
    logger,
  })
  const writer = new FileWriter({
    lifecycle: lifecycle.service,
    master: master.service,
    targets,
    // In a site file it is the master's, and weaker than what a namespace says.
    blockSizeBytes: config.sources.get('goosefs.user.block.size.bytes.default')?.layer === 'flag' ? config.user.blockSizeBytes : undefined,
    uniqueId: randomUUID,
    clock: systemClock,
    random: systemRandom,
    logger,
  })
  return {
    address,
    master: () => master.service,
    jobMaster: () => jobMaster.service,
    schedules: () => schedules.service,
    lifecycle: () => lifecycle.service,
    worker: workerAt,
    writeFile: (path, length, chunks, signal) => writer.write(path, length, chunks, signal),
    readFile: (path, signal, range) => reader.read(path, signal, range),
    settle: async () => passive?.settle(settleMs),
    close: () => {
      passive?.close()
      near.close()
      targets.close()
      for (const client of workers.values()) client.close()
      data.close()
      lifecycle.close()
      schedules.close()
      jobMaster.close()
      master.close()
    },
  }
}
