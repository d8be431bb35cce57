// Why: tasks read many objects of one store at once; that one object is refused must not take the
// store from the others.
import { expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { StoreCache } from '../../../src/ufs/store-cache.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'

function cacheOf(): { cache: StoreCache; closed: number[]; opened: () => number } {
  const closed: number[] = []
  let opened = 0
  const cache = new StoreCache({
    openStore: async () => {
      const number = (opened += 1)
      return { close: async () => void closed.push(number) } as unknown as UnderFileSystem
    },
    clock: systemClock,
    idleStoresMax: 4,
    renewPauseMs: 60_000,
  })
  return { cache, closed, opened: () => opened }
}

it('a store that was replaced stays open until the task that still reads from it lets go', async () => {
  const { cache, closed, opened } = cacheOf()
  const lease = await cache.lease('n')
  const first = lease.store
  expect(await lease.renew()).toBe(true)
  expect(lease.store).not.toBe(first)
  expect(closed).toEqual([])
  await lease.release()
  expect(closed).toEqual([1])
  await lease.release()
  expect(opened()).toBe(2)
  await cache.close()
  expect(closed).toEqual([1, 2])
})

it('two tasks share a replaced store until the second lets go, and its successor', async () => {
  const { cache, closed, opened } = cacheOf()
  const [one, two] = [await cache.lease('n'), await cache.lease('n')]
  expect(await one.renew()).toBe(true)
  await one.release()
  expect(closed).toEqual([])
  expect(await two.renew()).toBe(true)
  expect(await two.renew()).toBe(false)
  await two.release()
  expect(closed).toEqual([1])
  expect(opened()).toBe(2)
  await cache.close()
})
