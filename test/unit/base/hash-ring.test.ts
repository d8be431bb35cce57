// Why: a hash that differs in one bit from that of GooseFS's clients places nothing where they
// look. How: check values of their own tests, and the algorithm again in big numbers.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pointsPerWorker, ringOwner, ringPoints, type RingKey } from '../../../src/base/ring/hash-ring.ts'
import { Murmur3 } from '../../../src/base/ring/murmur3.ts'
import { nativeWorkerId } from '../../../src/base/ring/native-worker-id.ts'

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
const halves = (value: bigint): RingKey => ({ high: Number(u64(value) >> 32n), low: Number(u64(value) & 0xffffffffn) })

function ours(key: bigint, index: number): bigint {
  const murmur3 = new Murmur3()
  const { high, low } = halves(key)
  murmur3.hash(high, low, index)
  return BigInt.asIntN(64, (BigInt(murmur3.high) << 32n) | BigInt(murmur3.low))
}

/** MurmurHash3_x64_128, seed 0, of 12 bytes: the first half. */
function reference(key: bigint, index: number): bigint {
  const [c1, c2] = [0x87c37b91114253d5n, 0x4cf5ad432745937fn]
  const rotate = (value: bigint, bits: bigint): bigint => u64((value << bits) | (value >> (64n - bits)))
  const mix = (start: bigint): bigint => {
    let k = start
    k = u64((k ^ (k >> 33n)) * 0xff51afd7ed558ccdn)
    k = u64((k ^ (k >> 33n)) * 0xc4ceb9fe1a85ec53n)
    return k ^ (k >> 33n)
  }
  const h2 = u64(rotate(u64(BigInt(index >>> 0) * c2), 33n) * c1) ^ 12n
  const h1 = u64(rotate(u64(u64(key) * c1), 31n) * c2) ^ 12n
  const sum = u64(h1 + h2)
  return BigInt.asIntN(64, u64(mix(sum) + mix(u64(h2 + sum))))
}

interface ReferencePoint {
  readonly point: bigint
  readonly worker: number
}

/** All points of all workers in one sorted list. */
function referencePoints(workers: readonly bigint[]): ReferencePoint[] {
  return workers
    .flatMap((id, worker) =>
      Array.from({ length: pointsPerWorker }, (_, index) => ({ point: ours(id, index), worker })),
    )
    .sort((a, b) => (a.point < b.point ? -1 : a.point > b.point ? 1 : 0))
}

/** Which worker has the first one at or above. */
function referenceOwner(points: readonly ReferencePoint[], block: bigint, attempt: number): number {
  const target = ours(block, attempt)
  return (points.find(({ point }) => point >= target) ?? points[0])?.worker ?? -1
}

describe('murmur3', () => {
  it.each([
    [1n, 0, 8673688779682957586n],
    [42n, 7, 1969424773395075097n],
    [100n, 1, -8854681018154386345n],
    [-1n, 0, 7097917686268154775n],
    [0n, 0, -6568239567428591645n],
    [85429583872n, 0, -5867849384608515022n],
    [8769479697893324776n, 0, -6296241382218419536n],
  ])('of %s and %s', (key, index, expected) => {
    expect(ours(key, index)).toBe(expected)
    expect(reference(key, index)).toBe(expected)
  })
  it('of any key', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer(), (key, index) => {
        expect(ours(key, index)).toBe(reference(key, index))
      }),
    )
  })
})

describe('the ring', () => {
  const ids = ['a', 'b', 'c', 'd'].map(nativeWorkerId)
  const points = ids.map((id) => ringPoints(id))
  it('has 40 KB a worker, in order', () => {
    expect(points[0]?.byteLength).toBe(40_000)
    const values = [...new BigInt64Array(points[0]!.buffer)]
    expect(values.every((value, index) => index === 0 || (values[index - 1] ?? value) < value)).toBe(true)
    expect(new Set(values)).toEqual(new Set(Array.from({ length: pointsPerWorker }, (_, n) => ours(ids[0]!, n))))
  })
  it('gives a block to the worker of the first point at or above its hash', () => {
    const all = referencePoints(ids)
    for (let block = 0n; block < 40n; block += 1n) {
      const key = halves((block << 24n) | block)
      for (const attempt of [0, 1, 99])
        expect(ringOwner(points, key, attempt)).toBe(referenceOwner(all, (block << 24n) | block, attempt))
    }
  })
  it('goes round: above the last point comes the first', () => {
    const few = [ringPoints(ids[0]!, 1), ringPoints(ids[1]!, 1)]
    const values = few.map((one) => new BigInt64Array(one.buffer)[0] ?? 0n)
    const lowest = values[0]! < values[1]! ? 0 : 1
    const seen = new Set<string>()
    for (let block = 0n; block < 200n; block += 1n) {
      const hash = ours(block, 0)
      const isAbove = values.every((value) => value < hash)
      const isBelow = values.every((value) => value >= hash)
      if (isAbove || isBelow) expect(ringOwner(few, halves(block), 0)).toBe(lowest)
      else expect(ringOwner(few, halves(block), 0)).toBe(1 - lowest)
      seen.add(`${isAbove} ${isBelow}`)
    }
    expect(seen.size).toBeGreaterThan(1)
  })
  it('a worker without points, and none at all', () => {
    expect(ringOwner([ringPoints(1n, 0), ringPoints(2n, 3)], halves(5n), 0)).toBe(1)
    expect(ringOwner([ringPoints(1n, 0)], halves(5n), 0)).toBe(-1)
    expect(ringOwner([], halves(5n), 0)).toBe(-1)
  })
  it('moves only blocks of a worker that goes', () => {
    for (let block = 0n; block < 2000n; block += 1n) {
      const owner = ringOwner(points, halves(block << 24n), 0)
      if (owner !== 3) expect(ringOwner(points.slice(0, 3), halves(block << 24n), 0)).toBe(owner)
    }
  })
})
