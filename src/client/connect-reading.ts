// Why: the parts of a client that read belong together, and are many (connect.ts connects all
// others). How: constructed in the order in which they use each other.
import { systemClock, systemRandom } from '../base/clock.ts'
import type { Config } from '../config/config.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import { DataClient } from '../wire/data/data-client.ts'
import type { MasterServiceDefinition, WorkerInfo } from '../wire/generated/master.ts'
import type { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { ServiceClient } from '../wire/rpc/channel.ts'
import type { Service } from '../wire/service.ts'
import type { RolesHere } from './roles-here.ts'
import { AheadMemory } from './open/ahead-memory.ts'
import { FileReads } from './open/file-reads.ts'
import { type FilesAhead, OpenedAhead } from './open/files-ahead.ts'
import { FilesById } from './open/files-by-id.ts'
import { OpenedFiles } from './open/opened-files.ts'
import type { DirectOrigin } from './origin/direct-origin.ts'
import { type BlockReadClient, FileReader, type OriginReader } from './read/file-reader.ts'
import { keptWorkerList } from './read/kept-worker-list.ts'
import { PassiveCopies } from './read/passive-copies.ts'
import { SmallBlockCache } from './read/small-block-cache.ts'
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
  /** Whose secrets are used when no worker answers. */
  readonly storeSecrets: 'cluster' | 'own'
  readonly metrics: MetricRegistry
  readonly here: RolesHere | undefined
}

export interface Reading {
  readonly reader: FileReader
  readonly reads: FileReads
  readonly opened: OpenedFiles
  readonly ahead: FilesAhead
  readonly byId: FilesById
  settle(): Promise<void>
  /** Closes all connections. */
  close(): void
}

export function connectReading(config: Config, links: ReadingLinks): Reading {
  const { master, connectWorker, workerAt, logger, here } = links
  const { hostname } = config.worker
  const given = <T>(key: string, value: T): T | undefined => (config.sources.has(key) ? value : undefined)
  const syncIntervalMs = given('goosefs.user.file.metadata.sync.interval', config.user.metadataSyncIntervalMs)
  const clock = systemClock
  const data = new DataClient({ clock, hostname, connectionsMax: config.jobWorker.blockStreamsMax })
  const nearest = here === undefined ? data : nearestBlocks(here, data)
  const blocks = new SmallBlockCache({ data: nearest, clock, bytesMax: config.user.smallBlockBytes })
  const reading = { master, data, hostname, random: systemRandom, clock, logger }
  const passive = config.user.passiveCache ? new PassiveCopies({ ...reading, connectWorker }) : undefined
  const near = new ShortCircuitReader({ data: blocks, connectWorker, clock, logger })
  const dropWrong = ({ rpcAddress }: WorkerInfo, blockId: number): void => {
    const call = { signal: new AbortController().signal, deadlineMs: dropMs }
    const told = workerAt(rpcAddress).freeBlocks({ blockIds: [blockId] }, call)
    told.catch((error: unknown) => logger.debug('cannot drop a wrong block', { blockId, error }))
  }
  const listWorkers = keptWorkerList((request, call) => master.listWorkers(request, call), clock)
  const direct = config.user.origin.fallback ? lateDirectOrigin(config, links) : undefined
  const storeHere = here?.storeAt?.bind(here)
  const origin = new WorkerOriginReader({ ...reading, master: { listWorkers }, here: storeHere, direct })
  const reader = new FileReader({ ...reading, data: blocks, dropWrong, near, syncIntervalMs, origin, passive })
  const opened = new OpenedFiles({ clock, keepMs: keptOpenMs(config, syncIntervalMs) })
  const ahead = new AheadMemory(config.user.readAheadBytes, clock)
  return {
    reader,
    reads: new FileReads({ master, reader, opened, ahead, syncIntervalMs, clock }),
    opened,
    ahead: new OpenedAhead({ master, opened, near, hostname, syncIntervalMs }),
    byId: new FilesById({ master, reader, clock }),
    settle: async () => {
      await Promise.all([passive?.settle(settleMs), direct?.close()])
    },
    close: () => {
      passive?.close()
      near.close()
      data.close()
    },
  }
}

function nearestBlocks(here: RolesHere, data: DataClient): BlockReadClient {
  return { read: (address, ...rest) => (here.blocksAt(address) ?? data).read(address, ...rest) }
}

/** What it needs is loaded when it is first used, which most programs never do. */
function lateDirectOrigin(config: Config, { master, logger, storeSecrets: secrets, metrics }: ReadingLinks) {
  let loaded: Promise<DirectOrigin> | undefined
  const load = async (): Promise<DirectOrigin> => {
    const module = await import('./origin/direct-origin.ts')
    const random = systemRandom
    return new module.DirectOrigin({ config, master, secrets, clock: systemClock, random, logger, metrics })
  }
  return {
    readOrigin: async function* readOrigin(...read: Parameters<OriginReader['readOrigin']>) {
      yield* (await (loaded ??= load())).readOrigin(...read)
    },
    close: async () => (await loaded)?.close(),
  }
}

/** An opened file is not kept for longer than metadata may be old. */
function keptOpenMs({ user }: Config, syncIntervalMs = -1): number {
  return syncIntervalMs < 0 ? user.openedFileAgeMs : Math.min(user.openedFileAgeMs, syncIntervalMs)
}
