// What the master orders with its answers reaches the store: releases, pins that outlive no
// session, running loads.
import { afterEach, describe, expect, test } from 'vitest'
import { BlockChanges } from '../../../src/cache-worker/blocks/block-changes.ts'
import { BlockOrders } from '../../../src/cache-worker/blocks/block-orders.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { ReportBlocksResponse, WorkerHeartbeatResponse } from '../../../src/wire/generated/master.ts'
import { bytesOf, headerOf, never } from '../../conformance/support/block-store-fixture.ts'
import { addresses, makeWorker, until } from './support/worker-fixture.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function orders() {
  const here = new Set([1, 5])
  const changes = new BlockChanges()
  changes.restart()
  const pinned = new Set<number>()
  const freed: number[] = []
  const released: number[] = []
  const running: (readonly string[] | undefined)[] = []
  const made = new BlockOrders({
    store: {
      free: async (blockId) => freed.push(blockId) > 0,
      has: (blockId) => here.has(blockId),
      release: async (blockId) => void released.push(blockId),
      setPinned: (blockId, isPinned) => void (isPinned ? pinned.add(blockId) : pinned.delete(blockId)),
      setRunningLoads: (ids) => void running.push(ids === undefined ? undefined : [...ids]),
    },
    changes,
    logger: silentLogger,
  })
  return { made, pinned, freed, released, running, here, changes }
}

test('frees, releases, pins and running loads are done as they are said', async () => {
  const { made, pinned, freed, released, running } = orders()
  made.afterReport(ReportBlocksResponse.fromPartial({ unknown: [1], release: [2], pinned: [3, 4] }), [])
  made.afterHeartbeat(
    WorkerHeartbeatResponse.fromPartial({ freeBlocks: [5], releaseBlocks: [6], pinBlocks: [7], unpinBlocks: [3] }),
    0,
  )
  made.afterHeartbeat(WorkerHeartbeatResponse.fromPartial({ runningLoads: { ids: ['a', 'b'] } }), 0)
  made.afterHeartbeat(WorkerHeartbeatResponse.fromPartial({ runningLoads: { ids: [] } }), 0)
  await made.idle()
  expect(freed).toEqual([1, 5])
  expect(released).toEqual([2, 6])
  expect([...pinned]).toEqual([4, 7])
  expect(running).toEqual([undefined, ['a', 'b'], []])
})

test('a full report that names a pin no more ends it; a block that is gone takes its pin along', async () => {
  const { made, pinned } = orders()
  made.afterHeartbeat(WorkerHeartbeatResponse.fromPartial({ pinBlocks: [1, 2, 3] }), 0)
  made.afterReport(ReportBlocksResponse.fromPartial({}), [3, 9])
  expect([...pinned]).toEqual([1, 2])
  made.beginFullReport()
  made.afterReport(ReportBlocksResponse.fromPartial({ pinned: [2] }), [])
  expect([...pinned]).toEqual([1, 2])
  made.endFullReport()
  expect([...pinned]).toEqual([2])
})

test('reports say which blocks are durable, and a release is kept over the next registration', async () => {
  const { worker, store, master, close } = await makeWorker()
  cleanups.push(close)
  await store.put({ ...headerOf(1, 10), durable: true }, bytesOf(10, 1))
  await store.put(headerOf(2, 10), bytesOf(10, 2))
  worker.start(addresses, never)
  await worker.registered
  expect(master.reports.at(-1)?.durable?.ids).toEqual([1])
  await store.put({ ...headerOf(3, 10), durable: true }, bytesOf(10, 3))
  await until(() => master.reports.some((report) => report.added.includes(3)))
  expect(master.reports.find((report) => report.added.includes(3))?.durable?.ids).toEqual([3])
  await store.release(1)
  master.restart()
  await until(() => master.fullReports === 2)
  const full = master.reports.filter((report) => report.fullReportEnd).at(-1)
  expect(new Set(full?.added)).toEqual(new Set([1, 2, 3]))
  expect(full?.durable?.ids).toEqual([3])
  await until(() => master.heartbeats.length > 1)
  expect(Object.keys(master.heartbeats.at(-1)?.counters ?? {})).toEqual(
    expect.arrayContaining(['worker.bytes.read.ufs', 'worker.blocks.evicted', 'worker.blocks.promoted']),
  )
  expect(master.heartbeats.at(-1)?.directories[0]?.state).toBe('NORMAL')
})

describe('an order to delete a block', () => {
  const order = (freeBlocks: number[], asOfReport: number) =>
    WorkerHeartbeatResponse.fromPartial({ freeBlocks, asOfReport })

  test('is older than what was written since: that stays, whether or not it was reported meanwhile', async () => {
    const { made, freed, changes } = orders()
    changes.added({ blockId: 1, length: 1 })
    const known = made.heartbeatBegins()
    const batch = changes.take(10)
    changes.acknowledged(batch)
    // The answer was made before the report came in, and comes after it.
    made.afterHeartbeat(order([1, 5], batch.number - 1), known)
    await made.idle()
    expect(freed).toEqual([5])
    // The next one knows of it, and means it.
    made.afterHeartbeat(order([1], batch.number), made.heartbeatBegins())
    await made.idle()
    expect(freed).toEqual([5, 1])
  })

  test('ends where a writer counts on the block, which is reported again', async () => {
    const { made, freed, changes } = orders()
    made.afterHeartbeat(order([1, 5], 0), made.heartbeatBegins())
    made.keep(1)
    await made.idle()
    expect(freed).toEqual([5])
    const batch = changes.take(10)
    expect(batch.added).toEqual([1])
    // Told again, as of before that.
    made.afterHeartbeat(order([1], batch.number - 1), made.heartbeatBegins())
    await made.idle()
    expect(freed).toEqual([5])
  })

  test('is answered where the block is not there any more', () => {
    const { made, freed, changes } = orders()
    made.afterHeartbeat(order([77], 0), made.heartbeatBegins())
    expect(freed).toEqual([])
    expect(changes.take(10).removed).toEqual([77])
  })

  test('of a master that does not say what it knew spares what was not acknowledged when it was asked', async () => {
    const { made, freed, changes } = orders()
    changes.added({ blockId: 1, length: 1 })
    const known = made.heartbeatBegins()
    changes.acknowledged(changes.take(10))
    made.afterHeartbeat(WorkerHeartbeatResponse.fromPartial({ freeBlocks: [1, 5] }), known)
    await made.idle()
    expect(freed).toEqual([5])
  })
})

test('a writer that finds its block here saves it from an order that is waiting', async () => {
  const { worker, store, master, close } = await makeWorker()
  cleanups.push(close)
  await store.put(headerOf(1, 10), bytesOf(10, 1))
  worker.start(addresses, never)
  await worker.registered
  const reports = master.reports.length
  await worker.localTarget.put({ header: headerOf(1, 10), bytes: bytesOf(10, 1) }, never)
  await until(() => master.reports.slice(reports).some((report) => report.added.includes(1)))
  expect(store.has(1)).toBe(true)
})
