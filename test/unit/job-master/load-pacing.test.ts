// Why: the job master is the one who deals out what may be read; each rule of it in virtual time,
// without a network.
import { beforeEach, describe, expect, test } from 'vitest'
import { parseBandwidth } from '../../../src/base/flow/bandwidth.ts'
import { apply } from '../../../src/load/state/apply-load.ts'
import type { LoadOptions } from '../../../src/load/load.ts'
import type { Tables } from '../../../src/load/state/load-tables.ts'
import { LoadPacing } from '../../../src/job-master/dispatch/load-pacing.ts'
import { type OutSet, Outstanding } from '../../../src/job-master/dispatch/outstanding.ts'
import { pacingOptions } from '../../../src/job-master/options/pacing-options.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { never, VirtualClock } from '../../model/support/load-doubles.ts'
import { memoryTables } from '../load/support/memory-tables.ts'

let clock: VirtualClock
let tables: Tables
let outstanding: Outstanding
const attributes = new Map<string, Record<string, string>>()

beforeEach(() => {
  clock = new VirtualClock()
  tables = memoryTables()
  outstanding = new Outstanding()
  attributes.clear()
})

async function pacingWith(cluster = ''): Promise<LoadPacing> {
  const getNamespace = async ({ name: path }: { name: string }) => ({
    ...{
      namespaceId: `id-${path.slice(1)}`,
      name: path.slice(1),
      uri: '',
      secretNames: [],
      createdMs: 0,
      ttlMs: 0,
      ttlAction: 'FREE',
    },
    attributes: attributes.get(path.slice(1)) ?? {},
  })
  const bandwidth = parseBandwidth(cluster, 'cluster')
  const pacing = new LoadPacing({
    tables,
    outstanding,
    master: { getNamespace },
    clock,
    random: () => 0.5,
    logger: silentLogger,
    bandwidth,
  })
  await pacing.refresh(never)
  return pacing
}

/** A running load of a namespace. */
function running(namespace: string, options: Partial<LoadOptions> = {}): number {
  const all = { replication: 1, activeJobs: 10, batchSize: 10, ...options }
  const submitted = {
    type: 'SubmitLoad',
    nowMs: 1,
    requestKey: '',
    path: `/${namespace}/${tables.counters.get(['load']) ?? 0}`,
    options: all,
  } as const
  const effect = apply(tables, submitted)
  if (effect.type !== 'submitted') throw new Error('not submitted')
  const load = tables.loads.get([effect.loadId])
  if (load === undefined) throw new Error('no load')
  tables.loads.put([effect.loadId], { ...load, namespaceId: `id-${namespace}` })
  return effect.loadId
}

function begun(loadId: number, jobWorkerId: string, set = 1): OutSet {
  const out: OutSet = {
    set: { loadId, set, bytes: 1, targets: [], attempt: 1, notBeforeMs: 0 },
    ...{
      attempt: 1,
      lane: jobWorkerId,
      rank: 1,
      jobWorkerId,
      added: true,
      addedMs: 0,
      session: 's',
      missed: 0,
      completing: false,
    },
  }
  outstanding.put(out)
  return out
}

describe('what job workers may read', () => {
  test('nothing is said while nothing is limited', async () => {
    const loadId = running('a')
    begun(loadId, 'x')
    const pacing = await pacingWith()
    expect([pacing.answer('x', undefined), pacing.allowanceOf(loadId, 'x'), pacing.isPaced(loadId)]).toEqual([
      undefined,
      undefined,
      false,
    ])
  })

  test("a load's own budget is split over the job workers that run it", async () => {
    const loadId = running('a', { bandwidth: '4000B' })
    for (const set of [1, 2, 3]) begun(loadId, 'x', set)
    begun(loadId, 'y', 4)
    const pacing = await pacingWith()
    expect(pacing.isPaced(loadId)).toBe(true)
    expect(pacing.answer('x', undefined)).toEqual({ allowances: [{ loadId: 'L1', bytesPerSecond: 3000 }], pauses: [] })
    expect(pacing.answer('y', undefined)).toEqual({ allowances: [{ loadId: 'L1', bytesPerSecond: 1000 }], pauses: [] })
  })

  test('loads of a namespace share its budget by priority; the cluster has one over all', async () => {
    attributes.set('a', { bandwidth: '4000B' })
    const [first, second, other] = [running('a', { priority: 30 }), running('a', { priority: 10 }), running('b')]
    for (const loadId of [first, second, other]) begun(loadId, 'x')
    const free = await pacingWith()
    expect([first, second, other].map((loadId) => free.allowanceOf(loadId, 'x'))).toEqual([
      expect.closeTo(3000),
      expect.closeTo(1000),
      undefined,
    ])
    const held = await pacingWith('2000B')
    const rates = [first, second, other].map((loadId) => held.allowanceOf(loadId, 'x') ?? 0)
    expect(rates.reduce((sum, rate) => sum + rate, 0)).toBeCloseTo(2000)
    expect((rates[0] ?? 0) / (rates[1] ?? 1)).toBeCloseTo(3)
  })

  test('a load that only waits in the queue takes nothing from the others, and begins at its share', async () => {
    const [reads, waits] = [running('a'), running('a')]
    begun(reads, 'x')
    begun(waits, 'x', 2).session = undefined
    const pacing = await pacingWith('1000B')
    expect(pacing.answer('x', undefined)?.allowances).toEqual([
      { loadId: 'L1', bytesPerSecond: 1000 },
      { loadId: 'L2', bytesPerSecond: 500 },
    ])
  })

  test('a new attribute of the namespace holds from the next look on', async () => {
    const loadId = running('a')
    begun(loadId, 'x')
    const pacing = await pacingWith()
    attributes.set('a', { bandwidth: '700B' })
    await pacing.refresh(never)
    expect(pacing.allowanceOf(loadId, 'x')).toBe(700)
  })

  test('SlowDown at one job worker holds all of them back, at half of what was read, and is over in time', async () => {
    const mib = 1024 ** 2
    const loadId = running('a')
    const [x, y] = [begun(loadId, 'x', 1), begun(loadId, 'y', 2)]
    const pacing = await pacingWith()
    for (let second = 1; second <= 20; second += 1) {
      await clock.advance(1000)
      pacing.progress(x, second * 30 * mib)
      pacing.progress(y, second * 10 * mib)
    }
    expect(pacing.answer('y', undefined)).toBeUndefined()
    pacing.answer('x', { namespaces: [{ namespaceId: 'id-a', slowDowns: 4, demandReads: 0 }] })
    const answer = pacing.answer('y', undefined)
    expect(answer?.pauses).toEqual([{ namespaceId: 'id-a', pauseMs: expect.any(Number) }])
    // Of 40 MiB a second both together get half, and this one half of that.
    expect((answer?.allowances[0]?.bytesPerSecond ?? 0) / mib).toBeGreaterThan(7)
    expect((answer?.allowances[0]?.bytesPerSecond ?? 0) / mib).toBeLessThan(14)
    await clock.advance(1000)
    expect(pacing.answer('y', undefined)?.pauses).toEqual([])
    await clock.advance(60_000)
    expect(pacing.answer('y', undefined)).toBeUndefined()
  })
})

test('options that pace a load are checked before it is written down', () => {
  expect(pacingOptions(undefined)).toEqual({})
  expect(pacingOptions({ bandwidth: ' 5MB/s ', priority: 100, maxFailures: '3%' })).toEqual({
    bandwidth: '5MB/s',
    priority: 100,
    maxFailures: '3%',
  })
  for (const priority of [0, 101, 1.5]) expect(() => pacingOptions({ priority })).toThrow(`--priority ${priority}`)
  expect(() => pacingOptions({ bandwidth: '0' })).toThrow('a rate of 0')
  expect(() => pacingOptions({ maxFailures: '-1' })).toThrow('--max-failures')
})
