// Why: what every BlockStore must do, however it keeps the bytes. Each implementation's test file
// calls this with a maker.
import { writeFile } from 'node:fs/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { pageChecksums } from '../../../src/base/page-checksum.ts'
import type { BlockStore } from '../../../src/block/block-store.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  readWhole,
  type StoreDependencies,
  storeDependencies,
  usedBytesOf,
} from './block-store-fixture.ts'

export interface BlockStoreStorage<Store extends BlockStore = BlockStore> {
  /**
   * A store on the same storage with this much room for one block, and twice as much at most in
   * all.
   */
  open(quotaBytes: number, deps: StoreDependencies): Promise<Store>
  dispose(): Promise<void>
}

/** @param keeps what a store that is only a part of others need not keep */
export function blockStoreConformance(
  name: string,
  make: () => Promise<BlockStoreStorage>,
  keeps = { durable: true },
): void {
  describe(`${name} is a BlockStore`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
    })

    async function opened(quotaBytes = 8 * mebibyte) {
      const storage = await make()
      cleanups.push(() => storage.dispose())
      const deps = storeDependencies()
      const open = async (): Promise<BlockStore> => {
        const store = await storage.open(quotaBytes, deps)
        cleanups.push(() => store.close())
        return store
      }
      const store = await open()
      return {
        store,
        deps,
        reopen: open,
        capacityBytes: store.usage().reduce((total, usage) => total + usage.quotaBytes, 0),
      }
    }

    test.each([0, 1, 16_384, 300_000, mebibyte, mebibyte + 1, 3 * mebibyte + 17])(
      'a block of %i bytes comes back as it went in, by put and by writes',
      async (length) => {
        const { store, deps } = await opened()
        const bytes = bytesOf(length, length)
        await store.put(headerOf(1, length), bytes)
        const reservation = await store.reserve(headerOf(2, length))
        expect(store.has(2)).toBe(false)
        for (let at = 0; at < length; at += 70_001) await reservation.write(bytes.subarray(at, at + 70_001))
        await reservation.commit()
        for (const id of [1, 2]) {
          expect((await readWhole(store, id)).equals(bytes)).toBe(true)
          expect(store.has(id)).toBe(true)
          const reader = await store.open(id)
          expect(reader.header).toEqual(headerOf(id, length))
          await reader.close()
        }
        expect(
          Array.from(store.list(), (block) => [block.blockId, block.length]).sort(([a = 0], [b = 0]) => a - b),
        ).toEqual([
          [1, length],
          [2, length],
        ])
        expect(store.blockCount).toBe(2)
        expect(usedBytesOf(store)).toBe(2 * length)
        expect(store.reservedBytes).toBe(0)
        expect(deps.events.lines).toEqual(['+1', '+2'])
      },
    )

    test('ranges are the same bytes as of the whole', async () => {
      const { store } = await opened()
      const length = 2 * mebibyte + 500
      const bytes = bytesOf(length, 7)
      await store.put(headerOf(1, length), bytes)
      const reader = await store.open(1)
      for (const [offset, count] of [
        [0, 1],
        [mebibyte - 1, 2],
        [mebibyte, mebibyte],
        [17, 2 * mebibyte],
        [length - 1, 1],
        [length, 0],
        [length - 600, 600],
      ] as const) {
        expect(
          Buffer.from(await reader.read(offset, count, never)).equals(bytes.subarray(offset, offset + count)),
        ).toBe(true)
      }
      for (const [offset, count] of [
        [-1, 1],
        [0, length + 1],
        [length, 1],
        [0.5, 1],
        [0, -1],
      ] as const) {
        await expect(reader.read(offset, count, never)).rejects.toMatchObject({ code: 'invalid_argument' })
      }
      await expect(reader.read(0, 1, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' })
      await reader.close()
      await reader.close()
      await expect(reader.read(0, 1, never)).rejects.toMatchObject({ code: 'failed_precondition' })
    })

    test('a block has one writer and one life', async () => {
      const { store } = await opened()
      const bytes = bytesOf(100, 1)
      const reservation = await store.reserve(headerOf(1, 100))
      await expect(store.reserve(headerOf(1, 100))).rejects.toMatchObject({
        code: 'already_exists',
        reason: 'being_written',
        retryable: true,
      })
      await expect(store.put(headerOf(1, 100), bytes)).rejects.toMatchObject({
        code: 'already_exists',
        reason: 'being_written',
      })
      await reservation.write(bytes)
      await reservation.commit()
      await expect(store.reserve(headerOf(1, 100))).rejects.toMatchObject({
        code: 'already_exists',
        reason: 'committed',
      })
      await expect(store.put(headerOf(1, 100), bytes)).rejects.toMatchObject({
        code: 'already_exists',
        reason: 'committed',
      })
      expect(usedBytesOf(store)).toBe(100)
    })

    test('of many writers of one block at once one wins, and the bytes count once', async () => {
      const { store } = await opened()
      const results = await Promise.allSettled(
        Array.from({ length: 20 }, (_, n) =>
          n % 2 === 0 ? store.put(headerOf(5, 50), bytesOf(50, 5)) : store.reserve(headerOf(5, 50)),
        ),
      )
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
      expect(usedBytesOf(store)).toBe(50)
    })

    test('writers at the same time never get more than the quota together', async () => {
      const { store, capacityBytes } = await opened(1000)
      const results = await Promise.allSettled(
        Array.from({ length: 50 }, (_, n) => store.put(headerOf(n, 300), bytesOf(300, n))),
      )
      const written = results.filter((result) => result.status === 'fulfilled').length
      expect(written * 300).toBe(usedBytesOf(store))
      expect(usedBytesOf(store)).toBeLessThanOrEqual(capacityBytes)
      expect(capacityBytes - usedBytesOf(store)).toBeLessThan(300 * store.usage().length)
    })

    test('a block without room is refused and says how many bytes are missing', async () => {
      const { store } = await opened(1000)
      await expect(store.reserve(headerOf(1, 1234))).rejects.toMatchObject({
        code: 'resource_exhausted',
        reason: 'no_capacity',
        retryable: false,
        message: expect.stringContaining('234 bytes are missing'),
      })
      await expect(store.put(headerOf(1, 1234), bytesOf(1234, 1))).rejects.toMatchObject({ reason: 'no_capacity' })
      expect(usedBytesOf(store)).toBe(0)
      await store.put(headerOf(1, 1000), bytesOf(1000, 1))
      expect(store.has(1)).toBe(true)
    })

    test('reserved bytes count until they are given back', async () => {
      const { store } = await opened(1000)
      const reservation = await store.reserve(headerOf(1, 900))
      expect([usedBytesOf(store), store.reservedBytes]).toEqual([900, 900])
      await reservation.abort()
      expect([usedBytesOf(store), store.reservedBytes]).toEqual([0, 0])
      expect(reservation.ended).toBe(true)
      await reservation.abort()
      await expect(reservation.write(bytesOf(1, 1))).rejects.toMatchObject({
        code: 'aborted',
        reason: 'reservation_ended',
      })
      await expect(reservation.commit()).rejects.toMatchObject({ code: 'aborted' })
      expect(usedBytesOf(store)).toBe(0)
    })

    test('a block that is not all there is not committed', async () => {
      const { store, deps } = await opened()
      const reservation = await store.reserve(headerOf(1, 100))
      await reservation.write(bytesOf(99, 1))
      await expect(reservation.commit()).rejects.toMatchObject({ code: 'data_loss' })
      expect([store.has(1), usedBytesOf(store), reservation.ended]).toEqual([false, 0, true])
      const second = await store.reserve(headerOf(1, 100))
      await expect(second.write(bytesOf(101, 1))).rejects.toMatchObject({ code: 'invalid_argument' })
      expect([store.has(1), usedBytesOf(store)]).toEqual([false, 0])
      await expect(store.put(headerOf(1, 100), bytesOf(99, 1))).rejects.toMatchObject({ code: 'invalid_argument' })
      expect(deps.events.lines).toEqual([])
      await store.put(headerOf(1, 100), bytesOf(100, 1))
      expect((await readWhole(store, 1)).equals(bytesOf(100, 1))).toBe(true)
    })

    test.each([
      [100, 0],
      [100, 37],
      [3 * mebibyte, 0],
      [3 * mebibyte, 1],
      [3 * mebibyte, mebibyte],
      [3 * mebibyte, 3 * mebibyte - 1],
      [3 * mebibyte, 3 * mebibyte],
    ])('of %i reserved bytes a block may need only %i; the rest is given back', async (reserved, length) => {
      const { store, reopen, deps } = await opened()
      const bytes = bytesOf(length, 9)
      const own = await store.reserve(headerOf(1, reserved))
      for (let at = 0; at < length; at += 70_001) await own.write(bytes.subarray(at, at + 70_001))
      await own.commit(undefined, length)
      const foreign = await store.reserve(headerOf(2, reserved))
      await writeFile(foreign.path, bytes)
      await foreign.commit(pageChecksums(bytes), length)
      expect([usedBytesOf(store), store.reservedBytes, store.blockCount]).toEqual([2 * length, 0, 2])
      await store.close()
      const again = await reopen()
      expect([...again.list()].map((block) => block.length)).toEqual([length, length])
      for (const id of [1, 2]) {
        expect((await readWhole(again, id)).equals(bytes)).toBe(true)
        const reader = await again.open(id)
        expect(reader.header).toEqual(headerOf(id, length))
        await reader.close()
        expect(await again.free(id)).toBe(true)
      }
      expect(usedBytesOf(again)).toBe(0)
      expect(deps.events.lines.slice(0, 2)).toEqual(['+1', '+2'])
    })

    test.each([
      ['fewer bytes than it says', 51, 'data_loss'],
      ['more bytes than it says', 49, 'data_loss'],
      ['more than was reserved', 101, 'invalid_argument'],
      ['less than nothing', -1, 'invalid_argument'],
      ['half a byte', 0.5, 'invalid_argument'],
    ])('a block that ends early with %s is not committed', async (_, length, code) => {
      const { store } = await opened()
      const reservation = await store.reserve(headerOf(1, 100))
      await reservation.write(bytesOf(50, 1))
      await expect(reservation.commit(undefined, length)).rejects.toMatchObject({ code })
      expect([store.has(1), usedBytesOf(store), reservation.ended]).toEqual([false, 0, true])
    })

    test('abort after commit does nothing', async () => {
      const { store } = await opened()
      const reservation = await store.reserve(headerOf(1, 10))
      await reservation.write(bytesOf(10, 1))
      await reservation.commit()
      await reservation.abort()
      expect(store.has(1)).toBe(true)
      expect((await readWhole(store, 1)).equals(bytesOf(10, 1))).toBe(true)
    })

    test('another process may write the reserved file', async () => {
      const { store } = await opened()
      const bytes = bytesOf(mebibyte + 5, 3)
      const reservation = await store.reserve(headerOf(1, bytes.length))
      await writeFile(reservation.path, bytes)
      await reservation.commit(pageChecksums(bytes))
      expect((await readWhole(store, 1)).equals(bytes)).toBe(true)
    })

    test.each([
      ['too short', (bytes: Buffer) => bytes.subarray(1), (sums: number[]) => sums],
      ['too long', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)]), (sums: number[]) => sums],
      ['without a checksum', (bytes: Buffer) => bytes, (sums: number[]) => sums.slice(1)],
      ['with a checksum that is no CRC-32', (bytes: Buffer) => bytes, (sums: number[]) => [-1, ...sums.slice(1)]],
    ])('a file of another process that is %s is refused', async (_, changeBytes, changeSums) => {
      const { store } = await opened()
      const bytes = bytesOf(mebibyte + 5, 3)
      const reservation = await store.reserve(headerOf(1, bytes.length))
      await writeFile(reservation.path, changeBytes(bytes))
      await expect(reservation.commit(changeSums(pageChecksums(bytes)))).rejects.toMatchObject({ code: 'data_loss' })
      expect([store.has(1), usedBytesOf(store)]).toEqual([false, 0])
    })

    test('bytes that do not match their checksum are never served, and the block goes', async () => {
      const { store, deps } = await opened()
      const bytes = bytesOf(2 * mebibyte, 3)
      const sums = pageChecksums(bytes)
      const reservation = await store.reserve(headerOf(1, bytes.length))
      await writeFile(reservation.path, bytes)
      await reservation.commit([sums[0] ?? 0, (sums[1] ?? 0) ^ 1])
      const reader = await store.open(1)
      expect(Buffer.from(await reader.read(5, 100, never)).equals(bytes.subarray(5, 105))).toBe(true)
      await expect(reader.read(mebibyte - 1, 2, never)).rejects.toMatchObject({ code: 'data_loss' })
      await reader.close()
      expect([store.has(1), usedBytesOf(store), store.blockCount]).toEqual([false, 0, 0])
      expect(deps.events.lines).toEqual(['+1', '-1 corrupt'])
      expect(deps.metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })).toBe(1)
      await expect(store.open(1)).rejects.toMatchObject({ code: 'not_found' })
    })

    test.each([1000, 2 * mebibyte])(
      'a reader of %i bytes reads on after the block was freed and written anew',
      async (length) => {
        const { store, deps } = await opened()
        const old = bytesOf(length, 1)
        await store.put(headerOf(1, length), old)
        const reader = await store.open(1)
        const freed = store.free(1)
        expect(store.has(1)).toBe(false)
        // Not waiting for the old file to go.
        await store.put(headerOf(1, length, 'another key'), bytesOf(length, 2))
        expect(await freed).toBe(true)
        expect(Buffer.from(await reader.read(0, length, never)).equals(old)).toBe(true)
        await reader.close()
        expect((await readWhole(store, 1)).equals(bytesOf(length, 2))).toBe(true)
        expect(usedBytesOf(store)).toBe(length)
        expect(deps.events.lines).toEqual(['+1', '-1 freed', '+1'])
      },
    )

    test('free says whether there was a block, and leaves one that is being written alone', async () => {
      const { store } = await opened()
      expect(await store.free(1)).toBe(false)
      const reservation = await store.reserve(headerOf(1, 10))
      expect(await store.free(1)).toBe(false)
      await reservation.write(bytesOf(10, 1))
      await reservation.commit()
      expect(await Promise.all([store.free(1), store.free(1)])).toEqual([true, false])
      expect(usedBytesOf(store)).toBe(0)
      await expect(store.open(1)).rejects.toMatchObject({ code: 'not_found' })
    })

    test.runIf(keeps.durable).each([100, 2 * mebibyte])(
      'a durable block of %i bytes is listed as such until it is released, over restarts',
      async (length) => {
        const { store, reopen, deps } = await opened()
        const durableIds = (of: BlockStore): number[] =>
          [...of.list()].filter(({ durable }) => durable === true).map(({ blockId }) => blockId)
        for (const id of [1, 2]) await store.put({ ...headerOf(id, length), durable: true }, bytesOf(length, id))
        await store.put(headerOf(3, length), bytesOf(length, 3))
        expect(new Set(durableIds(store))).toEqual(new Set([1, 2]))
        const reader = await store.open(1)
        for (const id of [1, 1, 3, 77]) await store.release(id)
        expect(durableIds(store)).toEqual([2])
        expect(Buffer.from(await reader.read(0, length, never)).equals(bytesOf(length, 1))).toBe(true)
        await reader.close()
        await store.close()
        const again = await reopen()
        expect(durableIds(again)).toEqual([2])
        expect(again.blockCount).toBe(3)
        for (const id of [1, 2, 3]) expect((await readWhole(again, id)).equals(bytesOf(length, id))).toBe(true)
        await again.release(2)
        expect(await again.free(2)).toBe(true)
        expect(deps.events.lines).toEqual(['+1', '+2', '+3', '-2 freed'])
      },
    )

    test('hints change nothing about a block beside its staying', async () => {
      const { store } = await opened()
      await store.put(headerOf(1, 10), bytesOf(10, 1), { loadId: 'load-1', evict: true })
      expect((await readWhole(store, 1)).equals(bytesOf(10, 1))).toBe(true)
      expect(await store.free(1)).toBe(true)
      expect(store.has(1)).toBe(false)
    })

    test.each([
      ['id', { blockId: -1 }],
      ['id', { blockId: 1.5 }],
      ['length', { length: -1 }],
      ['length', { length: Number.NaN }],
      ['offset', { offset: -1 }],
      ['key', { key: 'x'.repeat(70_000) }],
    ])('a header that cannot be is refused for its %s', async (_, wrong) => {
      const { store } = await opened()
      await expect(store.reserve({ ...headerOf(1, 1), ...wrong })).rejects.toMatchObject({ code: 'invalid_argument' })
      expect(usedBytesOf(store)).toBe(0)
    })

    test('a closed store has no reservations and takes none; a new one finds the blocks and nothing else', async () => {
      const { store, reopen } = await opened()
      const bytes = bytesOf(3 * mebibyte, 4)
      await store.put(headerOf(1, bytes.length), bytes)
      await store.put(headerOf(2 ** 52, 0), Buffer.alloc(0))
      const reservation = await store.reserve(headerOf(3, 10))
      await store.close()
      expect(reservation.ended).toBe(true)
      await expect(store.put(headerOf(4, 10), bytesOf(10, 4))).rejects.toMatchObject({ code: 'unavailable' })
      const again = await reopen()
      expect([...again.list()].map((header) => header.blockId).sort((a, b) => a - b)).toEqual([1, 2 ** 52])
      expect(usedBytesOf(again)).toBe(bytes.length)
      expect((await readWhole(again, 1)).equals(bytes)).toBe(true)
      expect(await readWhole(again, 2 ** 52)).toHaveLength(0)
    })
  })
}
