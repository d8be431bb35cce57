// Why: disks flip bits; none of those bytes may reach a reader, and every rotten block must be
// found and come back. How: a thousand blocks, some in segments and some as files, on two workers;
// one random bit of each block's bytes is flipped on one of them. Then every file is read: from the
// other replica where there is one, else through a worker from the store. Seeded: SKEIN_SEED=n
// replays.
import { open, readdir, rm, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../src/base/block-id.ts'
import { seededRandom, systemClock, systemRandom } from '../../src/base/clock.ts'
import type { BlockHeader } from '../../src/block/block-store.ts'
import { openTiers } from '../../src/block/assembly/open-tiers.ts'
import { BlockChanges } from '../../src/cache-worker/blocks/block-changes.ts'
import { type CacheWorker, createCacheWorker } from '../../src/cache-worker/cache-worker.ts'
import { FileReader } from '../../src/client/read/file-reader.ts'
import { WorkerOriginReader } from '../../src/client/read/worker-origin-reader.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../src/telemetry/registry.ts'
import { DataClient } from '../../src/wire/data/data-client.ts'
import { startDataServer } from '../../src/wire/data/data-server.ts'
import { FileInfo, type OpenFileResponse, WorkerInfo } from '../../src/wire/generated/master.ts'
import { FakeMaster } from '../unit/cache-worker/support/fake-master.ts'
import { type RecordOnDisk, recordsIn } from '../conformance/support/segment-fixture.ts'
import { contentOf, FakeStore } from '../unit/job-worker/support/fakes.ts'

const blocks = 1000
const seed = Number(process.env['SKEIN_SEED'] ?? process.hrtime.bigint() % 1_000_000n)
const never = new AbortController().signal
/** Up to 8 KiB in segments, the rest files of their own; some above what is read at once. */
const lengths = [64, 300, 4000, 8192, 8193, 12_000, 20_000]
const segmentBlockBytesMax = 8192

let cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
  cleanups = []
})

const lengthOf = (n: number): number => (n % 100 === 99 ? 600_000 : (lengths[n % lengths.length] ?? 1))
const keyOf = (n: number): string => `rot/${n}`
const headerOf = (n: number): BlockHeader => ({
  blockId: blockIdOf(fileIdOf(n + 1), 0),
  length: lengthOf(n),
  namespaceId: 'n1',
  key: keyOf(n),
  etag: 'v1',
  offset: 0,
})

interface House {
  readonly worker: CacheWorker
  readonly master: FakeMaster
  readonly metrics: MetricRegistry
  readonly info: WorkerInfo
  readonly has: (blockId: number) => boolean
}

async function startWorker(name: string, folder: string, beneath: FakeStore, fill: boolean): Promise<House> {
  const metrics = new MetricRegistry()
  const changes = new BlockChanges()
  const parts = { clock: systemClock, logger: silentLogger, metrics }
  const directory = { path: join(folder, name), tier: 'SSD', mediumType: 'SSD', quotaBytes: 256 * 2 ** 20 }
  const store = await openTiers({
    tiers: [[directory]],
    workerId: name,
    segments: { blockBytesMax: segmentBlockBytesMax, segmentBytes: 2 ** 20 },
    annotator: { kind: 'LRU' },
    ...parts,
    events: changes,
  })
  if (fill) for (let n = 0; n < blocks; n += 1) await store.put(headerOf(n), contentOf(keyOf(n), 'v1', lengthOf(n)))
  const master = new FakeMaster()
  const worker = await createCacheWorker({
    ...parts,
    workerId: name,
    hostname: name,
    home: folder,
    store,
    changes,
    master: master.service,
    openStore: async () => beneath,
    random: systemRandom,
    options: { heartbeatMs: 20 },
  })
  const server = await startDataServer({
    host: '127.0.0.1',
    port: 0,
    handlers: worker.dataHandlers,
    logger: silentLogger,
    clock: systemClock,
  })
  cleanups.push(() => server.close(0).then(() => worker.close()))
  worker.start({ rpcAddress: '', dataAddress: server.address, webAddress: '' }, never)
  await worker.registered
  const info = WorkerInfo.fromPartial({ workerId: name, hostname: name, dataAddress: server.address, live: true })
  return { worker, master, metrics, info, has: (blockId) => store.has(blockId) }
}

/**
 * Flips one random bit of each block's bytes, wherever they lie. @returns how many of them lay in
 * segments
 */
async function flipAll(directory: string, random: () => number): Promise<number> {
  const files = new Map<number, string>()
  for (const entry of await readdir(join(directory, 'blocks'), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) files.set(Number.parseInt(entry.name, 16), join(entry.parentPath, entry.name))
  }
  const records = new Map<number, RecordOnDisk>()
  for (const found of await recordsIn(directory))
    if (found.record.kind === 'block') records.set(found.record.header.blockId, found)
  let inSegments = 0
  for (let n = 0; n < blocks; n += 1) {
    const { blockId, length } = headerOf(n)
    const file = files.get(blockId)
    const record = file === undefined ? records.get(blockId) : undefined
    const path = file ?? record?.path
    if (path === undefined) throw new Error(`block ${blockId} is nowhere`)
    if (record !== undefined) inSegments += 1
    // A record ends with its block's bytes or checksums; its header is searched for no bit: those
    // are tests of the store.
    const content = contentOf(keyOf(n), 'v1', length)
    const handle = await open(path, 'r+')
    try {
      const from = record?.from ?? 0
      const whole = Buffer.alloc(record?.length ?? length)
      await handle.read(whole, 0, whole.length, from)
      const at = whole.lastIndexOf(content)
      expect(at, `the bytes of block ${blockId}`).toBeGreaterThanOrEqual(0)
      const byte = at + Math.floor(random() * length)
      const flipped = Buffer.from([(whole[byte] ?? 0) ^ (1 << Math.floor(random() * 8))])
      await handle.write(flipped, 0, 1, from + byte)
    } finally {
      await handle.close()
    }
  }
  return inSegments
}

test(
  `${blocks} blocks with one flipped bit each: found, none served, all read again (seed ${seed})`,
  { timeout: 240_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'skein-worker-rot-'))
    cleanups.push(() => rm(folder, { recursive: true, force: true }))
    const beneath = new FakeStore()
    for (let n = 0; n < blocks; n += 1) beneath.put(keyOf(n), 'v1', lengthOf(n))
    const rotten = await startWorker('rotten', folder, beneath, true)
    const sound = await startWorker('sound', folder, beneath, true)
    const inSegments = await flipAll(join(folder, 'rotten'), seededRandom(seed))
    expect(inSegments).toBeGreaterThan(blocks / 4)
    expect(inSegments).toBeLessThan((blocks * 3) / 4)

    const data = new DataClient({ clock: systemClock })
    cleanups.push(async () => data.close())
    const workers = [rotten.info, sound.info]
    // The client sits on the host of the rotten worker, so that it asks there first. Every third
    // file has a sound replica.
    const answer = (n: number): OpenFileResponse => ({
      file: FileInfo.fromPartial({
        fileId: fileIdOf(n + 1),
        path: `/ns/${keyOf(n)}`,
        namespaceId: 'n1',
        key: keyOf(n),
        etag: 'v1',
        length: lengthOf(n),
        blockSizeBytes: 2 ** 20,
        persistenceState: 'PERSISTED',
        replicationMax: -1,
      }),
      blocks: [{ workerIds: n % 3 === 0 ? ['rotten', 'sound'] : ['rotten'] }],
      workers,
    })
    const reading = {
      master: {
        openFile: async ({ path }: { readonly path: string }) => answer(Number(path.split('/').at(-1))),
        refreshFile: async () => ({ file: undefined }),
        listWorkers: async () => ({ workers }),
      },
      data,
      hostname: 'rotten',
      random: systemRandom,
      clock: systemClock,
      logger: silentLogger,
    }
    const reader = new FileReader({ ...reading, origin: new WorkerOriginReader(reading) })
    const readAll = async (): Promise<void> => {
      let next = 0
      const lane = async (): Promise<void> => {
        for (let n = next++; n < blocks; n = next++) {
          const chunks: Uint8Array[] = []
          for await (const chunk of reader.read(`/ns/${keyOf(n)}`, never)) chunks.push(chunk)
          expect(Buffer.concat(chunks).equals(contentOf(keyOf(n), 'v1', lengthOf(n))), `bytes of ${keyOf(n)}`).toBe(
            true,
          )
        }
      }
      await Promise.all(Array.from({ length: 8 }, lane))
    }
    await readAll()
    // Found, every one; what no replica had came from the store, once, and is kept and reported
    // again.
    expect(rotten.metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })).toBe(blocks)
    const reread = Array.from({ length: blocks }, (_, n) => n).filter((n) => n % 3 !== 0)
    expect(beneath.readBytes).toBe(reread.reduce((total, n) => total + lengthOf(n), 0))
    const blockIdsOf = (numbers: readonly number[]): number[] =>
      numbers.map((n) => headerOf(n).blockId).sort((a, b) => a - b)
    const reported = (): number[] => [...rotten.master.blocks].sort((a, b) => a - b)
    while (!isDeepEqual(reported(), blockIdsOf(reread))) await new Promise((resolve) => setTimeout(resolve, 10))
    // Once more: nothing is rotten any more, and the store is not asked.
    const readBytes = beneath.readBytes
    await readAll()
    expect(rotten.metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })).toBe(blocks)
    expect(sound.metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })).toBe(0)
    expect(beneath.readBytes).toBe(readBytes)
    for (const blockId of blockIdsOf(reread)) expect(rotten.has(blockId)).toBe(true)
  },
)

function isDeepEqual(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index])
}
