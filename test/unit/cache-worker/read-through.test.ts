// Blocks that are read through a worker: read once from their store however many want them, kept
// when there is room and the namespace says so, and never a wrong byte or a reader that waits for
// the cache.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { BlockStore } from '../../../src/block/block-store.ts'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import { createReadPolicies, type ReadPolicy } from '../../../src/cache-worker/reads/read-policies.ts'
import { createStoreReads, type StoreReadKeeping } from '../../../src/cache-worker/reads/store-reads.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import type { StoreReadRequest } from '../../../src/wire/data/data-plane.ts'
import {
  mebibyte,
  never,
  readWhole,
  storeDependencies,
  temporaryFolder,
  usedBytesOf,
} from '../../conformance/support/block-store-fixture.ts'
import { contentOf, FakeStore } from '../job-worker/support/fakes.ts'

const length = 5 * mebibyte + 17
const blockId = blockIdOf(fileIdOf(9), 0)
const content = contentOf('k', 'v1', length)
const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

interface HouseOptions {
  readonly quotaBytes?: number
  readonly policy?: ReadPolicy
  readonly limits?: StoreReadKeeping['limits']
  readonly wrap?: (store: BlockStore) => BlockStore
}

async function house({
  quotaBytes = 32 * mebibyte,
  policy = 'CACHE',
  limits,
  wrap = (store) => store,
}: HouseOptions = {}) {
  const folder = await temporaryFolder()
  const deps = storeDependencies()
  const path = join(folder.path, 'cache')
  const store = await openTiers({
    tiers: [[{ path, tier: 'SSD', mediumType: 'SSD', quotaBytes }]],
    workerId: 'w',
    annotator: { kind: 'LRU' },
    ...deps,
  })
  const origin = new FakeStore()
  origin.put('k', 'v1', length)
  const reads = createStoreReads({
    openStore: async () => origin,
    clock: systemClock,
    limits: { rangeBytes: mebibyte, rangesAhead: 2 },
    metrics: deps.metrics,
    keep: { store: wrap(store), readPolicyOf: () => Promise.resolve(policy), logger: silentLogger, limits },
  })
  cleanups.push(async () => {
    await reads.close()
    await store.close()
    await folder.remove()
  })
  const request = (offset = 0, bytes = length - offset): StoreReadRequest => ({
    namespaceId: 'n1',
    key: 'k',
    etag: 'v1',
    offset,
    length: bytes,
    block: { blockId, offset: 0, length },
  })
  const take = async (offset = 0, bytes = length - offset, pauseMs = 0, signal = never): Promise<Buffer> => {
    const { chunks } = await reads.readStore(request(offset, bytes), signal)
    const all: Uint8Array[] = []
    for await (const chunk of chunks) {
      all.push(Buffer.from(chunk))
      if (pauseMs > 0) await sleep(pauseMs)
    }
    return Buffer.concat(all)
  }
  const kept = async (): Promise<void> => {
    while (!store.has(blockId)) await sleep(2)
  }
  return { store, origin, reads, request, take, kept, path, metrics: deps.metrics }
}

describe('reading through', () => {
  test('a hundred readers of one cold block cost the store one read, and the next reader none', async () => {
    const { take, origin, store, kept, metrics } = await house()
    const all = await Promise.all(Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? take() : take(n * 1000))))
    for (const [n, bytes] of all.entries())
      expect(bytes.equals(n % 2 === 0 ? content : content.subarray(n * 1000))).toBe(true)
    await kept()
    expect(origin.readBytes).toBe(length)
    expect((await take()).equals(content)).toBe(true)
    expect(origin.readBytes).toBe(length)
    expect(metrics.get('skein_worker_read_bytes_total', { source: 'ufs' })).toBe(length)
    expect((await readWhole(store, blockId)).equals(content)).toBe(true)
    const reader = await store.open(blockId)
    expect([[...store.list()].length, reader.header]).toMatchObject([
      1,
      { blockId, length, namespaceId: 'n1', key: 'k', etag: 'v1', offset: 0 },
    ])
    await reader.close()
  })

  test('every block that a single reader reads to its end is kept, small ones and large ones', async () => {
    const { reads, origin, store } = await house({ quotaBytes: 64 * mebibyte })
    for (let n = 1; n <= 30; n += 1) {
      const bytes = n % 3 === 0 ? 1_500_000 + n : n * 1000
      const block = { blockId: n, offset: 0, length: bytes }
      origin.put(`one ${n}`, 'v1', bytes)
      const asked = { namespaceId: 'n1', key: `one ${n}`, etag: 'v1', offset: 0, length: bytes, block }
      for await (const chunk of (await reads.readStore(asked, never)).chunks) expect(chunk.length).toBeGreaterThan(0)
      while (!store.has(n)) await sleep(2)
    }
  })

  test('readers of any part, any pace and a small window get exactly their bytes', async () => {
    const readers = fc.record({
      offset: fc.nat(length - 1),
      bytes: fc.integer({ min: 1, max: length }),
      startMs: fc.nat(10),
      pauseMs: fc.nat(2),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(readers, { minLength: 1, maxLength: 8 }), fc.boolean(), async (asked, slowStore) => {
        const { take, origin } = await house({ limits: { windowBytes: 200_000, patienceMs: 20 } })
        if (slowStore) origin.beforeChunk = () => sleep(1)
        await Promise.all(
          asked.map(async ({ offset, bytes, startMs, pauseMs }) => {
            await sleep(startMs)
            const wanted = Math.min(bytes, length - offset)
            expect((await take(offset, wanted, pauseMs)).equals(content.subarray(offset, offset + wanted))).toBe(true)
          }),
        )
        // A fill may outlast its readers for a moment; if it never ended, this would not either.
        while (origin.openReads > 0) await sleep(2)
      }),
      { numRuns: 12 },
    )
  })

  test('a small part of a large block is read by itself, and nothing is kept', async () => {
    const { take, origin, store } = await house()
    expect((await take(mebibyte, 1000)).equals(content.subarray(mebibyte, mebibyte + 1000))).toBe(true)
    expect(origin.readBytes).toBe(1000)
    expect(store.blockCount).toBe(0)
  })

  test('NO_CACHE keeps nothing, but serves what is there', async () => {
    const { take, origin, store } = await house({ policy: 'NO_CACHE' })
    expect((await take()).equals(content)).toBe(true)
    expect(store.blockCount).toBe(0)
    await store.put({ blockId, length, namespaceId: 'n1', key: 'k', etag: 'v1', offset: 0 }, content)
    expect((await take()).equals(content)).toBe(true)
    expect(origin.readBytes).toBe(length)
  })

  test('no room: read all the same, kept not, and no reservation is left', async () => {
    const { take, store, origin } = await house({ quotaBytes: 2 * mebibyte })
    expect((await take()).equals(content)).toBe(true)
    expect(origin.readBytes).toBe(length)
    expect(store.blockCount).toBe(0)
    expect(usedBytesOf(store)).toBe(0)
  })

  test('a full cache evicts for it', async () => {
    const { take, store, kept } = await house({ quotaBytes: 8 * mebibyte })
    for (let id = 1; id <= 7; id += 1) {
      await store.put(
        { blockId: id, length: mebibyte, namespaceId: 'n1', key: `old ${id}`, etag: 'v', offset: 0 },
        Buffer.alloc(mebibyte),
      )
    }
    expect((await take()).equals(content)).toBe(true)
    await kept()
    expect(store.has(1)).toBe(false)
    expect(usedBytesOf(store)).toBeLessThanOrEqual(8 * mebibyte)
  })

  test('room that does not come holds no reader up', async () => {
    const stuck = Promise.withResolvers<never>()
    const wrap = (store: BlockStore): BlockStore =>
      new Proxy(store, {
        get: (target, name) => {
          if (name === 'reserve') return () => stuck.promise
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    const { take, store } = await house({ wrap, limits: { windowBytes: mebibyte } })
    for (let n = 0; n < 3; n += 1) expect((await take()).equals(content)).toBe(true)
    expect(store.blockCount).toBe(0)
    stuck.reject(new SkeinError('unavailable', 'closed'))
  })

  test('a rotten block is dropped, its bytes come from the store, and it is kept again', async () => {
    const { take, store, kept, path, origin, metrics } = await house()
    await take()
    await kept()
    const files = (await readdir(path, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    let flipped = 0
    for (const entry of files) {
      const file = join(entry.parentPath, entry.name)
      const bytes = await readFile(file)
      if (bytes.length < length) continue
      bytes[3 * mebibyte]! ^= 4
      await writeFile(file, bytes)
      flipped += 1
    }
    expect(flipped).toBe(1)
    expect((await take()).equals(content)).toBe(true)
    await kept()
    expect((await readWhole(store, blockId)).equals(content)).toBe(true)
    expect(metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })).toBe(1)
    expect(origin.readBytes).toBeGreaterThan(length)
  })

  test('a store that fails in the middle fails every reader with its error, and nothing is kept', async () => {
    const { take, store, origin } = await house()
    const changed = new SkeinError('aborted', 'changed', { reason: 'object_changed', retryable: false })
    origin.beforeChunk = (_request, at) => {
      if (at >= 3 * mebibyte) throw changed
    }
    const results = await Promise.allSettled([take(), take(), take()])
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: { reason: 'object_changed' } })
    expect(store.blockCount).toBe(0)
    while (store.reservedBytes > 0) await sleep(2)
  })

  test('the last reader that leaves ends the read; nothing is left open', async () => {
    const { reads, request, origin, store } = await house()
    origin.beforeChunk = () => sleep(1)
    const { chunks } = await reads.readStore(request(), never)
    for await (const chunk of chunks) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    while (origin.openReads > 0 || store.reservedBytes > 0) await sleep(2)
    expect(store.blockCount).toBe(0)
    expect(origin.readBytes).toBeLessThan(length)
  })

  test('a part that is not of its block is refused', async () => {
    const { reads, request } = await house()
    await expect(reads.readStore({ ...request(), length: length + 1 }, never)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })
})

test('read policies follow the definition; without a master the last one, without any nothing is kept', async () => {
  let answer: Record<string, string> | undefined = { readPolicy: 'NO_CACHE' }
  const policyOf = createReadPolicies(async () => {
    if (answer === undefined) throw new SkeinError('unavailable', 'down')
    return answer
  })
  expect(await policyOf('n', never)).toBe('NO_CACHE')
  answer = {}
  expect(await policyOf('n', never)).toBe('CACHE')
  answer = undefined
  expect(await policyOf('n', never)).toBe('CACHE')
  expect(await policyOf('other', never)).toBe('NO_CACHE')
})
