// Why: the contract of stores that evict, beside the suite of every BlockStore: a protected block
// stays while others are evicted, and is evicted once the protection has ended. How: the block is
// the coldest one, and then the store is filled with as many new blocks as it has room for.
import { afterEach, describe, expect, test } from 'vitest'
import type { BlockEviction } from '../../../src/block/block-eviction.ts'
import type { BlockStore, WriteHints } from '../../../src/block/block-store.ts'
import type { BlockStoreStorage } from './block-store.ts'
import { bytesOf, headerOf, readWhole, storeDependencies } from './block-store-fixture.ts'

type EvictingStore = BlockStore & BlockEviction

const blockBytes = 100
const quotaBytes = 16 * blockBytes

export function blockEvictionConformance(name: string, make: () => Promise<BlockStoreStorage<EvictingStore>>): void {
  describe(`${name} is told what not to evict`, () => {
    const cleanups: (() => Promise<void>)[] = []
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
    })

    async function opened() {
      const storage = await make()
      cleanups.push(() => storage.dispose())
      const store = await storage.open(quotaBytes, storeDependencies())
      cleanups.push(() => store.close())
      const put = (id: number, hints?: WriteHints): Promise<void> =>
        store.put(headerOf(id, blockBytes), bytesOf(blockBytes, id), hints)
      const room = store.usage().reduce((total, usage) => total + Math.floor(usage.quotaBytes / blockBytes), 0)
      let lastId = 1000
      /** Afterwards every unprotected older block is gone. */
      const flood = async (): Promise<void> => {
        const cold = [...store.list()].map(({ blockId }) => blockId)
        for (let count = 0; count < room; count += 1) await put((lastId += 1), { evict: true })
        expect(cold.filter((id) => id > 10 && store.has(id))).toEqual([])
      }
      const stays = async (id: number): Promise<void> => {
        expect((await readWhole(store, id)).equals(bytesOf(blockBytes, id))).toBe(true)
      }
      return { store, put, flood, stays }
    }

    test('pins and loads change nothing about a block beside its staying', async () => {
      const { store, put, stays } = await opened()
      store.setPinned(1, true)
      await put(1, { loadId: 'load-1', evict: true })
      for (const loads of [['load-1'], [], undefined]) store.setRunningLoads(loads)
      await stays(1)
      expect(await store.free(1)).toBe(true)
      store.setPinned(1, false)
      expect(store.has(1)).toBe(false)
    })

    test('what nobody counts on goes', async () => {
      const { store, put, flood } = await opened()
      await put(1)
      await flood()
      expect(store.has(1)).toBe(false)
    })

    test.each(['before it is there', 'when it is there'])('a block that is pinned %s stays', async (when) => {
      const { store, put, flood, stays } = await opened()
      if (when === 'before it is there') store.setPinned(1, true)
      await put(1)
      if (when === 'when it is there') store.setPinned(1, true)
      await flood()
      await stays(1)
      store.setPinned(1, false)
      await flood()
      expect(store.has(1)).toBe(false)
    })

    test('what a load wrote stays until a list of the running ones lacks it', async () => {
      const { store, put, flood, stays } = await opened()
      await put(1, { loadId: 'load-1' })
      for (const loads of [undefined, ['load-1', 'load-2'], undefined]) {
        store.setRunningLoads(loads)
        await flood()
        await stays(1)
      }
      store.setRunningLoads(['load-2'])
      await flood()
      expect(store.has(1)).toBe(false)
    })

    test('a list says nothing of the load that it goes up to, nor of later ones', async () => {
      const { store, put, flood, stays } = await opened()
      for (const id of [7, 8]) await put(id, { loadId: `L${id}` })
      store.setRunningLoads([], 7)
      await flood()
      for (const id of [7, 8]) await stays(id)
      store.setRunningLoads([], 8)
      await flood()
      expect(store.has(7)).toBe(false)
      await stays(8)
    })

    test('what a load has found stays until each load that counts on it is over', async () => {
      const { store, put, flood, stays } = await opened()
      await put(1)
      expect(['load-1', 'load-2'].map((load) => store.hold(1, load))).toEqual([true, true])
      expect(store.hold(2, 'load-1')).toBe(false)
      store.setRunningLoads(['load-1', 'load-2'])
      store.setRunningLoads(['load-2'])
      await flood()
      await stays(1)
      store.setRunningLoads([])
      await flood()
      expect(store.has(1)).toBe(false)
    })

    test('free takes what is pinned and held all the same', async () => {
      const { store, put } = await opened()
      await put(1, { loadId: 'load-1' })
      store.setPinned(1, true)
      store.hold(1, 'load-2')
      expect([await store.free(1), store.has(1), store.hold(1, 'load-2')]).toEqual([true, false, false])
    })
  })
}
