// Small blocks of this host that are read ahead: the right bytes, or none. Against a real store and
// its real service.
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlockStore } from '../../../src/block/block-store.ts'
import { openBlockStore } from '../../../src/block/assembly/multi-directory-store.ts'
import { createWorkerService } from '../../../src/cache-worker/block-calls.ts'
import type { NearBlock } from '../../../src/client/read/near-block.ts'
import { SmallBlocks } from '../../../src/client/read/small-blocks.ts'
import type { LocateBlockResponse, WorkerServiceDefinition } from '../../../src/wire/generated/worker.ts'
import type { Service } from '../../../src/wire/service.ts'
import { WorkerInfo } from '../../../src/wire/generated/master.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  noEviction,
  type StoreDependencies,
  storeDependencies,
  temporaryFolder,
} from '../../conformance/support/block-store-fixture.ts'
import { ManualClock } from './support/manual-clock.ts'

const lengths = new Map([
  [1, 16_000],
  [2, 1],
  [3, 100_000],
  [4, 5000],
])
/** In a file of its own. */
const largeId = 9
let root: string
let store: BlockStore
let deps: StoreDependencies
let service: Service<WorkerServiceDefinition>
let small: SmallBlocks
let clock: ManualClock
/** Blocks that were read, and how long they were. */
let told: number[]
const onRead = ({ blockId }: NearBlock, bytes: Uint8Array): void => void told.push(blockId, bytes.length)
let cleanups: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  const folder = await temporaryFolder()
  root = join(folder.path, 'directory')
  deps = storeDependencies()
  store = await openBlockStore({
    directories: [{ path: root, tier: 'SSD', mediumType: 'SSD', quotaBytes: 64 * mebibyte }],
    workerId: 'w1',
    segments: { blockBytesMax: mebibyte },
    ...deps,
  })
  cleanups = [folder.remove, () => store.close()]
  for (const [id, length] of lengths) await store.put(headerOf(id, length), bytesOf(length, id))
  await store.put(headerOf(largeId, mebibyte + 1), bytesOf(mebibyte + 1, largeId))
  const worker = { workerId: 'w1', hostname: 'here', home: root, store, eviction: noEviction }
  service = createWorkerService({ ...worker, clock: deps.clock, metrics: deps.metrics }).service
  clock = new ManualClock()
  small = new SmallBlocks({ bytesMax: 200_000, clock })
  told = []
})
afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
})

const wanted = (...ids: number[]): NearBlock[] =>
  ids.map((blockId) => {
    const length = lengths.get(blockId) ?? mebibyte + 1
    const expected = { ...headerOf(blockId, length), keyMoved: false }
    return { worker: WorkerInfo.fromPartial({ workerId: 'w1' }), blockId, length, expected }
  })

async function locate(...blockIds: number[]): Promise<LocateBlockResponse[]> {
  return (await service.locateBlocks({ blockIds }, { signal: never })).blocks
}

async function read(blocks: readonly NearBlock[], located?: LocateBlockResponse[]): Promise<number[]> {
  await small.read(blocks, located ?? (await locate(...blocks.map(({ blockId }) => blockId))), [root], onRead)
  return blocks.flatMap(({ blockId, length }) => {
    const bytes = small.get(blockId)
    if (bytes === undefined) return []
    expect(Buffer.from(bytes).equals(bytesOf(length, blockId))).toBe(true)
    return blockId
  })
}

async function flipByte({ path, dataOffset }: LocateBlockResponse): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, dataOffset)
  byte[0] = (byte[0] ?? 0) ^ 1
  await file.write(byte, 0, 1, dataOffset)
  await file.close()
}

describe('SmallBlocks', () => {
  test('reads records of segments, and the worker counts them', async () => {
    expect(await read(wanted(1, 2, 3, 4, largeId))).toEqual([1, 2, 3, 4])
    const counted = deps.metrics.get('skein_worker_read_bytes_total', { source: 'local' })
    expect(counted).toBe(16_000 + 1 + 100_000 + 5000 + mebibyte + 1)
  })

  test('leaves out what a worker does not have', async () => {
    await store.free(2)
    expect(await read(wanted(1, 2))).toEqual([1])
    expect(told).toEqual([1, 16_000])
  })

  test('leaves out what is rotten, of another version, or not where it was', async () => {
    const located = await locate(1, 2, 3, 4)
    await flipByte(located[0]!)
    const [one, two, three, four] = wanted(1, 2, 3, 4)
    const otherVersion = { ...two!, expected: { ...two!.expected, etag: 'new' } }
    const moved = { ...located[2]!, dataOffset: located[2]!.dataOffset + 1, headOffset: located[2]!.headOffset + 1 }
    expect(await read([one!, otherVersion, three!, four!], [located[0]!, located[1]!, moved, located[3]!])).toEqual([4])
  })

  test('opens only files of blocks in the registered directories', async () => {
    const [one] = await locate(1)
    await small.read(wanted(1), [{ ...one!, path: join(root, 'elsewhere') }], [root], onRead)
    await small.read(wanted(1), [one!], [join(root, 'other')], onRead)
    expect([small.get(1), told]).toEqual([undefined, []])
  })

  test('keeps no more than its limit, and nothing for long', async () => {
    expect(await read(wanted(3))).toEqual([3])
    small = new SmallBlocks({ bytesMax: 110_000, clock })
    expect(await read(wanted(1, 3, 4))).toEqual([3, 4])
    expect(small.bytes).toBe(105_000)
    clock.passMs(1000)
    await read(wanted(2))
    clock.passMs(1000)
    expect([small.bytes, small.get(2)?.length]).toEqual([1, 1])
    clock.passMs(2000)
    expect([small.bytes, clock.waiting]).toEqual([0, 0])
  })
})
