// Why: the model (tiered-store-model.ts) waits after each step; here many writers, readers, frees,
// pins and the work ahead of need go on at once, on disks that answer in any order. How: whatever
// the order, these must hold: nothing is evicted that must not be, no directory is over its quota
// (memory-tier.ts throws), every block that was not removed can be read, with its bytes, and at the
// end the bytes used are those of the blocks.
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { isSkeinError } from '../../src/base/errors.ts'
import type { BlockStoreEvents } from '../../src/block/block-store.ts'
import { annotatorMaker, type AnnotatorSettings } from '../../src/block/tier/order/choose-annotator.ts'
import { TieredStore } from '../../src/block/tier/tiered-store.ts'
import { headerOf, never, storeDependencies, usedBytesOf } from '../conformance/support/block-store-fixture.ts'
import { type MemoryDirectory, MemoryTier } from './support/memory-tier.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const runs = Number(process.env['SKEIN_CHAOS_RUNS'] ?? ordinaryOrLong(6, 100))
const kibibyte = 1024
const ids = 60

/** What each block is made of is known from its id. */
const lengthOf = (id: number): number => ([0, 40, 100, 300, 700, 1100][id % 6] ?? 0) * kibibyte
const bytesOf = (id: number): Buffer => Buffer.alloc(lengthOf(id), `block ${id};`)

const isOfLoad = (id: number): boolean => id % 10 === 3
const isDurable = (id: number): boolean => id % 10 === 7

interface World {
  readonly store: TieredStore
  readonly random: () => number
  /** Of each block: 0 = not there; counts up with each coming and going. */
  readonly lives: Map<number, number>
  readonly reading: Map<number, number>
  readonly pinned: Set<number>
  readonly wrong: string[]
  evictions: number
}

async function chaos(seed: number, settings: AnnotatorSettings): Promise<World> {
  const random = seededRandom(seed)
  const present = new Set<number>()
  const [pinned, reading, lives, wrong] = [
    new Set<number>(),
    new Map<number, number>(),
    new Map<number, number>(),
    [] as string[],
  ]
  const events: BlockStoreEvents = {
    added: ({ blockId }) => {
      if (present.has(blockId)) wrong.push(`${blockId} came twice`)
      present.add(blockId)
      lives.set(blockId, (lives.get(blockId) ?? 0) + 1)
    },
    removed: (blockId, why) => {
      if (!present.delete(blockId)) wrong.push(`${blockId} went and was not there`)
      lives.set(blockId, (lives.get(blockId) ?? 0) + 1)
      if (why !== 'evicted') return
      world.evictions += 1
      if (pinned.has(blockId)) wrong.push(`${blockId} was evicted and is pinned`)
      if ((reading.get(blockId) ?? 0) > 0) wrong.push(`${blockId} was evicted while it was read`)
      if (isOfLoad(blockId) || isDurable(blockId)) wrong.push(`${blockId} was evicted and must not be`)
    },
  }
  const pause = async (): Promise<void> => {
    if (random() < 0.3) await new Promise((resolve) => setImmediate(resolve))
    for (let tick = Math.floor(random() * 4); tick > 0; tick -= 1) await Promise.resolve()
  }
  const disks: MemoryDirectory[][] = [1500, 2500, 4000].map((room) =>
    [1, 0.7].map((share) => ({ quotaBytes: Math.floor(room * share) * kibibyte, blocks: new Map() })),
  )
  const store = await TieredStore.open(
    (level, tierEvents) => Promise.resolve(new MemoryTier(disks[level] ?? [], tierEvents, pause)),
    {
      levels: 3,
      makeAnnotator: annotatorMaker(settings),
      promotionBytesPerSecond: 1e12,
      watermarks: [0, 1, 2].map(() => ({ highRatio: 0.9, lowRatio: 0.7 })),
      freeAheadBytes: seed % 2 === 0 ? 0 : 500 * kibibyte,
      ...storeDependencies(),
      events,
    },
  )
  const world: World = { store, random, lives, reading, pinned, wrong, evictions: 0 }
  await Promise.all(Array.from({ length: 10 }, () => act(world, 80)))
  await store.settle()
  return world
}

async function act(world: World, steps: number): Promise<void> {
  const { store, random, pinned } = world
  for (let step = 0; step < steps; step += 1) {
    const id = Math.floor(random() * ids)
    const chance = random()
    if (chance < 0.4) await write(world, id)
    else if (chance < 0.85) await read(world, id)
    else if (chance < 0.92) await store.free(id)
    else {
      const pin = random() < 0.4
      store.setPinned(id, pin)
      if (pin) pinned.add(id)
      else pinned.delete(id)
    }
  }
}

async function write({ store, random }: World, id: number): Promise<void> {
  const hints = { evict: random() < 0.7, ...(isOfLoad(id) ? { loadId: 'load' } : {}) }
  const header = { ...headerOf(id, lengthOf(id)), ...(isDurable(id) ? { durable: true } : {}) }
  try {
    if (random() < 0.5) {
      await store.put(header, bytesOf(id), hints)
      return
    }
    const reservation = await store.reserve(header, hints)
    if (random() < 0.2) {
      await reservation.abort()
      return
    }
    await reservation.write(bytesOf(id))
    await reservation.commit()
  } catch (thrown) {
    if (!isSkeinError(thrown, 'already_exists') && !isSkeinError(thrown, 'resource_exhausted', 'no_capacity'))
      throw thrown
  }
}

async function read({ store, lives, reading, wrong }: World, id: number): Promise<void> {
  const life = lives.get(id)
  const wasThere = store.has(id)
  try {
    const reader = await store.open(id)
    reading.set(id, (reading.get(id) ?? 0) + 1)
    const bytes = await reader.read(0, lengthOf(id), never)
    reading.set(id, (reading.get(id) ?? 0) - 1)
    await reader.close()
    if (!bytesOf(id).equals(bytes)) wrong.push(`${id} was read wrong`)
  } catch (thrown) {
    if (!isSkeinError(thrown, 'not_found')) throw thrown
    if (wasThere && lives.get(id) === life) wrong.push(`${id} is there and was not found`)
  }
}

async function checkEnd(world: World): Promise<void> {
  const { store, wrong } = world
  for (const { blockId } of [...store.list()]) await read(world, blockId)
  await store.settle()
  expect(wrong).toEqual([])
  expect(usedBytesOf(store)).toBe([...store.list()].reduce((total, header) => total + header.length, 0))
  expect(store.reservedBytes).toBe(0)
  for (const usage of store.usage()) expect(usage.usedBytes).toBeLessThanOrEqual(usage.quotaBytes)
  await store.close()
}

describe('tiers with everything at once', () => {
  for (const settings of [
    { kind: 'LRU' },
    { kind: 'LRFU', stepFactor: 0.25, attenuationFactor: 2 },
  ] satisfies AnnotatorSettings[]) {
    test(`${settings.kind} keeps what must be kept`, async () => {
      let evictions = 0
      for (let seed = 1; seed <= runs; seed += 1) {
        const world = await chaos(seed, settings)
        evictions += world.evictions
        await checkEnd(world)
      }
      // Otherwise nothing was tested.
      expect(evictions).toBeGreaterThan(10 * runs)
    }, 600_000)
  }
})
