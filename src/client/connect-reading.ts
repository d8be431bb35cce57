// Why: the parts of a client that read belong together, and are many (connect.ts connects all
// others). How: constructed in the order in which they use each other.
import { systemClock, systemRandom } from '../base/clock.ts'
import type { Config } from '../config/config.ts'
import type { Logger } from '../telemetry/logger.ts'
import { DataClient } from '../wire/data/data-client.ts'
import type { MasterServiceDefinition, WorkerInfo } from '../wire/generated/master.ts'
import type { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { ServiceClient } from '../wire/rpc/channel.ts'
import type { Service } from '../wire/service.ts'
import { AheadMemory } from './open/ahead-memory.ts'
import { FileReads } from './open/file-reads.ts'
import { OpenedFiles } from './open/opened-files.ts'
import { FileReader } from './read/file-reader.ts'
import { keptWorkerList } from './read/kept-worker-list.ts'
import { PassiveCopies } from './read/passive-copies.ts'
import { ShortCircuitReader } from './read/short-circuit-reader.ts'
import { WorkerOriginReader } from './read/worker-origin-reader.ts'

/**
 * How long a program waits at its end for pending requests for replicas. On a network they take a
 * few milliseconds. An optional replica does not justify a noticeable pause.
 */
const settleMs = 200
const dropMs = 5000

export interface ReadingLinks {
  readonly master: Service<MasterServiceDefinition>
  readonly connectWorker: (address: string) => ServiceClient<WorkerServiceDefinition>
  /** A worker whose connection is closed by others. */
  readonly workerAt: (address: string) => Service<WorkerServiceDefinition>
  readonly logger: Logger
}

export interface Reading {
  readonly reader: FileReader
  readonly reads: FileReads
  readonly opened: OpenedFiles
  settle(): Promise<void>
  /** Closes all connections. */
  close(): void
}

export function connectReading(config: Config, { master, connectWorker, workerAt, logger }: ReadingLinks): Reading {
  const { hostname } = config.worker
  const given = <T>(key: string, value: T): T | undefined => (config.sources.has(key) ? value : undefined)
  const streams = given('goosefs.user.block.worker.client.pool.max', config.jobWorker.blockStreamsMax)
  const syncIntervalMs = given('goosefs.user.file.metadata.sync.interval', config.user.metadataSyncIntervalMs)
  const clock = systemClock
  const data = new DataClient({ clock, hostname, ...(streams !== undefined && { connectionsMax: streams }) })
  const reading = { master, data, hostname, random: systemRandom, clock, logger }
  const passive = config.user.passiveCache ? new PassiveCopies({ ...reading, connectWorker }) : undefined
  const near = new ShortCircuitReader({ data, connectWorker, clock, logger })
  const dropWrong = ({ rpcAddress }: WorkerInfo, blockId: number): void => {
    const call = { signal: new AbortController().signal, deadlineMs: dropMs }
    const told = workerAt(rpcAddress).freeBlocks({ blockIds: [blockId] }, call)
    told.catch((error: unknown) => logger.debug('cannot drop a wrong block', { blockId, error }))
  }
  const listWorkers = keptWorkerList((request, call) => master.listWorkers(request, call), clock)
  const origin = new WorkerOriginReader({ ...reading, master: { listWorkers } })
  const reader = new FileReader({ ...reading, dropWrong, near, syncIntervalMs, origin, passive })
  const opened = new OpenedFiles({ clock, keepMs: keptOpenMs(config, syncIntervalMs) })
  const ahead = new AheadMemory(config.user.readAheadBytes, clock)
  return {
    reader,
    reads: new FileReads({ master, reader, opened, ahead, syncIntervalMs, clock }),
    opened,
    settle: async () => passive?.settle(settleMs),
    close: () => {
      passive?.close()
      near.close()
      data.close()
    },
  }
}

/** An opened file is not kept for longer than metadata may be old. */
function keptOpenMs({ user }: Config, syncIntervalMs = -1): number {
  return syncIntervalMs < 0 ? user.openedFileAgeMs : Math.min(user.openedFileAgeMs, syncIntervalMs)
}
