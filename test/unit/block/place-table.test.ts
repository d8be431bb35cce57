// The table against a Map, on ids that share buckets and on many; places are used again and never
// given twice.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { none, PlaceTable } from '../../../src/block/tier/order/place-table.ts'

function compare(table: PlaceTable, reference: ReadonlyMap<number, number>): void {
  expect(table.size).toBe(reference.size)
  expect(new Set(reference.values()).size).toBe(reference.size)
  for (const [blockId, place] of reference) {
    expect([table.find(blockId), table.blockIdAt(place)]).toEqual([place, blockId])
    expect(place).toBeLessThan(table.capacity)
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
      const table = new PlaceTable()
      const reference = new Map<number, number>()
      for (const [isRemoval, blockId] of steps) {
        if (isRemoval) {
          expect(table.remove(blockId)).toBe(reference.get(blockId) ?? none)
          reference.delete(blockId)
        } else if (!reference.has(blockId)) reference.set(blockId, table.add(blockId))
        expect(table.find(blockId)).toBe(reference.get(blockId) ?? none)
      }
      compare(table, reference)
    }),
  )
})

test('many blocks of one file, and of many files, come and go without the table growing beyond them', () => {
  const table = new PlaceTable()
  const reference = new Map<number, number>()
  for (let round = 0; round < 3; round += 1) {
    for (let n = 0; n < 5000; n += 1)
      for (const id of [n, n * 2 ** 20]) if (!reference.has(id)) reference.set(id, table.add(id))
    compare(table, reference)
    for (const id of [...reference.keys()].filter((_, at) => at % 3 !== 0)) {
      expect(table.remove(id)).toBe(reference.get(id))
      reference.delete(id)
    }
  }
  expect(table.capacity).toBeLessThan(10_000 * 1.6)
})

test('a block cannot have two places', () => {
  const table = new PlaceTable()
  table.add(7)
  expect(() => table.add(7)).toThrow('has a place already')
})
