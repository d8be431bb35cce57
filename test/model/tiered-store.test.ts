// Why: tiers against their model, over random sequences, with both annotators and one to three
// tiers, in memory and on directories with segments; and stores with a planted bug, each of which
// the same sequences must catch. SKEIN_MODEL_RUNS says how many sequences in all.
import { join } from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BlockAnnotator } from '../../src/block/tier/order/annotator.ts'
import type { BlockStoreEvents } from '../../src/block/block-store.ts'
import { annotatorMaker, type AnnotatorSettings } from '../../src/block/tier/order/choose-annotator.ts'
import { openTiers } from '../../src/block/assembly/open-tiers.ts'
import { TieredStore, type TieredStoreOptions } from '../../src/block/tier/tiered-store.ts'
import { storeDependencies, temporaryFolder } from '../conformance/support/block-store-fixture.ts'
import { type MemoryDirectory, MemoryTier } from './support/memory-tier.ts'
import { orderlyCommands, type Real, tieredStoreCommands } from './support/tiered-store-model.ts'
import { blockBytes, type Model } from './support/tiered-store-reference.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const runs = Number(process.env['SKEIN_MODEL_RUNS'] ?? ordinaryOrLong(500, 20_000))
const shapes: readonly (readonly number[])[] = [[4], [3, 3], [2, 4], [2, 1, 3]]
const policies: readonly AnnotatorSettings[] = [
  { kind: 'LRU' },
  { kind: 'LRFU', stepFactor: 0.25, attenuationFactor: 2 },
]
/** Of all runs, on directories: they take about ten times as long. */
const onDiskShare = 0.05
const eachOnDisk = Math.ceil((runs * onDiskShare) / (policies.length * shapes.length))
const eachInMemory = Math.ceil((runs * (1 - onDiskShare)) / (policies.length * shapes.length))

interface Mutation {
  /** Changes what the store is made with. */
  readonly options?: (options: TieredStoreOptions) => TieredStoreOptions
  /** Changes a tier. */
  readonly tier?: (tier: MemoryTier) => Partial<MemoryTier>
  /** Changes the store itself. */
  readonly store?: (store: TieredStore, tiers: readonly MemoryTier[]) => Partial<TieredStore>
  /** Changes what it says. */
  readonly events?: (events: BlockStoreEvents) => BlockStoreEvents
}

function changed<T extends object>(target: T, change: Partial<T> | undefined): T {
  if (change === undefined) return target
  return new Proxy(target, {
    get: (original, name) => {
      const value: unknown = name in change ? Reflect.get(change, name) : Reflect.get(original, name, original)
      return typeof value === 'function' ? value.bind(original) : value
    },
  })
}

/** What a store is to the model: opened now and whenever the sequence says. */
interface Opening {
  readonly rooms: readonly number[]
  readonly open: (events: BlockStoreEvents) => Promise<TieredStore>
  /** The store that was opened last does nothing more, and what it has under way is lost. */
  readonly kill: () => void
}

async function begin(
  settings: AnnotatorSettings,
  { rooms, open, kill }: Opening,
): Promise<{ model: Model; real: Real }> {
  const evicted: number[] = []
  const reported = new Set<number>()
  let life = 0
  const next = async (): Promise<TieredStore> => {
    const own = (life += 1)
    // A dead process says nothing.
    const store = await open({
      added: ({ blockId }) => {
        if (own === life) reported.add(blockId)
      },
      removed: (blockId, why) => {
        if (own !== life) return
        reported.delete(blockId)
        if (why === 'evicted') evicted.push(blockId)
      },
    })
    reported.clear()
    for (const { blockId } of store.list()) reported.add(blockId)
    return store
  }
  const real: Real = {
    store: await next(),
    reservations: new Map(),
    readers: [],
    evicted,
    reported,
    restart: async (how) => {
      if (how === 'closed') await real.store.close()
      life += 1
      kill()
      real.store = await next()
    },
    found: () =>
      rooms.map((_, level) =>
        Array.from(real.store.list(), (header) => header.blockId).filter((id) => real.store.levelOf(id) === level),
      ),
    pass: async (steps) => {
      for (let step = 0; step < 3 * steps; step += 1) await Promise.resolve()
    },
  }
  const tiers = rooms.map(() => new Map<number, never>())
  const model: Model = { settings, rooms, tiers, writing: new Map(), pinned: new Set(), loads: [], evicted: [], now: 0 }
  return { model, real }
}

function inMemory(settings: AnnotatorSettings, rooms: readonly number[], mutation: Mutation): Opening {
  const disks: readonly MemoryDirectory[][] = rooms.map((room) => [
    { quotaBytes: room * blockBytes, blocks: new Map() },
  ])
  let tiers: MemoryTier[] = []
  return {
    rooms,
    kill: () => {
      for (const tier of tiers) tier.kill()
    },
    open: async (events) => {
      tiers = []
      const options: TieredStoreOptions = {
        levels: rooms.length,
        makeAnnotator: annotatorMaker(settings),
        promotionBytesPerSecond: 1e12,
        watermarks: [],
        freeAheadBytes: 0,
        ...storeDependencies(),
        events: mutation.events?.(events) ?? events,
      }
      const store = await TieredStore.open(
        (level, tierEvents) => {
          const tier = new MemoryTier(disks[level] ?? [], tierEvents, () => Promise.resolve())
          tiers.push(tier)
          return Promise.resolve(changed(tier, mutation.tier?.(tier)))
        },
        mutation.options?.(options) ?? options,
      )
      return changed(store, mutation.store?.(store, tiers))
    },
  }
}

async function checkInMemory(
  settings: AnnotatorSettings,
  rooms: readonly number[],
  mutation: Mutation,
  options: { runs: number; seed?: number },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(tieredStoreCommands, (commands) =>
      fc.asyncModelRun(() => begin(settings, inMemory(settings, rooms, mutation)), commands),
    ),
    { numRuns: options.runs, ...(options.seed === undefined ? {} : { seed: options.seed, endOnFailure: true }) },
  )
}

/** Blocks of ten bytes in segments of a few hundred; only durable ones have a file. */
async function checkOnDisk(annotator: AnnotatorSettings, rooms: readonly number[], count: number): Promise<void> {
  const run = async (commands: Iterable<fc.AsyncCommand<Model, Real>>): Promise<void> => {
    const folder = await temporaryFolder()
    const stores: TieredStore[] = []
    const tiers = rooms.map((room, level) => [
      { path: join(folder.path, `tier-${level}`), tier: `T${level}`, mediumType: 'SSD', quotaBytes: room * blockBytes },
    ])
    const open = async (events: BlockStoreEvents): Promise<TieredStore> => {
      const segments = { blockBytesMax: blockBytes, segmentBytes: 400, background: false }
      const promotionBytesPerSecond = 1e12
      const store = await openTiers({
        tiers,
        workerId: 'w',
        segments,
        annotator,
        promotionBytesPerSecond,
        ...storeDependencies(),
        events,
      })
      stores.push(store)
      return store
    }
    try {
      await fc.asyncModelRun(() => begin(annotator, { rooms, open, kill: () => undefined }), commands)
    } finally {
      await Promise.all(stores.map((store) => store.close()))
      await folder.remove()
    }
  }
  await fc.assert(fc.asyncProperty(orderlyCommands, run), { numRuns: count })
}

describe('tiers do what their model does', () => {
  for (const settings of policies) {
    for (const rooms of shapes) {
      const name = `${settings.kind}, tiers of ${rooms.join(', ')} blocks`
      test(name, () => checkInMemory(settings, rooms, {}, { runs: eachInMemory }), 3_600_000)
      test(`${name}, in segments`, () => checkOnDisk(settings, rooms, eachOnDisk), 3_600_000)
    }
  }
})

const forgetful = (annotator: BlockAnnotator): BlockAnnotator => changed(annotator, { touch: () => undefined })
const mutants: Record<string, Mutation> = {
  'forgets touches': {
    options: (options) => ({ ...options, makeAnnotator: () => forgetful(options.makeAnnotator()) }),
  },
  'forgets the past of a block that changes its tier': {
    options: (options) => ({
      ...options,
      makeAnnotator: () => {
        const annotator = options.makeAnnotator()
        return changed(annotator, { adopt: (id: number) => annotator.add(id) })
      },
    }),
  },
  'evicts for writers that did not ask for it': {
    store: (store) => ({ put: (header, bytes, hints) => store.put(header, bytes, { ...hints, evict: true }) }),
  },
  'evicts what a running load brought': {
    store: (store) => ({ put: (header, bytes, hints) => store.put(header, bytes, { evict: hints?.evict === true }) }),
  },
  'protects what a load brought when it is over': { store: () => ({ setRunningLoads: () => undefined }) },
  'loses what is nowhere else': {
    store: (store) => ({ put: (header, bytes, hints) => store.put({ ...header, durable: undefined }, bytes, hints) }),
  },
  'keeps what was released for good': { store: () => ({ release: () => Promise.resolve() }) },
  'forgets at a restart what was released': { tier: () => ({ release: () => Promise.resolve() }) },
  'knows no pins': { store: () => ({ setPinned: () => undefined }) },
  'does not see open readers': {
    store: (store, tiers) => ({
      open: async (id) => {
        const reader = await store.open(id)
        await reader.close()
        const tier = tiers[store.levelOf(id) ?? 0]
        if (tier === undefined) throw new Error('no tier')
        return await tier.open(id)
      },
    }),
  },
  'leaves the old copy of a moved block': { tier: (tier) => ({ free: async (id) => tier.has(id) }) },
  'says nothing of what it evicts': {
    events: (events) => ({
      added: (header) => events.added(header),
      removed: (id, why) => {
        if (why !== 'evicted') events.removed(id, why)
      },
    }),
  },
}

describe('the model catches a store that', () => {
  test.each(Object.entries(mutants))('%s', async (_, mutation) => {
    await expect(
      checkInMemory(policies[0] ?? { kind: 'LRU' }, [2, 3], mutation, { runs: 1000, seed: 11 }),
    ).rejects.toThrow()
  })
})
