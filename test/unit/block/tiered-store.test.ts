// Why: what tiers promise, case by case, on real directories: where blocks go, what is refused, the
// work ahead of need, and promotion and its rate.
import { afterEach, describe, expect, test } from 'vitest'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { bytesOf, headerOf, readWhole, usedBytesOf } from '../../conformance/support/block-store-fixture.ts'
import { closeAll, opened } from './support/opened-tiers.ts'

afterEach(closeAll)

test('what went for room is told in one line', async () => {
  const lines: string[] = []
  const logger = createLogger('info', (line) => lines.push(line), Date.now)
  const { store, put } = await opened([2, 2], { logger })
  for (const id of [1, 2, 3, 4]) await put(id)
  await put(5, true)
  await store.close()
  const told = lines
    .filter((line) => line.includes('room was made in the tiers'))
    .map((line): unknown => JSON.parse(line))
  expect(told).toMatchObject([{ movedBlocks: 3, movedBytes: 300, evictedBlocks: 1, evictedBytes: 100 }])
})

describe('a new block', () => {
  test('goes to the top, the coldest go down, the last tier deletes only for a writer that may', async () => {
    const { store, put, levels, deps } = await opened([2, 2])
    for (const id of [1, 2, 3, 4]) await put(id)
    expect(levels(1, 2, 3, 4)).toEqual([1, 1, 0, 0])
    await expect(put(5)).rejects.toMatchObject({
      code: 'resource_exhausted',
      reason: 'no_capacity',
      message: expect.stringContaining('100 bytes are missing'),
    })
    await put(5, true)
    expect(levels(1, 2, 3, 4, 5)).toEqual([undefined, 1, 1, 0, 0])
    expect(deps.events.lines).toEqual(['+1', '+2', '+3', '+4', '-1 evicted', '+5'])
    for (const id of [2, 3, 4, 5]) expect((await readWhole(store, id)).equals(bytesOf(100, id))).toBe(true)
  })

  test('is refused where all is pinned, read or durable, and goes further down where only the top is', async () => {
    const { store, put, levels } = await opened([4])
    await store.put(headerOf(1, 100), bytesOf(100, 1), { loadId: 'load-1' })
    await store.put({ ...headerOf(2, 100), durable: true }, bytesOf(100, 2))
    for (const id of [3, 4]) await put(id)
    store.setPinned(3, true)
    const reader = await store.open(4)
    await expect(put(5, true)).rejects.toMatchObject({ reason: 'no_capacity' })
    await reader.close()
    await put(5, true)
    expect(levels(1, 2, 3, 4, 5)).toEqual([0, 0, 0, undefined, 0])
    const two = await opened([1, 1])
    two.store.setPinned(1, true)
    await two.put(1)
    await two.put(2)
    expect(two.levels(1, 2)).toEqual([0, 1])
  })

  test('that a load writes moves the blocks of the load, and deletes none', async () => {
    const { store, put, levels } = await opened([1, 3])
    const byLoad = (id: number): Promise<void> =>
      store.put(headerOf(id, 100), bytesOf(100, id), { evict: true, loadId: 'load-1' })
    for (const id of [1, 2, 3, 4]) await byLoad(id)
    expect(levels(1, 2, 3, 4)).toEqual([1, 1, 1, 0])
    await expect(byLoad(5)).rejects.toMatchObject({ reason: 'no_capacity' })
    await expect(put(5, true)).rejects.toMatchObject({ reason: 'no_capacity' })
    store.setRunningLoads(['load-1', 'load-2'])
    await expect(put(5, true)).rejects.toMatchObject({ reason: 'no_capacity' })
    store.setRunningLoads(undefined)
    await expect(put(5, true)).rejects.toMatchObject({ reason: 'no_capacity' })
    store.setRunningLoads(['load-2'])
    await put(5, true)
    expect(levels(1, 2, 3, 4, 5)).toEqual([undefined, 1, 1, 1, 0])
  })

  test('that a load wrote before any list knew the load is protected for some lists', async () => {
    const { store, put } = await opened([1])
    await store.put(headerOf(1, 100), bytesOf(100, 1), { loadId: 'load-1' })
    for (let list = 0; list < 9; list += 1) store.setRunningLoads([])
    await expect(put(2, true)).rejects.toMatchObject({ reason: 'no_capacity' })
    store.setRunningLoads([])
    await put(2, true)
    expect(store.has(1)).toBe(false)
  })

  test('that is durable is never deleted, until it is released', async () => {
    const first = await opened([2])
    for (const id of [1, 2]) await first.store.put({ ...headerOf(id, 100), durable: true }, bytesOf(100, id))
    await expect(first.put(3, true)).rejects.toMatchObject({ reason: 'no_capacity' })
    const second = await first.reopen()
    await expect(second.put(3, true)).rejects.toMatchObject({ reason: 'no_capacity' })
    await second.store.release(2)
    await second.store.release(2)
    await second.store.release(77)
    const third = await second.reopen()
    expect([...third.store.list()].map(({ blockId, durable }) => [blockId, durable === true])).toEqual(
      expect.arrayContaining([
        [1, true],
        [2, false],
      ]),
    )
    expect((await readWhole(third.store, 2)).equals(bytesOf(100, 2))).toBe(true)
    await third.put(3, true)
    expect([1, 2, 3].map((id) => third.store.has(id))).toEqual([true, false, true])
    expect(third.deps.metrics.get('skein_worker_blocks_removed_total', { reason: 'evicted' })).toBe(1)
  })

  test('waits for room with all others, and each gets it', async () => {
    const { store, put } = await opened([4, 8])
    for (let id = 0; id < 60; id += 6) await Promise.all([0, 1, 2, 3, 4, 5].map((more) => put(id + more, true)))
    expect([store.blockCount, usedBytesOf(store)]).toEqual([12, 1200])
  })

  test('finds room while others are on their way down', async () => {
    const { store, put } = await opened([4, 8], { limits: { watermarks: [{ highRatio: 0.9, lowRatio: 0.8 }] } })
    await Promise.all(Array.from({ length: 12 }, (_, id) => put(id)))
    await store.settle()
    expect(store.blockCount).toBe(12)
  })
})

describe('ahead of need', () => {
  const watermarks = { highRatio: 0.8, lowRatio: 0.5 }

  test('a tier that was filled above the high watermark goes down to the low one', async () => {
    const { store, put, levels } = await opened([10, 100], { limits: { watermarks: [watermarks] } })
    for (let id = 1; id <= 8; id += 1) await put(id)
    await store.settle()
    expect(levels(1, 8)).toEqual([0, 0])
    await put(9)
    await store.settle()
    expect(levels(1, 2, 3, 4, 5, 6, 7, 8, 9)).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 0])
  })

  test('the last tier is left alone where it has no watermarks, whatever the others have', async () => {
    const { store, put, deps } = await opened([2, 10], { limits: { watermarks: [watermarks] } })
    for (let id = 1; id <= 12; id += 1) await put(id, id % 2 === 0)
    await store.settle()
    expect(store.blockCount).toBe(12)
    expect(deps.events.lines.filter((line) => line.startsWith('-'))).toEqual([])
  })

  test('the last tier deletes its coldest blocks where it has watermarks, and nothing that must stay', async () => {
    const { store, put, deps } = await opened([10], { limits: { watermarks: [watermarks] } })
    await store.put({ ...headerOf(1, 100), durable: true }, bytesOf(100, 1))
    await store.put(headerOf(2, 100), bytesOf(100, 2), { loadId: 'load-1' })
    for (let id = 3; id <= 8; id += 1) await put(id)
    await store.settle()
    expect(store.blockCount).toBe(8)
    await put(9)
    await store.settle()
    expect(store.blockCount).toBe(5)
    expect(deps.events.lines.filter((line) => line.startsWith('-'))).toEqual([3, 4, 5, 6].map((id) => `-${id} evicted`))
  })

  test('more is freed than a writer needs', async () => {
    const { store, put } = await opened([10], { limits: { freeAheadBytes: 300 } })
    for (let id = 1; id <= 10; id += 1) await put(id, true)
    await store.settle()
    expect(store.blockCount).toBe(10)
    await put(11, true)
    await store.settle()
    expect(usedBytesOf(store)).toBeLessThanOrEqual(700)
    expect(usedBytesOf(store)).toBeGreaterThanOrEqual(600)
  })
})

describe('a read', () => {
  test('brings a block up, at the cost of colder ones, no faster than the rate', async () => {
    const { store, put, levels, deps } = await opened([2, 4], { promotionBytesPerSecond: 100 })
    for (const id of [1, 2, 3, 4]) await put(id)
    await readWhole(store, 1)
    await store.settle()
    expect(levels(1, 2, 3, 4)).toEqual([0, 1, 1, 0])
    await readWhole(store, 2)
    await store.settle()
    expect(levels(2)).toEqual([1])
    deps.clock.passMs(1000)
    await readWhole(store, 2)
    await store.settle()
    expect(levels(1, 2, 3, 4)).toEqual([0, 0, 1, 1])
    expect(deps.metrics.get('skein_worker_blocks_promoted_total')).toBe(2)
    expect(deps.events.lines).toEqual(['+1', '+2', '+3', '+4'])
  })

  test('brings nothing up where something would have to be deleted for it', async () => {
    const { store, put, levels } = await opened([1, 1])
    await put(1)
    await put(2)
    await readWhole(store, 1)
    await store.settle()
    expect(levels(1, 2)).toEqual([1, 0])
  })

  test('of a block that moves is served throughout', async () => {
    const { store, put } = await opened([2, 100], {
      limits: { watermarks: [{ highRatio: 0.9, lowRatio: 0.5 }] },
      promotionBytesPerSecond: 2 ** 26,
    })
    for (let id = 1; id <= 40; id += 1) await put(id)
    const reads = Array.from({ length: 200 }, async (_, n) => {
      const id = 1 + (n % 40)
      expect((await readWhole(store, id)).equals(bytesOf(100, id))).toBe(true)
    })
    await Promise.all(reads)
    await store.settle()
    expect([store.blockCount, usedBytesOf(store)]).toEqual([40, 4000])
  })
})

describe('what came in', () => {
  test('counts once, however often it is moved', async () => {
    const { store, put, deps, levels } = await opened([1, 2])
    for (const id of [1, 2, 3]) await put(id)
    expect(levels(1, 2, 3)).toEqual([1, 1, 0])
    const reservation = await store.reserve(headerOf(4, 100), { evict: true })
    await reservation.write(bytesOf(100, 4))
    await reservation.commit()
    expect(deps.metrics.get('skein_worker_written_bytes_total')).toBe(400)
  })
})
