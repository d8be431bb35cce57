import { describe, expect, test } from 'vitest'
import { hashNumbers } from '../../../src/load/placing/hash.ts'
import { Placement } from '../../../src/load/placing/placement.ts'
import { settleMs, type PlacementWorker } from '../../../src/load/placing/worker-ledger.ts'

function worker(
  workerId: string,
  hostname: string,
  capacityBytes: number,
  usedBytes = 0,
  live = true,
): PlacementWorker {
  return { workerId, hostname, live, capacityBytes, usedBytes }
}
function placementOf(...workers: PlacementWorker[]): Placement {
  const placement = new Placement()
  placement.update(workers, 0)
  return placement
}
function shares(placement: Placement, groups: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let group = 0; group < groups; group += 1) {
    const [first = ''] = placement.place(hashNumbers(group * 2 ** 20, 0), 1, 1)
    counts.set(first, (counts.get(first) ?? 0) + 1)
  }
  return counts
}

describe('placement', () => {
  test('spreads by free space', () => {
    const counts = shares(
      placementOf(worker('a', 'h1', 1000), worker('b', 'h2', 2000), worker('c', 'h3', 4000, 3000)),
      8000,
    )
    expect(counts.get('a')).toBeGreaterThan(1700)
    expect(counts.get('a')).toBeLessThan(2300)
    expect(counts.get('b')).toBeGreaterThan(3700)
    expect(counts.get('b')).toBeLessThan(4300)
    expect(counts.get('c')).toBeGreaterThan(1700)
  })

  test('moves only what it must when a worker comes', () => {
    const before = placementOf(worker('a', 'h1', 1000), worker('b', 'h2', 1000), worker('c', 'h3', 1000))
    const after = placementOf(
      worker('a', 'h1', 1000),
      worker('b', 'h2', 1000),
      worker('c', 'h3', 1000),
      worker('d', 'h4', 1000),
    )
    for (let group = 0; group < 1000; group += 1) {
      const hash = hashNumbers(group, 7)
      const [now] = after.place(hash, 1, 1)
      if (now !== 'd') expect(before.place(hash, 1, 1)).toEqual([now])
    }
  })

  test('takes distinct hosts while there are enough, then distinct workers, never a dead, full or excluded one', () => {
    const placement = placementOf(
      worker('a1', 'h1', 1000),
      worker('a2', 'h1', 1000),
      worker('b', 'h2', 1000),
      worker('dead', 'h3', 1000, 0, false),
      worker('full', 'h4', 1000, 995),
    )
    for (let hash = 0; hash < 200; hash += 1) {
      const pair = placement.place(hash * 7919, 10, 2)
      expect(pair).toHaveLength(2)
      expect(pair).toContain('b')
      expect(placement.place(hash * 7919, 10, 3).toSorted()).toEqual(['a1', 'a2', 'b'])
      expect(placement.place(hash * 7919, 10, 4)).toHaveLength(3)
      // A replica on a1: the host h1 is taken.
      expect(placement.place(hash * 7919, 10, 1, ['a1'])).toEqual(['b'])
    }
  })

  test('never promises the same byte twice, and believes reports again once nothing is under way', () => {
    const placement = placementOf(worker('a', 'h1', 1000))
    placement.reserve(['a'], 600)
    expect(placement.place(1, 500, 1)).toEqual([])
    placement.arrived(['a'], 600)
    // The report lags: still 0 used.
    placement.update([worker('a', 'h1', 1000, 0)], 100)
    expect(placement.freeBytes('a')).toBe(400)
    placement.update([worker('a', 'h1', 1000, 600)], 200)
    expect(placement.freeBytes('a')).toBe(400)
    // Freed by somebody, seen after the settling time.
    placement.update([worker('a', 'h1', 1000, 100)], 300)
    placement.update([worker('a', 'h1', 1000, 100)], 300 + settleMs)
    expect(placement.freeBytes('a')).toBe(900)
    placement.reserve(['a'], 50)
    placement.release(['a'], 50)
    expect(placement.freeBytes('a')).toBe(900)
  })
})

test('a worker that the list forgets for a while keeps what was reserved there, and gets nothing meanwhile', () => {
  const placement = new Placement()
  const listed = worker('a', 'a', 1000, 50)
  placement.update([listed], 0)
  placement.reserve(['a'], 900)
  placement.update([], 1000)
  expect(placement.liveWorkers()).toEqual([])
  expect(placement.place(1, 10, 1)).toEqual([])
  placement.update([listed], 2000)
  expect(placement.freeBytes('a')).toBe(50)
  placement.release(['a'], 900)
  placement.update([], 3000)
  expect(placement.get('a')).toBeUndefined()
})

test('what is reserved at a worker before it is first listed counts once it is', () => {
  const placement = new Placement()
  placement.update([], 0)
  placement.reserve(['a'], 900)
  expect(placement.isLive('a')).toBe(false)
  placement.update([worker('a', 'a', 1000, 50)], 10)
  expect(placement.freeBytes('a')).toBe(50)
})
