// What the master orders with its answers reaches the store: releases, pins that outlive no session, running loads.
import { afterEach, expect, test } from 'vitest'
import { BlockOrders } from '../../../src/cache-worker/block-orders.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { ReportBlocksResponse, WorkerHeartbeatResponse } from '../../../src/wire/generated/master.ts'
import { bytesOf, headerOf, never } from '../../conformance/block-store-fixture.ts'
import { addresses, makeWorker, until } from './worker-fixture.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function orders() {
  const pinned = new Set<number>()
  const freed: number[] = []
  const released: number[] = []
  const running: (readonly string[] | undefined)[] = []
  const made = new BlockOrders({
    store: {
      free: async (blockId) => freed.push(blockId) > 0,
      release: async (blockId) => void released.push(blockId),
      setPinned: (blockId, isPinned) => void (isPinned ? pinned.add(blockId) : pinned.delete(blockId)),
      setRunningLoads: (ids) => void running.push(ids === undefined ? undefined : [...ids]),
    },
    logger: silentLogger,
  })
  return { made, pinned, freed, released, running }
}

test('frees, releases, pins and running loads are done as they are said', async () => {
  const { made, pinned, freed, released, running } = orders()
  made.afterReport(ReportBlocksResponse.fromPartial({ unknown: [1], release: [2], pinned: [3, 4] }), [])
  made.afterHeartbeat(WorkerHeartbeatResponse.fromPartial({ freeBlocks: [5], releaseBlocks: [6], pinBlocks: [7], unpinBlocks: [3] }))
  made.afterHeartbeat(WorkerHeartbeatResponse.fromPartial({ runningLoads: { ids: ['a', 'b'] } }))
  made.afterHeartbeat(WorkerHeartbeatResponse.fromPartial({ runningLoads: { ids: [] } }))
  await made.idle()
  expect(freed).toEqual([1, 5])
  expect(released).toEqual([2, 6])
  expect([...pinned]).toEqual([4, 7])
  expect(running).toEqual([undefined, ['a', 'b'], []])
})

test('a full report that names a pin no more ends it; a block that is gone takes its pin along', async () => {
  const { made, pinned } = orders()
  made.afterHeartbeat(WorkerHeartbeatResponse.fromPartial({ pinBlocks: [1, 2, 3] }))
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
