// The index against a Map, on ids that share buckets and on many; places are used again and never given twice.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { none, PlaceIndex } from '../../../src/block/place-index.ts'

function compare(index: PlaceIndex, reference: ReadonlyMap<number, number>): void {
  expect(index.size).toBe(reference.size)
  expect(new Set(reference.values()).size).toBe(reference.size)
  for (const [blockId, place] of reference) {
    expect([index.find(blockId), index.blockIdAt(place)]).toEqual([place, blockId])
    expect(place).toBeLessThan(index.capacity)
  }
}

test('finds, forgets and uses places again like a Map', () => {
  const ids = fc.oneof(
    fc.integer({ min: 0, max: 40 }),
    fc.maxSafeNat(),
    fc.integer({ min: 0, max: 2 ** 33 - 1 }).map((file) => file * 2 ** 20),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), ids), { maxLength: 400, size: 'max' }), (steps) => {
      const index = new PlaceIndex()
      const reference = new Map<number, number>()
      for (const [isRemoval, blockId] of steps) {
        if (isRemoval) {
          expect(index.remove(blockId)).toBe(reference.get(blockId) ?? none)
          reference.delete(blockId)
        } else if (!reference.has(blockId)) reference.set(blockId, index.add(blockId))
        expect(index.find(blockId)).toBe(reference.get(blockId) ?? none)
      }
      compare(index, reference)
    }),
  )
})

test('many blocks of one file, and of many files, come and go without the table growing beyond them', () => {
  const index = new PlaceIndex()
  const reference = new Map<number, number>()
  for (let round = 0; round < 3; round += 1) {
    for (let n = 0; n < 5000; n += 1) for (const id of [n, n * 2 ** 20]) if (!reference.has(id)) reference.set(id, index.add(id))
    compare(index, reference)
    for (const id of [...reference.keys()].filter((_, at) => at % 3 !== 0)) {
      expect(index.remove(id)).toBe(reference.get(id))
      reference.delete(id)
    }
  }
  expect(index.capacity).toBeLessThan(10_000 * 1.6)
})

test('a block cannot have two places', () => {
  const index = new PlaceIndex()
  index.add(7)
  expect(() => index.add(7)).toThrow('has a place already')
})
