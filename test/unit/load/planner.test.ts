import { describe, expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { planRepairs } from '../../../src/load/plan/audit.ts'
import { pieceBytes, setBytes } from '../../../src/load/load.ts'
import { Placement } from '../../../src/load/placing/placement.ts'
import { groupFilesOf } from '../../../src/load/plan/file-groups.ts'
import { filesWithin, planPage, releasePlan, type ListedFile } from '../../../src/load/plan/planner.ts'

const options = { replication: 2, batchFiles: 3, batchBytes: 1000, largeSetBytes: 250 }

function placementOf(capacityBytes: number, ...workerIds: string[]): Placement {
  const placement = new Placement()
  placement.update(
    workerIds.map((workerId) => ({ workerId, hostname: workerId, live: true, capacityBytes, usedBytes: 0 })),
    0,
  )
  return placement
}
let container = 0
function file(key: string, length: number, replicas: readonly (readonly string[])[] = []): ListedFile {
  container += 1
  return {
    fileId: fileIdOf(container),
    key,
    length,
    etag: 'e',
    blockSizeBytes: 100,
    blocks: replicas.map((workerIds) => ({ workerIds })),
    problem: '',
  }
}

describe('filesWithin', () => {
  const placement = placementOf(1e12, 'a', 'b', 'c')

  test('is an upper bound of the sets that are planned, whatever is there already', () => {
    for (let seed = 1; seed < 60; seed += 1) {
      const files = Array.from({ length: 8 }, (_, index) => {
        const blocks = (seed * (index + 3)) % 17
        const replicas = (block: number): string[] =>
          ['a', 'b', 'gone'].filter((_one, bit) => ((seed + block * index) >> bit) % 2 === 1)
        const there = index % 2 === 0 ? [] : Array.from({ length: blocks }, (_one, block) => replicas(block))
        return file(`f${index}`, blocks * 100, there)
      })
      const first = filesWithin(files, options, placement, 10)
      const { sets } = planPage(files.slice(0, first), options, placement)
      if (first > 1) expect(sets.length).toBeLessThanOrEqual(10)
      expect(first).toBeGreaterThan(0)
    }
  })

  test('counts nothing for what is there, and bounds the sets of one file', () => {
    const there = Array.from({ length: 9 }, () =>
      file(
        'x',
        500,
        Array.from({ length: 5 }, () => ['a', 'b']),
      ),
    )
    expect(filesWithin(there, options, placement, 1)).toBe(9)
    const huge = file('huge', 1_040_000 * 100)
    expect(planPage([huge], options, placement).sets).toHaveLength(10_000)
  })
})

describe('planPage', () => {
  test('puts small files together, up to the batch in files and in bytes', () => {
    const files = Array.from({ length: 7 }, (_, index) => file(`f${index}`, 10))
    const plan = planPage(files, options, placementOf(1e6, 'a', 'b'))
    const pieces = plan.sets.flatMap((set) => set.pieces.map((piece) => piece.key))
    expect(pieces.toSorted()).toEqual(files.map((one) => one.key))
    for (const set of plan.sets) {
      expect(set.pieces.length).toBeLessThanOrEqual(3)
      expect(set.targets.toSorted()).toEqual(['a', 'b'])
    }
    const byBytes = planPage(
      [file('x', 95), file('y', 95), file('z', 95)],
      { ...options, batchBytes: 200 },
      placementOf(1e6, 'a', 'b'),
    )
    for (const set of byBytes.sets) expect(setBytes(set)).toBeLessThanOrEqual(200)
  })

  test('cuts large files into ranges of whole blocks that cover them once', () => {
    const plan = planPage([file('big', 1234)], { ...options, batchBytes: 1 }, placementOf(1e6, 'a', 'b', 'c'))
    const pieces = plan.sets.flatMap((set) => [...set.pieces]).toSorted((a, b) => a.firstBlock - b.firstBlock)
    expect(pieces.map((piece) => [piece.firstBlock, piece.blockCount])).toEqual([
      [0, 2],
      [2, 2],
      [4, 2],
      [6, 2],
      [8, 2],
      [10, 2],
      [12, 1],
    ])
    expect(pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0)).toBe(1234)
    expect(pieces.filter((piece) => piece.lead)).toHaveLength(1)
    expect(plan.counts).toMatchObject({ files: 1, bytes: 1234, filesCached: 0 })
  })

  test('counts what is cached, and plans only the blocks and replicas that lack', () => {
    const whole = file('whole', 200, [
      ['a', 'b'],
      ['b', 'c'],
    ])
    const part = file('part', 300, [['a', 'b'], ['a'], []])
    const plan = planPage([whole, part], options, placementOf(1e6, 'a', 'b', 'c'))
    expect(plan.counts).toEqual({ files: 2, bytes: 500, filesCached: 1, filesSkipped: 0, bytesCached: 300 })
    expect(plan.cached.map((piece) => piece.key)).toEqual(['whole'])
    const sets = plan.sets.flatMap((set) =>
      set.pieces.map((piece) => ({ block: piece.firstBlock, targets: set.targets })),
    )
    expect(sets.map((one) => one.block).toSorted((a, b) => a - b)).toEqual([1, 2])
    for (const { block, targets } of sets) {
      expect(targets).toHaveLength(block === 1 ? 1 : 2)
      if (block === 1) expect(targets).not.toContain('a')
    }
    // A replica on a worker that is not live is none.
    const dead = planPage([file('x', 100, [['gone', 'a']])], options, placementOf(1e6, 'a', 'b'))
    expect(dead.sets[0]?.targets).toEqual(['b'])
  })

  test('skips directory markers, names problems, takes empty files as cached', () => {
    const plan = planPage(
      [file('dir/', 0), file('empty', 0), { ...file('frozen', 5), problem: 'archived' }],
      options,
      placementOf(1e6, 'a', 'b'),
    )
    expect(plan.counts).toMatchObject({ files: 2, filesSkipped: 1, filesCached: 1 })
    expect(plan.failed.map((failure) => [failure.key, failure.reason])).toEqual([['frozen', 'archived']])
    expect(plan.sets).toEqual([])
  })

  test('reserves what it plans, all or nothing a file, and says what does not fit', () => {
    const placement = placementOf(500, 'a', 'b')
    const plan = planPage([file('one', 300), file('two', 300), file('three', 200)], options, placement)
    expect(plan.sets.flatMap((set) => set.pieces.map((piece) => piece.key))).toEqual(['one', 'one', 'three'])
    expect(plan.failed.map((failure) => [failure.key, failure.code])).toEqual([['two', 'resource_exhausted']])
    // For all three to be in: 1600 bytes of replicas, and room for 1000.
    expect(plan.missingBytes).toBe(600)
    expect([placement.freeBytes('a'), placement.freeBytes('b')]).toEqual([0, 0])
    releasePlan(plan, placement)
    expect([placement.freeBytes('a'), placement.freeBytes('b')]).toEqual([500, 500])
  })
})

describe('planRepairs', () => {
  test('makes sets of exactly what lacks, and takes the file out of the counts', () => {
    const [piece] =
      planPage([file('f', 250)], { ...options, largeSetBytes: 1000 }, placementOf(1e6, 'a', 'b')).sets[0]?.pieces ?? []
    if (piece === undefined) throw new Error('no piece')
    const plan = planRepairs(
      [{ subject: { set: 1, cached: false, piece }, shortages: [{ blockIndex: 2, workerIds: ['a'] }] }],
      options,
      placementOf(1e6, 'a', 'b'),
    )
    expect(plan.sets).toMatchObject([{ targets: ['b'], pieces: [{ firstBlock: 2, blockCount: 1, lead: false }] }])
    expect(plan.reopened).toEqual([{ fileId: piece.fileId, cached: false, bytes: 50 }])
    const full = planRepairs(
      [{ subject: { set: 1, cached: false, piece }, shortages: [{ blockIndex: 2, workerIds: ['a'] }] }],
      options,
      placementOf(10, 'a', 'b'),
    )
    expect(full.failed).toMatchObject([
      { key: 'f', code: 'resource_exhausted', reason: 'block 2 has 1 of 2 replicas: no worker has room for it' },
    ])
  })
})

describe('the size of batches', () => {
  const kib = 1024
  const defaults = { replication: 1, batchFiles: 256, batchBytes: 64 * kib ** 2, largeSetBytes: 256 * kib ** 2 }
  const pageOf = (length: number): ListedFile[] =>
    Array.from({ length: 1000 }, (_, index) => ({ ...file(`f${index}`, length), blockSizeBytes: 128 * kib ** 2 }))

  test.each([
    { what: '1 KiB', length: kib, filesMax: 256, setsMax: 6 },
    { what: '16 KiB', length: 16 * kib, filesMax: 256, setsMax: 6 },
    { what: '1 MiB: by bytes', length: kib ** 2, filesMax: 64, setsMax: 18 },
    { what: '100 MiB: one each', length: 100 * kib ** 2, filesMax: 1, setsMax: 1000 },
    { what: '1 GiB: cut at 256 MiB', length: kib ** 3, filesMax: 1, setsMax: 4000 },
  ])('$what', ({ length, filesMax, setsMax }) => {
    const { sets } = planPage(pageOf(length), defaults, placementOf(1e15, 'a', 'b'))
    expect(Math.max(...sets.map((set) => set.pieces.length))).toBe(filesMax)
    expect(sets.length).toBeLessThanOrEqual(setsMax)
    for (const set of sets)
      expect(setBytes(set)).toBeLessThanOrEqual(Math.max(defaults.batchBytes, defaults.largeSetBytes))
    expect(sets.reduce((sum, set) => sum + setBytes(set), 0)).toBe(1000 * length)
  })

  test('a mixed page: each set is bounded by files and by bytes', () => {
    const mixed = Array.from({ length: 900 }, (_, index) => ({
      ...file(`m${index}`, [kib, 16 * kib, kib ** 2][index % 3] ?? 0),
      blockSizeBytes: 128 * kib ** 2,
    }))
    const { sets } = planPage(mixed, defaults, placementOf(1e15, 'a'))
    for (const set of sets) {
      expect(set.pieces.length).toBeLessThanOrEqual(256)
      expect(setBytes(set)).toBeLessThanOrEqual(defaults.batchBytes)
    }
    expect(sets).toHaveLength(5)
  })

  test('sets of a large load are full, and workers equally so, however many tuples of workers there are', () => {
    const workers = Array.from({ length: 20 }, (_, index) => `w${index}`)
    const placement = placementOf(1e15, ...workers)
    const filesOf = new Map<string, number>()
    const sizes: number[] = []
    let planned = 0
    for (let page = 0; page < 300; page += 1) {
      const growing = {
        ...defaults,
        replication: 2,
        groupFiles: groupFilesOf(planned, workers.length, defaults.batchFiles),
      }
      const { sets } = planPage(pageOf(kib), growing, placement)
      planned += 1000
      for (const { pieces, targets } of sets) {
        sizes.push(pieces.length)
        for (const target of targets) filesOf.set(target, (filesOf.get(target) ?? 0) + pieces.length)
      }
      const each = [...filesOf.values()]
      // 2,000 replicas a page for 20 workers.
      if (page > 0) expect(Math.max(...each) / ((page + 1) * 100)).toBeLessThan(1.6)
    }
    // Without groups it is fewer than three files a set.
    expect(planned / sizes.length).toBeGreaterThan(30)
    expect(sizes.slice(-1000).reduce((sum, size) => sum + size, 0)).toBeGreaterThan(100_000)
    const each = workers.map((worker) => filesOf.get(worker) ?? 0)
    expect(Math.min(...each)).toBeGreaterThan(30_000 * 0.8)
    expect(Math.max(...each)).toBeLessThan(30_000 * 1.25)
  })

  test('groups begin with one file and grow to a whole set', () => {
    expect(groupFilesOf(0, 10, 256)).toBe(1)
    expect(groupFilesOf(6400, 10, 256)).toBe(20)
    expect(groupFilesOf(1e6, 10, 256)).toBe(256)
    expect(groupFilesOf(1e6, 0, 256)).toBe(256)
  })
})
