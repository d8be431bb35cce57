// The walk of the bytes with the real parts: queue, read-ahead, short circuit and data port into
// two block stores, and the file reader back out, also when a worker dies and when a block is
// missing.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { seededRandom, systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { DirectoryStore } from '../../../src/block/directory/directory-store.ts'
import { createDataHandlers } from '../../../src/cache-worker/data-handlers.ts'
import { createWorkerService } from '../../../src/cache-worker/block-calls.ts'
import { BlockTargetPool } from '../../../src/client/write/block-target-pool.ts'
import { FileReader } from '../../../src/client/read/file-reader.ts'
import { createJobWorker, defaultJobWorkerLimits } from '../../../src/job-worker/job-worker.ts'
import { createInProcessQueue } from '../../../src/queue/in-process-queue.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { DataClient } from '../../../src/wire/data/data-client.ts'
import { startDataServer } from '../../../src/wire/data/data-server.ts'
import type { JobServiceDefinition } from '../../../src/wire/generated/job.ts'
import { FileInfo, OpenFileResponse, WorkerInfo } from '../../../src/wire/generated/master.ts'
import type { WorkerServiceDefinition } from '../../../src/wire/generated/worker.ts'
import type { Service } from '../../../src/wire/service.ts'
import { noEviction } from '../../conformance/support/block-store-fixture.ts'
import { PoisonedPieces } from '../../support/poisoned-pieces.ts'
import {
  contentOf,
  FakeJobMaster,
  FakeMaster,
  FakeStore,
  mib,
  never,
  noCachedBlocks,
  pieceOf,
  taskOf,
} from './support/fakes.ts'

let home: string
let workers: Awaited<ReturnType<typeof startWorker>>[]
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'skein-data-path-'))
  workers = await Promise.all(['near', 'far'].map(startWorker))
})
afterAll(async () => {
  for (const worker of workers) await worker.close()
  await rm(home, { recursive: true })
})

async function startWorker(workerId: string) {
  const metrics = new MetricRegistry()
  const deps = {
    events: { added: () => undefined, removed: () => undefined },
    clock: systemClock,
    logger: silentLogger,
    metrics,
  }
  const directory = join(home, workerId)
  const store = await DirectoryStore.open({
    path: directory,
    tier: 'MEM',
    mediumType: 'MEM',
    quotaBytes: 256 * mib,
    workerId,
    deps,
  })
  const handlers = createDataHandlers({
    store,
    metrics,
    clock: systemClock,
    pieces: new PoisonedPieces(mib),
    readStore: () => Promise.reject(new SkeinError('unimplemented', 'no store here')),
  })
  const data = await startDataServer({ host: '127.0.0.1', port: 0, handlers, logger: silentLogger, clock: systemClock })
  const { service } = createWorkerService({
    workerId,
    hostname: `host-${workerId}`,
    home,
    store,
    eviction: noEviction,
    clock: systemClock,
  })
  const target = { workerId, hostname: `host-${workerId}`, rpcAddress: workerId, dataAddress: data.address }
  return {
    store,
    service,
    target,
    directory,
    stopServing: () => data.close(0),
    close: () => data.close(0).then(() => store.close()),
  }
}

describe('the walk of the bytes', () => {
  test('every object gets to both workers with one read, and comes back byte for byte', async () => {
    const [near, far] = workers
    const origin = new FakeStore()
    const jobMaster = new FakeJobMaster()
    const dataClient = new DataClient({ clock: systemClock })
    let connections = 0
    let shortCircuitCommits = 0
    const pool = new BlockTargetPool({
      hostname: 'host-near',
      data: dataClient,
      connectWorker: (address) => {
        expect(address).toBe('near')
        connections += 1
        const commitBlock: Service<WorkerServiceDefinition>['commitBlock'] = (request, options) => {
          shortCircuitCommits += 1
          return near!.service.commitBlock(request, options)
        }
        return { service: { ...near!.service, commitBlock }, close: () => undefined }
      },
      directoriesOf: async () => [near!.directory],
      clock: systemClock,
      logger: silentLogger,
    })
    const queue = createInProcessQueue()
    const byId = new Map(workers.map(({ target }) => [target.workerId, target]))
    const worker = createJobWorker({
      jobWorkerId: 'jw',
      hostname: 'host-near',
      rpcAddress: '',
      queue,
      jobMaster: jobMaster.service as Service<JobServiceDefinition>,
      master: new FakeMaster().service,
      openStore: async () => origin,
      targets: { targetFor: ({ workerId }) => pool.targetFor(byId.get(workerId)!) },
      cached: noCachedBlocks,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      metrics: new MetricRegistry(),
      limits: { ...defaultJobWorkerLimits, activeTasksMax: 4, readSlots: 6, rangeBytes: mib },
    })
    const blockSizeBytes = 4 * mib
    const pieces = [
      pieceOf(fileIdOf(1), 'large', 'v1', 3 * blockSizeBytes + 77, blockSizeBytes),
      ...Array.from({ length: 600 }, (_, index) =>
        pieceOf(fileIdOf(10 + index), `s/${index}`, 'v1', 1 + ((index * 331) % 30_000), blockSizeBytes),
      ),
    ]
    for (const { key, etag, length } of pieces) origin.put(key, etag, length)
    for (let set = 0; set < 4; set += 1) {
      jobMaster.sets.set(set, { pieces: pieces.filter((_, index) => index % 4 === set), targets: ['near', 'far'] })
    }
    await worker.start(never)
    await queue.add(
      'lane-jw',
      [0, 1, 2, 3].map((set) => taskOf(set)),
    )
    await expect.poll(() => jobMaster.completed.length).toBe(4)
    expect(jobMaster.completed.flatMap(({ failures }) => failures)).toEqual([])
    expect(origin.readBytes).toBe(pieces.reduce((sum, { length }) => sum + length, 0))
    expect([connections, shortCircuitCommits]).toEqual([1, 4])
    for (const { store, directory } of workers) {
      expect(store.blockCount).toBe(604)
      expect(store.reservedBytes).toBe(0)
      expect((await readdir(directory, { recursive: true })).filter((name) => /temp\/./.test(name))).toEqual([])
    }

    const reader = (path: string, withOrigin: boolean) => {
      const piece = pieces.find(({ key }) => key === path)!
      const { fileId, key, etag, length } = piece
      return new FileReader({
        master: {
          openFile: async () =>
            OpenFileResponse.fromPartial({
              file: FileInfo.fromPartial({ fileId, namespaceId: 'n1', key, etag, length, blockSizeBytes, path }),
              blocks: Array.from({ length: piece.blockCount }, () => ({ workerIds: ['near', 'far'] })),
              workers: workers.map(({ target }) => WorkerInfo.fromPartial({ ...target, live: true })),
            }),
          refreshFile: async () => ({ file: undefined }),
        },
        data: dataClient,
        origin: withOrigin
          ? {
              readOrigin: (file, offset, bytes, signal) =>
                origin.read({ key: file.key, etag: file.etag, offset, length: bytes }, signal),
            }
          : undefined,
        hostname: 'host-far',
        random: seededRandom(1),
        logger: silentLogger,
      })
    }
    const read = async (
      path: string,
      withOrigin = false,
      onChunk: (bytes: number) => Promise<unknown> | undefined = () => undefined,
    ) => {
      const chunks: Uint8Array[] = []
      let bytes = 0
      for await (const chunk of reader(path, withOrigin).read(path, never)) {
        chunks.push(chunk)
        bytes += chunk.length
        await onChunk(bytes)
      }
      return Buffer.concat(chunks)
    }
    for (const { key, etag, length } of pieces)
      expect((await read(key)).equals(contentOf(key, etag, length))).toBe(true)

    // The preferred worker dies in the middle of the first block, and the other one lacks a later
    // block.
    await near!.store.free(blockIdOf(fileIdOf(1), 2))
    let stopping: Promise<unknown> | undefined
    const bytes = await read('large', true, (got) =>
      got > mib && stopping === undefined ? (stopping = far!.stopServing()) : undefined,
    )
    await stopping
    expect(bytes.equals(contentOf('large', 'v1', pieces[0]!.length))).toBe(true)
    await worker.close(1000)
    pool.close()
    dataClient.close()
    await queue.close()
  })
})
