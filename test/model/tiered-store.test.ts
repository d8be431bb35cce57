// Why: tiers against their model, over random sequences, with both annotators and one to three tiers; and stores with a
// planted bug, each of which the same sequences must catch. SKEIN_MODEL_RUNS makes it as long as one likes.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import type { BlockAnnotator } from '../../src/block/annotator.ts'
import type { BlockStoreEvents } from '../../src/block/block-store.ts'
import { annotatorMaker, type AnnotatorSettings } from '../../src/block/choose-annotator.ts'
import { TieredStore, type TieredStoreOptions } from '../../src/block/tiered-store.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { type MemoryDirectory, MemoryTier } from './memory-tier.ts'
import { blockBytes, type Knowledge, type Model, type Real, tieredStoreCommands } from './tiered-store-model.ts'

const runs = Number(process.env['SKEIN_MODEL_RUNS'] ?? 300)

interface Mutation {
  /** Changes what the store is made with. */
  readonly options?: (options: TieredStoreOptions) => TieredStoreOptions
  /** Changes a tier. */
  readonly tier?: (tier: MemoryTier) => Partial<MemoryTier>
  /** Changes the store itself. */
  readonly store?: (store: TieredStore, tiers: readonly MemoryTier[]) => Partial<TieredStore>
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

async function start(settings: AnnotatorSettings, rooms: readonly number[], mutation: Mutation): Promise<{ model: Model; real: Real }> {
  const disks: readonly MemoryDirectory[][] = rooms.map((room) => [{ quotaBytes: room * blockBytes, blocks: new Map() }])
  const knowledge: Knowledge = { protectedIds: new Set(), unpersisted: new Set() }
  const evicted: number[] = []
  let tiers: MemoryTier[] = []
  const pause = (): Promise<void> => Promise.resolve()
  let life = 0
  const open = async (): Promise<TieredStore> => {
    tiers = []
    const own = (life += 1)
    const events: BlockStoreEvents = {
      added: () => undefined,
      removed: (blockId, why) => {
        // A dead process says nothing.
        if (why === 'evicted' && own === life) evicted.push(blockId)
      },
    }
    const options: TieredStoreOptions = {
      levels: rooms.length,
      makeAnnotator: annotatorMaker(settings),
      rules: { isProtected: (id) => knowledge.protectedIds.has(id), isPersisted: ({ blockId }) => !knowledge.unpersisted.has(blockId) },
      promotionBytesPerSecond: 1e12,
      highWatermarkRatio: 1,
      lowWatermarkRatio: 1,
      freeAheadBytes: 0,
      background: false,
      events,
      clock: systemClock,
      logger: silentLogger,
    }
    const store = await TieredStore.open(
      (level, tierEvents) => {
        const tier = new MemoryTier(disks[level] ?? [], tierEvents, pause)
        tiers.push(tier)
        return Promise.resolve(changed(tier, mutation.tier?.(tier)))
      },
      mutation.options?.(options) ?? options,
    )
    return changed(store, mutation.store?.(store, tiers))
  }
  const real: Real = {
    store: await open(),
    reservations: new Map(),
    readers: [],
    evicted,
    knowledge,
    restart: async (how) => {
      if (how === 'closed') await real.store.close()
      life += 1
      for (const tier of tiers) tier.kill()
      real.store = await open()
    },
    found: () => tiers.map((tier) => [...tier.list()].map((header) => header.blockId)),
    pass: async (steps) => {
      for (let step = 0; step < 3 * steps; step += 1) await Promise.resolve()
    },
  }
  const model: Model = {
    settings,
    rooms,
    tiers: rooms.map(() => new Map()),
    writing: new Map(),
    pinned: new Set(),
    knowledge,
    evicted: [],
    now: 0,
    lives: 0,
  }
  return { model, real }
}

const shapes: readonly (readonly number[])[] = [[4], [3, 3], [2, 4], [2, 1, 3]]
const policies: readonly AnnotatorSettings[] = [{ kind: 'LRU' }, { kind: 'LRFU', stepFactor: 0.25, attenuationFactor: 2 }]

async function check(
  settings: AnnotatorSettings,
  rooms: readonly number[],
  mutation: Mutation,
  options: { runs: number; seed?: number },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(tieredStoreCommands, (commands) => fc.asyncModelRun(() => start(settings, rooms, mutation), commands)),
    { numRuns: options.runs, ...(options.seed === undefined ? {} : { seed: options.seed, endOnFailure: true }) },
  )
}

describe('tiers do what their model does', () => {
  for (const settings of policies) {
    test.each(shapes.map((rooms) => [rooms]))(
      `${settings.kind}, tiers of %j blocks`,
      (rooms) => check(settings, rooms, {}, { runs }),
      600_000,
    )
  }
})

const forgetful = (annotator: BlockAnnotator): BlockAnnotator => changed(annotator, { touch: () => undefined })
const mutants: Record<string, Mutation> = {
  'forgets touches': { options: (options) => ({ ...options, makeAnnotator: () => forgetful(options.makeAnnotator()) }) },
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
    store: (store) => ({ put: (header, bytes) => store.put(header, bytes, { evict: true }) }),
  },
  'evicts what a load counts on': { options: (options) => ({ ...options, rules: { ...options.rules, isProtected: () => false } }) },
  'loses what is nowhere else': { options: (options) => ({ ...options, rules: { ...options.rules, isPersisted: () => true } }) },
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
}

describe('the model catches a store that', () => {
  test.each(Object.entries(mutants))(
    '%s',
    async (_, mutation) => {
      await expect(check(policies[0] ?? { kind: 'LRU' }, [2, 3], mutation, { runs: 1000, seed: 11 })).rejects.toThrow()
    },
    120_000,
  )
})
