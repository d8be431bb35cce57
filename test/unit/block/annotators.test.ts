// Why: the annotators' order against the definitions themselves, computed the long way from every
// touch there was.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BlockAnnotator } from '../../../src/block/tier/order/annotator.ts'
import { annotatorMaker, type AnnotatorSettings } from '../../../src/block/tier/order/choose-annotator.ts'

/**
 * C(now) of semantics.md, or the last touch for LRU. Each tier is a map of the touches of its
 * blocks.
 */
class Reference {
  readonly #settings: AnnotatorSettings
  readonly tiers: readonly Map<number, number[]>[] = [new Map(), new Map()]
  now = 0

  constructor(settings: AnnotatorSettings) {
    this.#settings = settings
  }

  worth(touches: readonly number[]): number {
    if (this.#settings.kind === 'LRU') return touches.at(-1) ?? 0
    const { stepFactor, attenuationFactor } = this.#settings
    return touches.reduce((total, touch) => total + (1 / attenuationFactor) ** ((this.now - touch) * stepFactor), 0)
  }

  /** Throws when `order` is not coldest first, allowing for the rounding of sums. */
  check(tier: number, order: readonly number[]): void {
    const blocks = this.tiers[tier] ?? new Map<number, number[]>()
    expect([...order].sort((a, b) => a - b)).toEqual([...blocks.keys()].sort((a, b) => a - b))
    for (const [index, id] of order.entries()) {
      const before = blocks.get(order[index - 1] ?? -1)
      const here = blocks.get(id) ?? []
      if (before === undefined) continue
      const [colder, hotter] = [this.worth(before), this.worth(here)]
      const isTie = Math.abs(colder - hotter) <= 1e-9 * hotter
      if (isTie && this.#settings.kind === 'LRFU') continue
      if (colder > hotter) throw new Error(`${order.join()} is not coldest first: ${colder} before ${hotter}`)
    }
  }
}

type Operation = readonly ['touch' | 'add' | 'remove' | 'move', number, number]
const operations = fc.array(
  fc.tuple(
    fc.constantFrom('touch', 'touch', 'touch', 'add', 'add', 'remove', 'move'),
    fc.integer({ min: 0, max: 9 }),
    fc.integer({ min: 0, max: 1 }),
  ),
  { maxLength: 120, size: 'max' },
) satisfies fc.Arbitrary<Operation[]>

function run(make: () => BlockAnnotator, settings: AnnotatorSettings, steps: readonly Operation[]): void {
  const annotators = [make(), make()] as const
  const reference = new Reference(settings)
  for (const [kind, id, tier] of steps) {
    const annotator = annotators[tier === 0 ? 0 : 1]
    const other = annotators[tier === 0 ? 1 : 0]
    const blocks = reference.tiers[tier] ?? new Map<number, number[]>()
    const otherBlocks = reference.tiers[1 - tier] ?? new Map<number, number[]>()
    if (kind === 'add' && !otherBlocks.has(id)) {
      annotator.add(id)
      blocks.set(id, [...(blocks.get(id) ?? []), (reference.now += 1)])
    } else if (kind === 'touch') {
      annotator.touch(id)
      if (blocks.has(id)) blocks.set(id, [...(blocks.get(id) ?? []), (reference.now += 1)])
    } else if (kind === 'remove') {
      expect(annotator.remove(id) !== undefined).toBe(blocks.delete(id))
    } else if (kind === 'move') {
      const mark = annotator.remove(id)
      if (mark !== undefined) {
        other.adopt(id, mark)
        otherBlocks.set(id, blocks.get(id) ?? [])
        blocks.delete(id)
      }
    }
    expect(annotator.size).toBe(blocks.size)
  }
  for (const [tier, annotator] of annotators.entries()) reference.check(tier, [...annotator.coldestFirst()])
}

const policies: readonly AnnotatorSettings[] = [
  { kind: 'LRU' },
  { kind: 'LRFU', stepFactor: 0.25, attenuationFactor: 2 },
  { kind: 'LRFU', stepFactor: 0, attenuationFactor: 2 },
  { kind: 'LRFU', stepFactor: 1, attenuationFactor: 2 },
  { kind: 'LRFU', stepFactor: 0.01, attenuationFactor: 10 },
]

describe('an annotator', () => {
  test.each(policies)('orders as the definition says: %o', (settings) => {
    fc.assert(
      fc.property(operations, (steps) => run(annotatorMaker(settings), settings, steps)),
      { numRuns: 300 },
    )
  })

  test('LRFU with s = 1 is LRU, however long and often', () => {
    const [lru, lrfu] = [
      annotatorMaker({ kind: 'LRU' })(),
      annotatorMaker({ kind: 'LRFU', stepFactor: 1, attenuationFactor: 2 })(),
    ]
    let state = 1
    for (let step = 0; step < 20_000; step += 1) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
      // Long rows of touches of one block: the sum of the older ones comes as near to the last as
      // it can.
      const id = step % 1000 < 500 ? 1 : state % 50
      for (const annotator of [lru, lrfu]) annotator.add(id)
    }
    expect([...lrfu.coldestFirst()]).toEqual([...lru.coldestFirst()])
  })

  test('LRFU with s = 0 is LFU, the older touch first among equals', () => {
    const lfu = annotatorMaker({ kind: 'LRFU', stepFactor: 0, attenuationFactor: 2 })()
    for (const id of [1, 2, 3, 1, 1, 2, 4, 3]) lfu.add(id)
    expect([...lfu.coldestFirst()]).toEqual([4, 2, 3, 1])
  })

  test('neither worth nor order is lost after a very long life', () => {
    const make = annotatorMaker({ kind: 'LRFU', stepFactor: 1, attenuationFactor: 1000 })
    const annotator = make()
    annotator.adopt(1, { touchedAt: -(10 ** 12), earlier: 3 })
    annotator.adopt(2, { touchedAt: -(10 ** 12) + 1, earlier: 3 })
    annotator.add(3)
    annotator.touch(1)
    expect([...annotator.coldestFirst()]).toEqual([2, 3, 1])
  })

  test.each([
    [1.5, 2],
    [-0.1, 2],
    [Number.NaN, 2],
    [0.5, 0.9],
    [0.5, Number.POSITIVE_INFINITY],
  ])('a step of %d with an attenuation of %d is refused', (stepFactor, attenuationFactor) => {
    expect(() => annotatorMaker({ kind: 'LRFU', stepFactor, attenuationFactor })()).toThrow(/LRFU/)
  })
})

describe('the reference catches an annotator that', () => {
  const broken: Record<string, (annotator: BlockAnnotator) => Partial<BlockAnnotator>> = {
    'forgets touches': () => ({ touch: () => undefined }),
    'forgets the past of a block that comes from another tier': (annotator) => ({ adopt: (id) => annotator.add(id) }),
    'gives the hottest first': (annotator) => ({ coldestFirst: () => [...annotator.coldestFirst()].toReversed() }),
  }
  test.each(Object.entries(broken))('%s', (_, change) => {
    for (const settings of policies.slice(0, 2)) {
      const make = annotatorMaker(settings)
      const mutant = (): BlockAnnotator => {
        const annotator = make()
        const changed = change(annotator)
        return new Proxy(annotator, {
          get: (target, name) => {
            const value: unknown = name in changed ? Reflect.get(changed, name) : Reflect.get(target, name, target)
            return typeof value === 'function' ? value.bind(target) : value
          },
        })
      }
      expect(() =>
        fc.assert(
          fc.property(operations, (steps) => run(mutant, settings, steps)),
          { numRuns: 300, seed: 3 },
        ),
      ).toThrow()
    }
  })
})
