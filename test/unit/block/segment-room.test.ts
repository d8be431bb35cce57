// Why: what a directory has on its disk must stay near its quota, whatever is freed and written
// again, and no block that is there may pay for it. How: a full directory is rewritten at random,
// and its disk is looked at all the time.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import { segmentLimits } from '../../../src/block/segment/segment-limits.ts'
import { SegmentTable } from '../../../src/block/segment/segment-table.ts'
import { bytesOf, headerOf, mebibyte, readWhole, usedBytesOf } from '../../conformance/support/block-store-fixture.ts'
import { freeAll, kibibyte, putAll, range, segmentDirectory } from './support/segment-directory.ts'

const directory = segmentDirectory()
const { open, bytesOnDisk } = directory
const segmentBytes = 256 * kibibyte

/** Of all segments at one moment: nothing comes or goes between two looks. */
function bytesNow(): number {
  const folder = join(directory.root, 'segments')
  const sizes = readdirSync(folder).map((name) =>
    name.endsWith('.seg') ? (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0) : 0,
  )
  return sizes.reduce((total, size) => total + size, 0)
}

describe('the disk of a full directory', () => {
  test('holds no more than the quota, three segments and the heads, and no block goes for it', async () => {
    const quotaBytes = 8 * mebibyte
    // So slow that only urgent compaction can keep up.
    const { store, deps } = await open(
      { background: true, segmentBytes, compactionBytesPerSecond: 64 * kibibyte },
      quotaBytes,
    )
    const blockBytes = 8 * kibibyte
    const there = range(0, quotaBytes / blockBytes)
    await putAll(store, there, blockBytes)
    expect(usedBytesOf(store)).toBe(quotaBytes)
    const random = seededRandom(5)
    let next = there.length
    let most = 0
    let looking = true
    const look = (async () => {
      while (looking) {
        most = Math.max(most, bytesNow())
        await setImmediate()
      }
    })()
    for (let round = 0; round < 100; round += 1) {
      const going = new Set(Array.from({ length: 40 }, () => Math.floor(random() * there.length)))
      await Promise.all(
        [...going].map(async (at) => {
          await store.free(there[at] ?? -1)
          const id = (next += 1)
          await store.put(headerOf(id, blockBytes), bytesOf(blockBytes, id))
          there[at] = id
        }),
      )
    }
    looking = false
    await look
    const headBytes = there.length * 200
    expect(most).toBeLessThanOrEqual(quotaBytes + 3 * segmentBytes + headBytes)
    // It was under pressure.
    expect(most).toBeGreaterThan(quotaBytes + segmentBytes / 2)
    expect(usedBytesOf(store)).toBe(quotaBytes)
    expect([...store.list()].map(({ blockId }) => blockId).toSorted((a, b) => a - b)).toEqual(
      there.toSorted((a, b) => a - b),
    )
    for (const id of there.slice(0, 50))
      expect((await readWhole(store, id)).equals(bytesOf(blockBytes, id)), `block ${id}`).toBe(true)
    expect(deps.events.lines.filter((line) => line.startsWith('-') && !line.endsWith('freed'))).toEqual([])
  })

  test('takes a block in a file into account, which waits for the room', async () => {
    const quotaBytes = 4 * mebibyte
    const settings = { blockBytesMax: 8 * kibibyte, segmentBytes, compactionBytesPerSecond: 1 }
    const first = await open({ ...settings, background: false }, quotaBytes)
    await putAll(first.store, range(0, 512), 8 * kibibyte)
    // Of each segment every fourth: too little to be compacted for its own sake.
    const kept = range(0, 512).filter((id) => id % 4 !== 0)
    await freeAll(
      first.store,
      range(0, 512).filter((id) => id % 4 === 0),
    )
    await first.store.close()
    expect(await bytesOnDisk()).toBeGreaterThan(quotaBytes)
    const { store } = await open({ ...settings, background: true }, quotaBytes)
    const reservation = await store.reserve(headerOf(1000, mebibyte))
    expect(await bytesOnDisk()).toBeLessThanOrEqual(3 * mebibyte + 2 * segmentBytes + segmentBytes + 512 * 200)
    await reservation.write(bytesOf(mebibyte, 1000))
    await reservation.commit()
    expect([...store.list()].map(({ blockId }) => blockId)).toEqual(expect.arrayContaining([...kept, 1000]))
    expect(usedBytesOf(store)).toBe(quotaBytes)
  })

  test('writers do not wait for a compaction that fails', async () => {
    const quotaBytes = 4 * mebibyte
    const { store } = await open({ background: true, segmentBytes, compactionBytesPerSecond: 1 }, quotaBytes)
    await putAll(store, range(0, 512), 8 * kibibyte)
    const fault = vi.spyOn(SegmentTable.prototype, 'neededWithout').mockImplementation(() => {
      throw new Error('planted')
    })
    try {
      for (const round of range(0, 8)) {
        await freeAll(store, range(64 * round, 64 * (round + 1)))
        await putAll(store, range(1000 + 64 * round, 1000 + 64 * (round + 1)), 8 * kibibyte)
      }
      expect(store.blockCount).toBe(512)
      expect(fault).toHaveBeenCalled()
    } finally {
      fault.mockRestore()
    }
  })

  test('writers that wait for room are told when the store is closed', async () => {
    const quotaBytes = 4 * mebibyte
    const { store } = await open({ background: true, segmentBytes, compactionBytesPerSecond: 1 }, quotaBytes)
    await putAll(store, range(0, 512), 8 * kibibyte)
    await freeAll(
      store,
      range(0, 512).filter((id) => id % 3 === 0),
    )
    const writing = Promise.allSettled(
      range(1000, 1170).map((id) => store.put(headerOf(id, 8 * kibibyte), bytesOf(8 * kibibyte, id))),
    )
    await store.close()
    for (const result of await writing)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ reason: 'stopping' })
  })
})

test.each([
  [2 ** 40, undefined, { segmentBytes: 256 * mebibyte, excessBytes: 2 ** 35, freeHeadBytes: 2 ** 35 }],
  [
    1024 * mebibyte,
    undefined,
    { segmentBytes: 32 * mebibyte, excessBytes: 32 * mebibyte, freeHeadBytes: 32 * mebibyte },
  ],
  [64 * mebibyte, undefined, { segmentBytes: 4 * mebibyte, excessBytes: 4 * mebibyte, freeHeadBytes: 4 * mebibyte }],
  [64 * mebibyte, mebibyte, { segmentBytes: mebibyte, excessBytes: 2 * mebibyte, freeHeadBytes: 4 * mebibyte }],
])('the bounds of a quota of %d bytes, asked for segments of %s', (quotaBytes, wantedBytes, limits) => {
  expect(segmentLimits(quotaBytes, wantedBytes)).toEqual(limits)
})

describe('the heads of very many very small blocks', () => {
  test('are charged to the quota beyond 4 MiB, and given back', async () => {
    const quotaBytes = 24 * mebibyte
    const { store } = await open({ background: true, segmentBytes: 4 * mebibyte }, quotaBytes)
    const blocks = 30_000
    for (let from = 0; from < blocks; from += 3000) await putAll(store, range(from, from + 3000), 100)
    const charged = usedBytesOf(store) - blocks * 100
    expect(charged).toBeGreaterThan(blocks * 2 * 80 - 4 * mebibyte)
    expect(charged).toBeLessThan(blocks * 2 * 180 - 4 * mebibyte)
    const tooLong = quotaBytes - blocks * 100 - charged + 1
    await expect(store.reserve(headerOf(99_999, tooLong))).rejects.toMatchObject({ reason: 'no_capacity' })
    const reservation = await store.reserve(headerOf(99_999, tooLong - 1))
    await reservation.abort()
    await freeAll(store, range(0, blocks))
    expect(usedBytesOf(store)).toBe(0)
  })
})
