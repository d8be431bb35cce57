import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { BlockMap, unknownBlockCount } from '../../../src/meta/block-map.ts'

const single = fileIdOf(7)
const long = fileIdOf(8)

describe('BlockMap', () => {
  it('adds and removes idempotently, and counts each worker', () => {
    const map = new BlockMap()
    const [a, b] = [map.addWorker('a'), map.addWorker('b')]
    for (let i = 0; i < 2; i += 1) {
      map.add(blockIdOf(single, 0), 1, a)
      map.add(blockIdOf(long, 2), 3, b)
      map.add(blockIdOf(long, 2), 3, a)
    }
    expect(map.locations(blockIdOf(long, 2))).toEqual([a, b])
    expect(map.locations(blockIdOf(long, 1))).toEqual([])
    expect([map.blocksOf(a), map.blocksOf(b)]).toEqual([2, 1])
    map.remove(blockIdOf(long, 2), a)
    map.remove(blockIdOf(long, 2), a)
    expect([map.blocksOf(a), map.blocksOf(b)]).toEqual([1, 1])
    expect(map.dropFile(long)).toEqual([{ index: 2, ordinals: [b] }])
    expect(map.dropFile(long)).toEqual([])
    expect([map.files, map.blocksOf(b)]).toEqual([1, 0])
  })

  it('takes the last blocks of a file that was complete before they were heard of', () => {
    const map = new BlockMap()
    const a = map.addWorker('a')
    map.add(blockIdOf(long, 0), unknownBlockCount, a)
    map.add(blockIdOf(long, 9), 10, a)
    map.add(blockIdOf(long, 3), 10, a)
    expect([0, 3, 9].map((index) => map.locations(blockIdOf(long, index)))).toEqual([[a], [a], [a]])
    expect(() => map.add(blockIdOf(long, 10), 10, a)).toThrow('of a file of 10 blocks')
    expect(map.dropFile(long)).toHaveLength(3)
    expect(map.blocksOf(a)).toBe(0)
  })

  it('forgets a lost worker at once and takes its next session from nothing', () => {
    const map = new BlockMap()
    const first = map.addWorker('a')
    map.add(blockIdOf(single, 0), 1, first)
    map.dropWorker(first)
    expect(map.locations(blockIdOf(single, 0))).toEqual([])
    const second = map.addWorker('a')
    expect(map.locations(blockIdOf(single, 0))).toEqual([])
    map.add(blockIdOf(single, 0), 1, second)
    expect(map.locations(blockIdOf(single, 0)).map((ordinal) => map.workerId(ordinal))).toEqual(['a'])
    expect(() => map.add(blockIdOf(single, 0), 1, first)).toThrow('not live')
  })

  it('agrees with a map of sets under any operations', () => {
    const operation = fc.record({
      op: fc.constantFrom('add', 'add', 'add', 'remove', 'dropFile', 'loseWorker'),
      worker: fc.nat(4),
      file: fc.nat(5),
      index: fc.nat(3),
    })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 120 }), (operations) => {
        const map = new BlockMap()
        const ordinals = [0, 1, 2, 3, 4].map((worker) => map.addWorker(`w${worker}`))
        const reference = new Map<string, Set<number>>()
        for (const { op, worker, file, index } of operations) {
          const blocks = (file % 4) + 1
          const block = index % blocks
          const id = blockIdOf(fileIdOf(file), block)
          const holders = reference.get(`${file}/${block}`) ?? new Set()
          reference.set(`${file}/${block}`, holders)
          if (op === 'add') {
            map.add(id, blocks, ordinals[worker] as number)
            holders.add(worker)
          } else if (op === 'remove') {
            map.remove(id, ordinals[worker] as number)
            holders.delete(worker)
          } else if (op === 'dropFile') {
            map.dropFile(fileIdOf(file))
            for (let i = 0; i < blocks; i += 1) reference.delete(`${file}/${i}`)
          } else if (op === 'loseWorker') {
            map.dropWorker(ordinals[worker] as number)
            ordinals[worker] = map.addWorker(`w${worker}`)
            for (const set of reference.values()) set.delete(worker)
          }
        }
        const held = new Map<number, number>()
        for (let file = 0; file <= 5; file += 1) {
          for (let i = 0; i < (file % 4) + 1; i += 1) {
            const want = [...(reference.get(`${file}/${i}`) ?? [])].sort((a, b) => a - b)
            const got = map.locations(blockIdOf(fileIdOf(file), i)).map((ordinal) => ordinals.indexOf(ordinal))
            expect(got.sort((a, b) => a - b)).toEqual(want)
            for (const worker of want) held.set(worker, (held.get(worker) ?? 0) + 1)
          }
        }
        for (let worker = 0; worker < 5; worker += 1)
          expect(map.blocksOf(ordinals[worker] as number)).toBe(held.get(worker) ?? 0)
        for (let file = 0; file <= 5; file += 1) map.dropFile(fileIdOf(file))
        expect([map.files, map.bytes]).toEqual([0, 0])
      }),
    )
  })

  it('keeps nothing of files and workers that come and go', () => {
    const map = new BlockMap()
    for (let round = 0; round < 300; round += 1) {
      const workers = Array.from({ length: 6 }, (_, i) => map.addWorker(`w${i}`))
      for (let i = 0; i < 30; i += 1)
        for (const worker of workers.slice(i % 6)) map.add(blockIdOf(fileIdOf(i), 0), 1, worker)
      for (const worker of workers) map.dropWorker(worker)
    }
    // As many sets of workers as the last round has, not of all rounds.
    expect(map.bytes).toBeLessThan(12 * 1024 + 40_000)
    for (let i = 0; i < 30; i += 1) map.dropFile(fileIdOf(i))
    expect([map.files, map.bytes]).toEqual([0, 0])
  })

  it('takes a few bytes a block, whatever their replicas, and gives them back', () => {
    const map = new BlockMap()
    const workers = Array.from({ length: 4 }, (_, i) => map.addWorker(`w${i}`))
    const files = 100_000
    for (let i = 0; i < files; i += 1) {
      for (let replica = 0; replica <= i % 3; replica += 1)
        map.add(blockIdOf(fileIdOf(i), 0), 1, workers[(i + replica) % 4] as number)
    }
    expect(map.bytes / files).toBeLessThan(8)
    for (let i = 0; i < files; i += 1) map.dropFile(fileIdOf(i))
    expect([map.files, map.bytes]).toEqual([0, 0])
    expect(workers.map((worker) => map.blocksOf(worker))).toEqual([0, 0, 0, 0])
  })
})
