// Why: whoever is refused for want of room is told how much is missing, and must find that true
// when it is added. How: what the planner says is missing, against what it takes until everything
// fits.
import { expect, it } from 'vitest'
import { Placement } from '../../../src/load/placing/placement.ts'
import { type ListedFile, planPage } from '../../../src/load/plan/planner.ts'
import { refusalOf } from '../../../src/job-master/plan/page-planning.ts'

const megabyte = 1024 ** 2
const options = { batchFiles: 10, batchBytes: 64 * megabyte, largeSetBytes: 512 * megabyte }

function books(...capacities: number[]): Placement {
  const placement = new Placement()
  const hosts = capacities.map((capacityBytes, index) => ({
    workerId: `w${index}`,
    hostname: `h${index}`,
    live: true,
    capacityBytes,
    usedBytes: 0,
  }))
  placement.update(hosts, 0)
  return placement
}
function file(fileId: number, length: number, blockSizeBytes = 128 * megabyte): ListedFile {
  return { fileId, key: `k${fileId}`, length, etag: 'e', blockSizeBytes, blocks: [], problem: '' }
}
const missing = (files: ListedFile[], replication: number, placement: Placement): number =>
  planPage(files, { ...options, replication }, placement).missingBytes

it('counts every replica of a file that has no room', () => {
  const placement = books(4096 * megabyte, 4096 * megabyte)
  const bytes = missing([file(1, 9000 * megabyte)], 2, placement)
  expect(bytes).toBe(10_284_433_408)
  expect(refusalOf('/ns/f', bytes).error.message).toContain('10284433408 bytes')
  // Nothing of it is left in the books.
  expect(placement.freeBytes('w0')).toBe(4096 * megabyte)
})

it('counts several files together, over the pages, and what comes after them', () => {
  const placement = books(10 * megabyte)
  const first = planPage([file(1, 8 * megabyte), file(2, 8 * megabyte)], { ...options, replication: 1 }, placement)
  expect([first.missingBytes, first.failed.length]).toEqual([6 * megabyte, 1])
  const second = planPage(
    [file(3, 8 * megabyte)],
    { ...options, replication: 1, shortBooks: first.shortBooks },
    placement,
  )
  expect(second.missingBytes).toBe(8 * megabyte)
})

it('counts as blocks are placed: on workers without the block, rests smaller than a block count too', () => {
  const blocks = [file(1, 192 * megabyte, 64 * megabyte)]
  expect(missing(blocks, 1, books(100 * megabyte))).toBe(92 * megabyte)
  expect(missing(blocks, 1, books(192 * megabyte))).toBe(0)
  // All the room of one worker does not help where two have to have it.
  expect(missing([file(1, 64 * megabyte, 64 * megabyte)], 2, books(1024 * megabyte, 10 * megabyte))).toBe(54 * megabyte)
})

it('splits a run of blocks that no worker has room for as a whole', () => {
  const plan = planPage(
    [file(1, 192 * megabyte, 64 * megabyte)],
    { ...options, replication: 1 },
    books(...[1, 2, 3].map(() => 100 * megabyte)),
  )
  expect([plan.missingBytes, plan.failed.length]).toEqual([0, 0])
  expect(plan.sets.map(({ targets }) => targets.length)).toEqual([1, 1, 1])
})

it('is enough when it is added', () => {
  for (const replication of [1, 2]) {
    const files = [file(1, 70 * megabyte, 8 * megabyte), file(2, 30 * megabyte, 8 * megabyte), file(3, 3 * megabyte)]
    const bytes = missing(files, replication, books(40 * megabyte, 40 * megabyte))
    expect(bytes).toBeGreaterThan(0)
    expect(missing(files, replication, books(40 * megabyte + bytes, 40 * megabyte + bytes))).toBe(0)
  }
})
