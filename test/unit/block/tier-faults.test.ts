// Why: what tiers promise when something is wrong, case by case: a crash in a move, a disk that is
// full below its quota, a fault while room is made, and directories that cannot be used so.
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { MultiDirectoryStore } from '../../../src/block/assembly/multi-directory-store.ts'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import { annotatorMaker } from '../../../src/block/tier/order/choose-annotator.ts'
import { TieredStore } from '../../../src/block/tier/tiered-store.ts'
import {
  bytesOf,
  headerOf,
  readWhole,
  storeDependencies,
  temporaryFolder,
  usedBytesOf,
} from '../../conformance/support/block-store-fixture.ts'
import { MemoryTier } from '../../model/support/memory-tier.ts'
import { cleanups, closeAll, opened } from './support/opened-tiers.ts'

afterEach(closeAll)

describe('a restart', () => {
  test('finds each block in its tier, and of two copies keeps the upper', async () => {
    const first = await opened([2, 3])
    for (const id of [1, 2, 3]) await first.put(id)
    expect(first.levels(1, 2, 3)).toEqual([1, 0, 0])
    await first.store.close()
    // As a crash between the commit below and the removal above leaves it: block 2 in both.
    await mkdir(join(first.paths[1] ?? '', 'blocks'), { recursive: true })
    await cp(join(first.paths[0] ?? '', 'blocks'), join(first.paths[1] ?? '', 'blocks'), { recursive: true })
    const second = await first.reopen()
    expect(second.levels(1, 2, 3)).toEqual([1, 0, 0])
    expect([second.store.blockCount, usedBytesOf(second.store)]).toEqual([3, 300])
    expect(second.deps.events.lines).toEqual([])
    for (const id of [1, 2, 3]) expect((await readWhole(second.store, id)).equals(bytesOf(100, id))).toBe(true)
  })
})

describe('a disk that is full below its quota', () => {
  /**
   * Tiers in memory of 10 blocks each, of which the disk of level `full` takes only 3 (300 bytes).
   */
  async function cramped(full: number, levels: number, freeAheadBytes = 0): Promise<TieredStore> {
    const deps = storeDependencies()
    return await TieredStore.open(
      (level, events) => {
        const tier = new MemoryTier([{ quotaBytes: 1000, blocks: new Map() }], events, () => Promise.resolve())
        const put: MemoryTier['put'] = async (header, bytes) => {
          if (level === full && usedBytesOf(tier) + header.length > 300)
            throw new SkeinError('resource_exhausted', 'the disk is full', { reason: 'disk_full' })
          await tier.put(header, bytes)
        }
        const get = (target: MemoryTier, name: string | symbol): unknown => {
          const value: unknown = name === 'put' ? put : Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        }
        return Promise.resolve(new Proxy(tier, { get }))
      },
      {
        levels,
        makeAnnotator: annotatorMaker({ kind: 'LRU' }),
        promotionBytesPerSecond: 0,
        watermarks: [],
        freeAheadBytes,
        ...deps,
      },
    )
  }
  const putAll = async (store: TieredStore, count: number, evict: boolean): Promise<void> => {
    for (let id = 1; id <= count; id += 1) await store.put(headerOf(id, 100), bytesOf(100, id), { evict })
  }

  test('is passed over for the next', async () => {
    const store = await cramped(0, 2)
    await putAll(store, 13, false)
    expect(store.blockCount).toBe(13)
    await expect(store.put(headerOf(14, 100), bytesOf(100, 14))).rejects.toMatchObject({ code: 'resource_exhausted' })
  })

  test.each([
    [0, 1, 3],
    [1, 2, 13],
  ])('at level %i of %i deletes its own blocks for a writer that may', async (full, levels, blocks) => {
    const store = await cramped(full, levels)
    await putAll(store, 30, true)
    expect(store.blockCount).toBe(blocks)
    for (let id = 31 - blocks; id <= 30; id += 1) expect(store.has(id)).toBe(true)
  })

  test('what is freed ahead of need stays within its limit', async () => {
    const store = await cramped(0, 1, 100)
    for (let id = 1; id <= 30; id += 1) {
      await store.put(headerOf(id, 100), bytesOf(100, id), { evict: true })
      await store.settle()
      if (id > 1) expect([id - 1, id].map((kept) => store.has(kept))).toEqual([true, true])
    }
  })

  test('the room that one deletion made is used up before the next', async () => {
    const store = await cramped(0, 1)
    await putAll(store, 3, true)
    // Each of these is a tenth of the block that goes for the first of them.
    for (let id = 11; id <= 20; id += 1) await store.put(headerOf(id, 10), bytesOf(10, id), { evict: true })
    expect([1, 2, 3].map((id) => store.has(id))).toEqual([false, true, true])
    await store.put(headerOf(21, 10), bytesOf(10, 21), { evict: true })
    expect([1, 2, 3].map((id) => store.has(id))).toEqual([false, false, true])
  })
})

describe('a fault while room is made', () => {
  test('is answered to the writers that wait, and to nobody else', async () => {
    const { store, put } = await opened([2, 2])
    await put(1)
    await put(2)
    const broken = new Error('planted')
    // What the plan asks of a tier throws, once.
    const usage = vi.spyOn(MultiDirectoryStore.prototype, 'directoryOf').mockImplementationOnce(() => {
      throw broken
    })
    cleanups.push(() => Promise.resolve(usage.mockRestore()))
    await expect(put(3)).rejects.toMatchObject({ cause: broken })
    await put(4)
    expect([1, 2, 3, 4].map((id) => store.has(id))).toEqual([true, true, false, true])
    await store.settle()
  })
})

describe('a quota above the size of the disk', () => {
  test('is refused in one line that names both', async () => {
    const folder = await temporaryFolder()
    cleanups.push(folder.remove)
    const tiers = [[{ path: join(folder.path, 'a'), tier: 'T', mediumType: 'SSD', quotaBytes: 2 ** 52 }]]
    await expect(
      openTiers({ tiers, workerId: 'w', annotator: { kind: 'LRU' }, ...storeDependencies() }),
    ).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(
        /quota of block directory .*a, 4503599627370496 bytes, is above the size of its disk, \d+ bytes/,
      ),
    })
  })
})

describe('directories of different tiers', () => {
  test('must not be the same, nor one inside the other', async () => {
    const folder = await temporaryFolder()
    cleanups.push(folder.remove)
    const directory = (path: string) => [{ path, tier: 'T', mediumType: 'SSD', quotaBytes: 100 }]
    for (const inner of [folder.path, join(folder.path, 'inner')]) {
      const tiers = [directory(folder.path), directory(inner)]
      await expect(
        openTiers({ tiers, workerId: 'w', annotator: { kind: 'LRU' }, ...storeDependencies() }),
      ).rejects.toMatchObject({
        code: 'invalid_argument',
      })
    }
  })
})
