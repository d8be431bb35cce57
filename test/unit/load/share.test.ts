import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { partOf, shareRates, type SharingLoad, weightsOf } from '../../../src/load/plan/share.ts'

function load(loadId: number, more: Partial<SharingLoad> = {}): SharingLoad {
  return { loadId, namespaceId: 'n', priority: 10, limit: undefined, tasksOf: new Map(), ...more }
}
const rates = (
  loads: readonly SharingLoad[],
  cluster?: number,
  namespaces: Record<string, number> = {},
): (number | undefined)[] => {
  const shared = shareRates(loads, { cluster, namespaces: new Map(Object.entries(namespaces)) })
  return loads.map((one) => shared.get(one.loadId))
}

describe('shares', () => {
  test('without a limit nobody is held back', () => {
    expect(rates([load(1), load(2)])).toEqual([undefined, undefined])
  })

  test('loads of one namespace share its limit by priority, 3:2:1', () => {
    const loads = [load(1, { priority: 30 }), load(2, { priority: 20 }), load(3, { priority: 10 })]
    expect(rates(loads, undefined, { n: 600 })).toEqual([300, 200, 100].map((rate) => expect.closeTo(rate)))
    expect(rates(loads, 600)).toEqual([300, 200, 100].map((rate) => expect.closeTo(rate)))
  })

  test("what a load's own limit leaves goes to the others", () => {
    const loads = [load(1, { priority: 30, limit: 60 }), load(2, { priority: 20 }), load(3, { priority: 10 })]
    expect(rates(loads, 600)).toEqual([60, 360, 180].map((rate) => expect.closeTo(rate)))
  })

  test('ten loads of one namespace weigh no more than one of another', () => {
    const many = Array.from({ length: 10 }, (_, index) => load(index + 1, { namespaceId: 'a' }))
    const shared = rates([...many, load(11, { namespaceId: 'b' })], 1000)
    expect(shared.at(-1)).toBeCloseTo(500)
    expect(shared.slice(0, 10)).toEqual(many.map(() => expect.closeTo(50)))
  })

  test('a load of a namespace without a limit runs free beside one with a limit', () => {
    expect(rates([load(1, { namespaceId: 'a' }), load(2, { namespaceId: 'b' })], undefined, { a: 100 })).toEqual([
      100,
      undefined,
    ])
  })

  test('the smallest of all limits holds', () => {
    expect(rates([load(1, { limit: 300 })], 200, { n: 100 })).toEqual([100])
    expect(rates([load(1, { limit: 50 })], 200, { n: 100 })).toEqual([50])
  })

  test('no limit is ever exceeded, and none is left unused that somebody could use', () => {
    const anyLoad = fc.record({
      namespaceId: fc.constantFrom('a', 'b', 'c'),
      priority: fc.integer({ min: 1, max: 100 }),
      limit: fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }),
    })
    const limits = fc.record({
      cluster: fc.option(fc.integer({ min: 1, max: 2000 }), { nil: undefined }),
      a: fc.integer({ min: 1, max: 1000 }),
    })
    fc.assert(
      fc.property(fc.array(anyLoad, { minLength: 1, maxLength: 12 }), limits, (made, { cluster, a }) => {
        const loads = made.map((one, index) => load(index + 1, one))
        const shared = rates(loads, cluster, { a })
        const sumOf = (wanted: (one: SharingLoad) => boolean): number =>
          loads.reduce((sum, one, index) => sum + (wanted(one) ? (shared[index] ?? 0) : 0), 0)
        const isFull = (limit: number | undefined, used: number): boolean =>
          limit !== undefined && used >= limit * (1 - 1e-9)
        for (const [index, one] of loads.entries()) {
          const rate = shared[index]
          const inA = one.namespaceId === 'a'
          const limited = one.limit !== undefined || inA || cluster !== undefined
          expect(rate === undefined).toBe(!limited)
          if (rate === undefined) continue
          expect(rate).toBeLessThanOrEqual((one.limit ?? Number.POSITIVE_INFINITY) * (1 + 1e-9))
          const held =
            isFull(one.limit, rate) ||
            (inA &&
              isFull(
                a,
                sumOf((other) => other.namespaceId === 'a'),
              )) ||
            isFull(
              cluster,
              sumOf(() => true),
            )
          expect(held).toBe(true)
        }
        expect(sumOf((one) => one.namespaceId === 'a')).toBeLessThanOrEqual(a * (1 + 1e-9))
        if (cluster !== undefined) expect(sumOf(() => true)).toBeLessThanOrEqual(cluster * (1 + 1e-9))
      }),
    )
  })

  test('a load is split over job workers by what runs there', () => {
    const running = load(1, { tasksOf: new Map(Object.entries({ x: 3, y: 1 })) })
    expect([partOf(running, 400, 'x'), partOf(running, 400, 'y')]).toEqual([300, 100])
    expect(partOf(running, 400, 'new')).toBe(80)
    expect(partOf(load(2), 400, 'new')).toBe(400)
  })

  test('weights of loads of one namespace are in the ratio of their priorities', () => {
    const weights = weightsOf([load(1, { priority: 30 }), load(2, { priority: 10 })])
    expect((weights.get(1) ?? 0) / (weights.get(2) ?? 1)).toBeCloseTo(3)
  })
})
