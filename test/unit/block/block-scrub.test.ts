// Why: rot that no reader has met yet must be found, and must never be served. How: one bit of each
// of a thousand blocks is flipped on disk, anywhere in its file or record, in segments and in
// files; one pass must find them all.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { seededRandom, systemClock, type Clock } from '../../../src/base/clock.ts'
import { BlockScrub } from '../../../src/block/assembly/block-scrub.ts'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import { openBlockStore } from '../../../src/block/assembly/multi-directory-store.ts'
import { type BytesOnDisk, recordsIn } from '../../conformance/support/segment-fixture.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  readWhole,
  storeDependencies,
  temporaryFolder,
} from '../../conformance/support/block-store-fixture.ts'

let root = ''
let cleanups: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  const folder = await temporaryFolder()
  root = folder.path
  cleanups = [folder.remove]
})
afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
})

async function opened(blockBytesMax: number) {
  const deps = storeDependencies()
  const directories = ['a', 'b'].map((name) => ({
    path: join(root, name),
    tier: 'SSD',
    mediumType: 'SSD',
    quotaBytes: 64 * mebibyte,
  }))
  const segments = { blockBytesMax, segmentBytes: mebibyte, background: false }
  const store = await openBlockStore({ directories, workerId: 'w', segments, ...deps })
  cleanups.push(() => store.close())
  const scrub = new BlockScrub({ stores: [store], bytesPerSecond: 1e12, ...deps })
  return { store, deps, scrub }
}

/** Where each block's bytes are, with what stands around them. */
async function placesOf(): Promise<BytesOnDisk[]> {
  const places: BytesOnDisk[] = []
  for (const name of ['a', 'b']) {
    for (const found of await recordsIn(join(root, name))) if (found.record.kind === 'block') places.push(found)
    for (const entry of await readdir(join(root, name, 'blocks'), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile()) places.push({ path, from: 0, length: (await readFile(path)).length, isFile: true })
    }
  }
  return places
}

async function flipOneBitOfEach(places: readonly BytesOnDisk[]): Promise<void> {
  const random = seededRandom(42)
  for (const path of new Set(places.map((place) => place.path))) {
    const bytes = await readFile(path)
    for (const { from, length } of places.filter((place) => place.path === path)) {
      const at = from + Math.floor(random() * length)
      bytes.writeUInt8((bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8)), at)
    }
    await writeFile(path, bytes)
  }
}

describe('a pass over all blocks', () => {
  test.each([
    ['segments', mebibyte],
    ['files', 0],
  ])('finds every one of 1000 flipped bits in %s, and none is served', async (_, blockBytesMax) => {
    const { store, deps, scrub } = await opened(blockBytesMax)
    const lengthOf = (id: number): number => 1 + ((id * 37) % 3000)
    for (let id = 1; id <= 1200; id += 1) await store.put(headerOf(id, lengthOf(id)), bytesOf(lengthOf(id), id))
    const places = await placesOf()
    expect(places).toHaveLength(1200)
    await flipOneBitOfEach(places.slice(0, 1000))
    // The first ones are read before the scrub comes to them.
    const served = (id: number): Promise<Buffer | string> =>
      readWhole(store, id).catch((thrown: { code: string }) => thrown.code)
    for (let id = 1; id <= 200; id += 1) {
      const answer = await served(id)
      expect(answer === 'data_loss' || (answer instanceof Buffer && answer.equals(bytesOf(lengthOf(id), id)))).toBe(
        true,
      )
    }
    await scrub.pass(never)
    expect([store.blockCount, deps.metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })]).toEqual([
      200, 1000,
    ])
    expect(deps.events.lines.filter((line) => line.endsWith(' corrupt'))).toHaveLength(1000)
    for (let id = 1; id <= 1200; id += 1) {
      const answer = await served(id)
      expect(answer === 'not_found' || (answer instanceof Buffer && answer.equals(bytesOf(lengthOf(id), id)))).toBe(
        true,
      )
    }
    const bytes = [...store.list()].reduce((total, header) => total + header.length, 0)
    expect(await scrub.pass(never)).toEqual({ blocks: 200, bytes, corrupt: 0 })
  })

  test('goes no faster than its rate, counts what it reads, and ends when it is told', async () => {
    const { store, deps } = await opened(0)
    for (let id = 1; id <= 3; id += 1) await store.put(headerOf(id, 2 * mebibyte), bytesOf(2 * mebibyte, id))
    const slept: number[] = []
    const stop = new AbortController()
    const clock: Clock = {
      ...systemClock,
      monotonicMs: () => 5000 + slept.reduce((total, ms) => total + ms, 0),
      sleep: (ms) => {
        slept.push(ms)
        if (slept.length === 5) stop.abort()
        return Promise.resolve()
      },
    }
    const scrub = new BlockScrub({ stores: [store], bytesPerSecond: mebibyte, ...deps, clock })
    await expect(scrub.pass(stop.signal)).rejects.toMatchObject({ code: 'cancelled' })
    expect(slept).toEqual([1000, 1000, 1000, 1000, 1000])
    expect(deps.metrics.get('skein_worker_scrubbed_bytes_total')).toBe(5 * mebibyte)
  })

  test('uses one memory for all pages', async () => {
    const { store, scrub } = await opened(0)
    for (let id = 1; id <= 3; id += 1) await store.put(headerOf(id, 2 * mebibyte), bytesOf(2 * mebibyte, id))
    const memories = new Set<ArrayBufferLike>()
    const open = store.open.bind(store)
    vi.spyOn(store, 'open').mockImplementation(async (blockId) => {
      const reader = await open(blockId)
      const read = reader.read.bind(reader)
      vi.spyOn(reader, 'read').mockImplementation(async (...words) => {
        const page = await read(...words)
        memories.add(page.buffer)
        return page
      })
      return reader
    })
    expect(await scrub.pass(never)).toMatchObject({ blocks: 3, bytes: 6 * mebibyte })
    expect(memories.size).toBe(1)
  })

  test('is made by a worker of its own accord, and touches no block', async () => {
    const tasks: (() => void)[] = []
    const schedule: Clock['schedule'] = (ms, task) => {
      if (ms >= 60_000) tasks.push(task)
      return () => undefined
    }
    const clock: Clock = { ...systemClock, schedule }
    const deps = { ...storeDependencies(), clock }
    const tiers = [300, 300].map((quotaBytes, level) => [
      { path: join(root, `tier-${level}`), tier: `T${level}`, mediumType: 'SSD', quotaBytes },
    ])
    const options = {
      tiers,
      workerId: 'w',
      annotator: { kind: 'LRU' },
      promotionBytesPerSecond: 1e9,
      scrubBytesPerSecond: 1e9,
    } as const
    const store = await openTiers({ ...options, ...deps })
    cleanups.push(() => store.close())
    for (let id = 1; id <= 5; id += 1) await store.put(headerOf(id, 100), bytesOf(100, id))
    const levels = (): unknown[] => [1, 2, 3, 4, 5].map((id) => store.levelOf(id))
    const before = levels()
    tasks.shift()?.()
    await expect.poll(() => deps.metrics.get('skein_worker_scrubbed_bytes_total')).toBe(500)
    await expect.poll(() => tasks).toHaveLength(1)
    await store.settle()
    expect(levels()).toEqual(before)
    // The coldest is still the coldest.
    for (const id of [6, 7]) await store.put(headerOf(id, 100), bytesOf(100, id), { evict: true })
    expect([store.has(1), store.has(2)]).toEqual([false, true])
  })
})
