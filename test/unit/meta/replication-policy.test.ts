import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import {
  type BlockPlan,
  type BlockReplicas,
  planBlock,
  type ReplicationSettings,
  type ReplicationWorker,
} from '../../../src/meta/replication-policy.ts'

type Workers = ReadonlyMap<string, ReplicationWorker>

function workersOf(...fields: Partial<ReplicationWorker>[]): Workers {
  const list = fields.map((given, index) => {
    const workerId = given.workerId ?? `w${index + 1}`
    return {
      workerId,
      hostname: workerId,
      capacityBytes: 1000,
      freeBytes: 500,
      decommissioning: false,
      hasSlot: true,
      ...given,
    }
  })
  return new Map(list.map((worker) => [worker.workerId, worker]))
}
const settingsOf = (fields: Partial<ReplicationSettings>): ReplicationSettings => ({
  min: 0,
  max: -1,
  pinned: false,
  persisted: true,
  ...fields,
})
const blockOn = (workerIds: string[], fields: Partial<BlockReplicas> = {}): BlockReplicas => ({
  bytes: 100,
  workerIds,
  pendingIds: [],
  awaited: 0,
  ...fields,
})
const plan = (settings: Partial<ReplicationSettings>, block: BlockReplicas, workers: Workers, seed = 1): BlockPlan =>
  planBlock(settingsOf(settings), block, workers, seededRandom(seed))
const targets = (made: BlockPlan): string[] => made.copies.map(({ targetId }) => targetId).sort()

/** What no plan may do, whatever it is for. */
function problemsOf(settings: ReplicationSettings, block: BlockReplicas, workers: Workers, made: BlockPlan): string[] {
  const problems: string[] = []
  const live = block.workerIds.filter((id) => workers.has(id))
  const left = live.filter((id) => !made.drops.includes(id))
  const mayGo = settings.max === 0 && settings.persisted && !settings.pinned
  if (live.length > 0 && left.length === 0 && !mayGo) problems.push('drops the last replica')
  if (!settings.persisted && left.length < Math.min(1, live.length)) problems.push('drops what only the cache has')
  if (new Set(made.drops).size < made.drops.length || made.drops.some((id) => !live.includes(id)))
    problems.push('drops what is not there')
  const staying = left.filter((id) => workers.get(id)?.decommissioning === false)
  const droppedStaying = made.drops.some((id) => workers.get(id)?.decommissioning === false)
  if (droppedStaying && staying.length < settings.min && !mayGo) problems.push('drops below the minimum')
  const all = [...block.workerIds, ...block.pendingIds, ...targets(made)]
  if (new Set(all).size < new Set([...block.workerIds, ...block.pendingIds]).size + made.copies.length)
    problems.push('copies twice to a worker')
  for (const { sourceId, targetId } of made.copies) {
    const target = workers.get(targetId)
    if (!live.includes(sourceId)) problems.push('copies from where it is not')
    if (target === undefined || target.decommissioning || !target.hasSlot || target.freeBytes < block.bytes)
      problems.push('copies to where it must not')
  }
  const coming = block.pendingIds.filter((id) => workers.get(id)?.decommissioning === false && !live.includes(id))
  if (
    settings.max >= 0 &&
    made.copies.length > 0 &&
    staying.length + coming.length + made.copies.length > Math.max(settings.max, 1)
  ) {
    problems.push('copies above the maximum')
  }
  return problems
}

describe('planBlock', () => {
  it('copies what is missing from a living replica to other hosts', () => {
    const workers = workersOf({ hostname: 'a' }, { hostname: 'a' }, { hostname: 'b' }, { hostname: 'c' })
    for (let seed = 1; seed < 30; seed += 1) {
      const made = plan({ min: 3 }, blockOn(['w1']), workers, seed)
      expect(targets(made)).toEqual(['w3', 'w4'])
      expect(made.copies.every(({ sourceId }) => sourceId === 'w1')).toBe(true)
    }
    expect(targets(plan({ min: 4 }, blockOn(['w1']), workers))).toEqual(['w2', 'w3', 'w4'])
  })

  it('prefers workers with room, and takes none without', () => {
    const workers = workersOf({}, { freeBytes: 900 }, { freeBytes: 100 }, { freeBytes: 99 })
    const chosen = Array.from(
      { length: 400 },
      (_, seed) => targets(plan({ min: 2 }, blockOn(['w1']), workers, seed))[0],
    )
    expect(chosen.includes('w4')).toBe(false)
    const share = chosen.filter((id) => id === 'w2').length / chosen.length
    expect(share).toBeGreaterThan(0.8)
    expect(share).toBeLessThan(1)
    expect(plan({ min: 9 }, blockOn(['w1']), workers)).toMatchObject({ unplaced: 6, postponed: 0 })
  })

  it('counts copies on their way and replicas that may come back, and waits for a slot', () => {
    const workers = workersOf({}, {}, { hasSlot: false })
    expect(plan({ min: 2 }, blockOn(['w1'], { pendingIds: ['w2'] }), workers).copies).toEqual([])
    expect(plan({ min: 2 }, blockOn(['w1'], { awaited: 1 }), workers).copies).toEqual([])
    expect(plan({ min: 2 }, blockOn(['w1'], { pendingIds: ['gone'] }), workers).copies).toHaveLength(1)
    expect(plan({ min: 3 }, blockOn(['w1']), workers)).toMatchObject({
      copies: [{ targetId: 'w2' }],
      postponed: 1,
      unplaced: 0,
    })
  })

  it('drops what is above the maximum: doubled hosts first, then the fullest worker', () => {
    const workers = workersOf({ freeBytes: 10 }, { freeBytes: 600 }, { freeBytes: 300 })
    expect(plan({ max: 1 }, blockOn(['w1', 'w2', 'w3']), workers).drops).toEqual(['w1', 'w3'])
    expect(plan({ max: 2 }, blockOn(['w1', 'w2', 'w3']), workers).drops).toEqual(['w1'])
    const hosts = workersOf(
      { freeBytes: 10, hostname: 'a' },
      { freeBytes: 600, hostname: 'b' },
      { freeBytes: 300, hostname: 'b' },
    )
    expect(plan({ max: 2 }, blockOn(['w1', 'w2', 'w3']), hosts).drops).toEqual(['w3'])
  })

  it('max 0 drops all of what the store has, and keeps one of what it has not, or what is pinned', () => {
    const workers = workersOf({}, {})
    expect(plan({ max: 0 }, blockOn(['w1', 'w2']), workers).drops).toEqual(['w1', 'w2'])
    expect(plan({ max: 0, persisted: false }, blockOn(['w1', 'w2']), workers).drops).toHaveLength(1)
    expect(plan({ max: 0, pinned: true }, blockOn(['w1', 'w2']), workers).drops).toHaveLength(1)
  })

  it('does nothing for a block without a live replica, or with enough', () => {
    const workers = workersOf({}, {})
    const nothing = { copies: [], drops: [], unplaced: 0, postponed: 0 }
    expect(plan({ min: 2 }, blockOn([]), workers)).toEqual(nothing)
    expect(plan({ min: 2 }, blockOn(['gone']), workers)).toEqual(nothing)
    expect(plan({ min: 1, max: 2 }, blockOn(['w1', 'w2']), workers)).toEqual(nothing)
    expect(plan({ min: 0 }, blockOn(['w1']), workers)).toEqual(nothing)
  })

  it('moves a replica off a worker that leaves: first the copy, then the drop', () => {
    const workers = workersOf({ decommissioning: true }, {}, {})
    const first = plan({}, blockOn(['w1'], { awaited: 1 }), workers)
    expect(first).toMatchObject({ copies: [{ sourceId: 'w1' }], drops: [] })
    expect(plan({}, blockOn(['w1'], { pendingIds: ['w2'] }), workers)).toMatchObject({ copies: [], drops: [] })
    expect(plan({}, blockOn(['w1', 'w2']), workers)).toMatchObject({ copies: [], drops: ['w1'] })
    expect(plan({ min: 2 }, blockOn(['w1', 'w2']), workers)).toMatchObject({ copies: [{ targetId: 'w3' }], drops: [] })
    expect(plan({ min: 2 }, blockOn(['w1', 'w2', 'w3']), workers).drops).toEqual(['w1'])
    const alone = workersOf({ decommissioning: true })
    expect(plan({}, blockOn(['w1']), alone)).toMatchObject({ copies: [], drops: [], unplaced: 1 })
  })
})

const worker = fc.record({
  hostname: fc.constantFrom('a', 'b', 'c'),
  freeBytes: fc.integer({ min: 0, max: 400 }),
  decommissioning: fc.boolean(),
  hasSlot: fc.boolean(),
})
const ids = fc.uniqueArray(fc.constantFrom('w1', 'w2', 'w3', 'w4', 'w5', 'gone'))
const cases = fc.record({
  workers: fc.array(worker, { maxLength: 5 }),
  min: fc.integer({ min: 0, max: 4 }),
  above: fc.integer({ min: -1, max: 2 }),
  pinned: fc.boolean(),
  persisted: fc.boolean(),
  held: ids,
  pending: ids,
  awaited: fc.integer({ min: 0, max: 2 }),
  seed: fc.integer(),
})

function firstProblem(planner: typeof planBlock): string[] {
  let found: string[] = []
  fc.check(
    fc.property(cases, ({ workers: fields, min, above, pinned, persisted, held, pending, awaited, seed }) => {
      const workers = workersOf(...fields)
      const settings = { min, max: above < 0 ? -1 : min + above, pinned, persisted }
      const block = blockOn(held, { awaited, pendingIds: pending.filter((id) => !held.includes(id)) })
      const problems = problemsOf(settings, block, workers, planner(settings, block, workers, seededRandom(seed)))
      if (problems.length > 0) found = problems
      return problems.length === 0
    }),
    { numRuns: 5000, seed: 7 },
  )
  return found
}

describe('whatever there is', () => {
  it('no plan loses the last replica, doubles one, or puts one where it must not be', () => {
    expect(firstProblem(planBlock)).toEqual([])
  })

  it('a planner that would is caught', () => {
    const dropsAll: typeof planBlock = (settings, block, workers, random) => {
      const made = planBlock(settings, block, workers, random)
      return made.drops.length > 0 ? { ...made, drops: block.workerIds.filter((id) => workers.has(id)) } : made
    }
    const unpinned: typeof planBlock = (settings, ...rest) =>
      planBlock({ ...settings, pinned: false, persisted: true }, ...rest)
    const leavesEarly: typeof planBlock = (settings, block, workers, random) => ({
      ...planBlock(settings, block, workers, random),
      drops: block.workerIds.filter((id) => workers.get(id)?.decommissioning === true),
    })
    const blind: typeof planBlock = (settings, block, ...rest) =>
      planBlock(settings, { ...block, pendingIds: [] }, ...rest)
    for (const planted of [dropsAll, unpinned, leavesEarly, blind]) expect(firstProblem(planted)).not.toEqual([])
  })
})
