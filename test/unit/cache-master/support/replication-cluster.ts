// Why: replication is between a real master and real workers: stores on disk, data ports,
// heartbeats, one process.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { blockCount, blockIdOf, blockLength } from '../../../../src/base/block-id.ts'
import { systemClock, systemRandom } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { BlockStore } from '../../../../src/block/block-store.ts'
import { openTiers } from '../../../../src/block/assembly/open-tiers.ts'
import { createCacheMaster, type CacheMaster } from '../../../../src/cache-master/master.ts'
import type { ReplicationOptions } from '../../../../src/cache-master/replication/replication-checker.ts'
import { BlockChanges } from '../../../../src/cache-worker/blocks/block-changes.ts'
import { type CacheWorker, createCacheWorker } from '../../../../src/cache-worker/cache-worker.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../../src/telemetry/registry.ts'
import type { SyncedFile } from '../../../../src/wire/generated/master.ts'
import { type RunningDataServer, startDataServer } from '../../../../src/wire/data/data-server.ts'
import { bytesOf, readWhole } from '../../../conformance/support/block-store-fixture.ts'
import { FakeStore, MemoryJournal } from './fakes.ts'
import { call } from './master-fixture.ts'

export const blockSizeBytes = 128 * 1024

export interface RunningWorker {
  readonly workerId: string
  readonly store: BlockStore
  readonly worker: CacheWorker
  readonly server: RunningDataServer
}

export class ReplicationCluster {
  readonly origin = new FakeStore()
  readonly metrics = new MetricRegistry()
  readonly workers = new Map<string, RunningWorker>()
  originReads = 0
  readonly #home: string
  readonly #journal = new MemoryJournal()
  readonly #replication: Partial<ReplicationOptions>
  #master: CacheMaster | undefined

  private constructor(home: string, replication: Partial<ReplicationOptions>) {
    this.#home = home
    this.#replication = replication
  }

  static async open(replication: Partial<ReplicationOptions> = {}): Promise<ReplicationCluster> {
    const cluster = new ReplicationCluster(await mkdtemp(join(tmpdir(), 'skein-replication-')), {
      graceMs: 100,
      tickMs: 5,
      intervalMs: 60_000,
      pauseMs: 1,
      ...replication,
    })
    await cluster.startMaster()
    await cluster.master.service.createNamespace({ name: 'ns', uri: 's3://bucket', secrets: {}, attributes: {} }, call)
    return cluster
  }

  get master(): CacheMaster {
    if (this.#master === undefined) throw new Error('not started')
    return this.#master
  }

  async startMaster(): Promise<void> {
    this.#master = await createCacheMaster({
      home: join(this.#home, 'master'),
      journal: this.#journal,
      openStore: () => this.origin,
      clock: systemClock,
      logger: silentLogger,
      metrics: this.metrics,
      signal: call.signal,
      options: {
        blockSizeBytesDefault: blockSizeBytes,
        ttlCheckIntervalMs: 3_600_000,
        unfinishedFileMs: 86_400_000,
        unfinishedFilesMax: 1000,
        workerLostMs: 1000,
        metadataSyncIntervalMs: -1,
        version: '1',
        webPort: 1,
        rpcPort: 1,
        address: () => '127.0.0.1:1',
        checkpointEntries: 1000,
        checkpointBytes: 2 ** 26,
        replication: this.#replication,
      },
    })
    this.#master.start(call.signal)
  }

  async restartMaster(): Promise<void> {
    await this.master.close()
    await this.startMaster()
  }

  async addWorker(workerId: string, hostname = workerId): Promise<RunningWorker> {
    const changes = new BlockChanges()
    const home = join(this.#home, workerId)
    const directories = [{ path: join(home, 'blocks'), tier: 'SSD', mediumType: 'SSD', quotaBytes: 64 * 2 ** 20 }]
    const metrics = new MetricRegistry()
    const deps = { clock: systemClock, logger: silentLogger, metrics }
    const annotator = { kind: 'LRU' } as const
    const store = await openTiers({ tiers: [directories], workerId, annotator, events: changes, ...deps })
    const { service } = this.master
    const worker = await createCacheWorker({
      workerId,
      hostname,
      home,
      store,
      changes,
      // The master may be another one by the next call.
      master: {
        registerWorker: (...args) => (this.#master?.service ?? service).registerWorker(...args),
        reportBlocks: (...args) => (this.#master?.service ?? service).reportBlocks(...args),
        workerHeartbeat: (...args) => (this.#master?.service ?? service).workerHeartbeat(...args),
      },
      openStore: () => {
        this.originReads += 1
        return Promise.reject(new SkeinError('not_found', 'nobody reads the store here'))
      },
      random: systemRandom,
      ...deps,
      options: { heartbeatMs: 10, retry: { attemptsMax: 1, initialMs: 5, maxMs: 20 } },
    })
    const server = await startDataServer({ host: '127.0.0.1', port: 0, handlers: worker.dataHandlers, ...deps })
    worker.start({ rpcAddress: `rpc-${workerId}:1`, dataAddress: server.address, webAddress: '' }, call.signal)
    await worker.registered
    const running = { workerId, store, worker, server }
    this.workers.set(workerId, running)
    return running
  }

  /** Gone without a word, its bytes with it. */
  async kill(workerId: string): Promise<void> {
    const running = this.workers.get(workerId)
    this.workers.delete(workerId)
    await running?.server.close(0)
    await running?.worker.close()
  }

  /** Files of three blocks each, known to the master and not cached. */
  async files(count: number): Promise<SyncedFile[]> {
    for (let i = 0; i < count; i += 1)
      this.origin.put(`f${String(i).padStart(5, '0')}`, { length: blockSizeBytes * 2 + 1000 })
    return (await this.master.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)).files
  }

  /** Puts all blocks of a file into these workers, as a load would. */
  async cache(file: SyncedFile, workerIds: readonly string[]): Promise<void> {
    const { namespaceId } = await this.master.service.getNamespace({ name: 'ns' }, call)
    for (const blockId of blocksOf(file)) {
      const header = { ...headerOf(file, blockId), namespaceId }
      for (const workerId of workerIds) await this.workers.get(workerId)?.store.put(header, bytesOfBlock(file, blockId))
    }
  }

  /** The ids of the workers that hold each block: by their stores. */
  held(file: SyncedFile): string[][] {
    return blocksOf(file).map((blockId) =>
      [...this.workers.values()].filter(({ store }) => store.has(blockId)).map((w) => w.workerId),
    )
  }

  /** What the master says: the workers of each block. */
  async known(file: SyncedFile): Promise<string[][]> {
    const { blocks } = await this.master.service.openFile({ path: `/ns/${file.key}` }, call)
    return blocks.map(({ workerIds }) => [...workerIds].sort())
  }

  /** Whether every replica of a file has the right bytes. */
  async sound(file: SyncedFile): Promise<boolean> {
    for (const blockId of blocksOf(file)) {
      for (const { store } of this.workers.values()) {
        if (store.has(blockId) && !(await readWhole(store, blockId)).equals(bytesOfBlock(file, blockId))) return false
      }
    }
    return true
  }

  async close(): Promise<void> {
    for (const workerId of this.workers.keys()) await this.kill(workerId)
    await this.#master?.close()
    await rm(this.#home, { recursive: true, force: true })
  }
}

export function blocksOf(file: SyncedFile): number[] {
  return Array.from({ length: blockCount(file.length, file.blockSizeBytes) }, (_, index) =>
    blockIdOf(file.fileId, index),
  )
}

function headerOf(file: SyncedFile, blockId: number) {
  const index = blockId % 2 ** 20
  const { key, etag } = file
  return {
    blockId,
    length: blockLength(file.length, file.blockSizeBytes, index),
    namespaceId: 'n',
    key,
    etag,
    offset: index * blockSizeBytes,
  }
}

function bytesOfBlock(file: SyncedFile, blockId: number): Buffer {
  return bytesOf(headerOf(file, blockId).length, blockId % 1_000_003)
}

/** Waits until a condition holds; the test's own time limit ends it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(5)
}
