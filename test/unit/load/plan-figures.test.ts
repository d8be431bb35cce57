// What a plan says in figures: requests, cost, time, and where the rates come from.
import { describe, expect, it } from 'vitest'
import { costOf, getRequests } from '../../../src/load/plan/cost.ts'
import { estimateOf } from '../../../src/load/state/estimate.ts'
import type { Piece } from '../../../src/load/load.ts'
import { type HostChoice, Placement } from '../../../src/load/placing/placement.ts'
import { noteRate, rateSamples } from '../../../src/load/state/rate-samples.ts'
import { memoryTables } from './support/memory-tables.ts'

const reads = { rangeBytes: 4, smallFileBytes: 10 }
function piece(length: number, firstBlock: number, blockCount: number, blockSizeBytes = 16): Piece {
  return { fileId: 1, key: 'k', etag: 'e', length, blockSizeBytes, firstBlock, blockCount, lead: true }
}

describe('requests and cost', () => {
  it('a small file is one request, larger blocks are ranges', () => {
    expect(getRequests(piece(9, 0, 1), reads)).toBe(1)
    expect(getRequests(piece(10, 0, 1), reads)).toBe(3)
    expect(getRequests(piece(0, 0, 0), reads)).toBe(0)
    expect(getRequests(piece(33, 0, 3), reads)).toBe(4 + 4 + 1)
    expect(getRequests(piece(33, 1, 1), reads)).toBe(4)
    // Small for a file, yet of several blocks: each by itself.
    expect(getRequests(piece(9, 0, 2, 5), reads)).toBe(2 + 1)
  })
  it('names the price and what has none', () => {
    const prices = { getPer10k: 2, listPer10k: undefined, egressPerGb: 0.5, currency: 'CNY' }
    const cost = costOf({ gets: 5000, lists: 3, bytes: 2 * 1024 ** 3 }, prices, 'configuration')
    expect(cost.amount).toBeCloseTo(2, 9)
    expect(cost.basis).toBe('2 per 10,000 GET, 0.5 per GB read (configuration); without a price per 10,000 LIST')
    const none = { getPer10k: undefined, listPer10k: undefined, egressPerGb: undefined, currency: 'USD' }
    expect(costOf({ gets: 1, lists: 1, bytes: 1 }, none, '')).toMatchObject({
      amount: undefined,
      basis: expect.stringContaining('no price is known'),
    })
  })
})

describe('estimates', () => {
  const work = { namespaceId: 'n1', namespace: 'ns', bytes: 1000e6, files: 1000 }
  it('are not known where too little was loaded, however few bytes or files that was', () => {
    for (const samples of [
      [],
      [{ namespaceId: 'n1', bytes: 3, files: 1, ms: 400 }],
      [{ namespaceId: 'n1', bytes: 3, files: 1, ms: 60_000 }],
      [{ namespaceId: 'n1', bytes: 1000e6, files: 10, ms: 20 }],
      // Enough files to tell what a file costs, and next to no bytes.
      [{ namespaceId: 'n1', bytes: 1000, files: 1000, ms: 5000 }],
    ])
      expect(estimateOf(work, samples)).toMatchObject({
        range: undefined,
        bytesPerSecond: 0,
        basis: 'no comparable load was measured yet',
      })
  })
  it('take the rates of like files of the namespace, else of others, else of the cluster, and are ranges', () => {
    const like = { namespaceId: 'n1', bytes: 100e6, files: 100, ms: 1300 }
    const faster = { ...like, ms: 800 }
    const small = { namespaceId: 'n1', bytes: 20e6, files: 10_000, ms: 1300 }
    const other = { namespaceId: 'n2', bytes: 100e6, files: 100, ms: 10_300 }
    expect(estimateOf(work, [like, small, other])).toMatchObject({
      range: { lowMs: 7300, highMs: 15_300 },
      basis: 'measured: the last load of /ns with files of this size',
    })
    expect(estimateOf(work, [like, faster]).range).toEqual({ lowMs: 300 + 5000 * 0.8, highMs: 300 + 10_000 * 1.25 })
    expect(estimateOf(work, [small]).basis).toBe('measured: the last load of /ns with files of other sizes')
    expect(estimateOf(work, [other])).toMatchObject({
      range: { lowMs: 70_300, highMs: 150_300 },
      basis: expect.stringContaining('of other namespaces of this cluster'),
    })
    expect(estimateOf({ ...work, files: 0, bytes: 0 }, [like]).range).toEqual({ lowMs: 0, highMs: 0 })
  })
  it('keeps the last loads of each namespace that say something', () => {
    const tables = memoryTables()
    const ended = (namespaceId: string, files: number, more: Readonly<Record<string, unknown>> = {}): void => {
      const load = {
        namespaceId,
        startedMs: 1000,
        endedMs: 2000,
        mode: 'COMPLETED',
        options: {},
        counts: { filesLoaded: files, bytesLoaded: files * 20e6 },
      }
      noteRate(tables, { ...load, ...more } as unknown as Parameters<typeof noteRate>[1])
    }
    ended('n1', 0)
    ended('n1', 5, { mode: 'FAILED' })
    ended('n1', 5, { options: { bandwidth: '1MB/s' } })
    ended('n1', 5, { counts: { filesLoaded: 5, bytesLoaded: 3 } })
    expect(rateSamples(tables)).toEqual([])
    ended('n2', 7)
    for (let files = 1; files <= 10; files += 1) ended('n1', files)
    expect(rateSamples(tables).map(({ files }) => files)).toEqual([7, 3, 4, 5, 6, 7, 8, 9, 10])
  })
})

describe('where blocks may go', () => {
  const placement = (usedBytes = 0): Placement => {
    const made = new Placement()
    const workers = ['a', 'b', 'c'].map((name) => ({
      workerId: name,
      hostname: `host-${name}`,
      live: true,
      capacityBytes: 100,
      usedBytes,
    }))
    made.update(workers, 0)
    return made
  }
  const wish = (hosts: Partial<HostChoice>) => ({ hosts: { hosts: [], excludedHosts: [], ...hosts } })
  it('chosen hosts only, none of the excluded ones, the near one first', () => {
    for (let hash = 0; hash < 50; hash += 1) {
      expect(
        placement()
          .place(hash, 10, 3, [], wish({ hosts: ['host-a', 'host-b'] }))
          .toSorted(),
      ).toEqual(['a', 'b'])
      expect(
        placement()
          .place(hash, 10, 3, [], wish({ excludedHosts: ['host-a'] }))
          .toSorted(),
      ).toEqual(['b', 'c'])
      expect(placement().place(hash, 10, 2, [], wish({ locality: 'host-c' }))[0]).toBe('c')
    }
  })
  it('full workers are taken only where others may be evicted, and never beyond what loads have planned there', () => {
    const full = placement(100)
    expect(full.place(1, 10, 1)).toEqual([])
    expect(full.place(1, 10, 1, [], { evict: true })).toHaveLength(1)
    full.reserve(['a', 'b', 'c'], 95)
    expect(full.place(1, 10, 1, [], { evict: true })).toEqual([])
  })
  it('a copy leaves the books alone', () => {
    const books = placement()
    books.copy().reserve(['a'], 60)
    expect(books.freeBytes('a')).toBe(100)
  })
})
