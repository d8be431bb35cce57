// Why: what an ended load leaves must go in full, a little at a time, and only in the order of the
// ends.
import { expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { apply } from '../../../src/load/state/apply-load.ts'
import type { LoadMode } from '../../../src/load/load.ts'
import { LoadHistory, type HistoryLimits } from '../../../src/load/state/load-history.ts'
import type { Tables } from '../../../src/load/state/load-tables.ts'
import { memoryTables, MemoryTable } from './support/memory-tables.ts'

/** The load that goes next, as one sees it who followed all along and one who starts now. */
function follower(tables: Tables): (loadsMax: number, endedBeforeMs?: number, filesMax?: number) => number | undefined {
  const followed = new LoadHistory(tables)
  return (loadsMax, endedBeforeMs = 0, filesMax = Infinity) => {
    const limits: HistoryLimits = { loadsMax, filesMax, endedBeforeMs }
    const found = followed.loadToExpire(limits)
    expect(new LoadHistory(tables).loadToExpire(limits)).toBe(found)
    return found
  }
}

test('loads expire in the order in which they ended, a bounded number of rows at a time, and leave nothing', () => {
  const tables = memoryTables()
  const toExpire = follower(tables)
  const end = (loadId: number, mode: LoadMode): void => {
    const state = { nowMs: 2, loadId, reason: '', errorCode: '', missingCapacityBytes: 0 }
    apply(tables, { type: 'StateChanged', ...state, mode })
  }
  for (const load of [1, 2, 3]) {
    const options = { replication: 1, activeJobs: 1, batchSize: 1 }
    apply(tables, { type: 'SubmitLoad', nowMs: 1, requestKey: `key-${load}`, path: `/ns/${load}`, options })
    apply(tables, { type: 'SubmitLoad', nowMs: 1, requestKey: `joined-${load}`, path: `/ns/${load}`, options })
    apply(tables, { type: 'StartLoad', nowMs: 1, loadId: load })
    const pieceOf = (index: number) => ({
      ...{ fileId: fileIdOf(index), key: `f${index}`, etag: '', length: 1, blockSizeBytes: 1 },
      ...{ firstBlock: 0, blockCount: 1, lead: true },
    })
    // The first file is in two sets.
    const sets = Array.from({ length: 5 }, (_, index) => ({
      pieces: [pieceOf(index || 1)],
      targets: ['w'],
      attempt: 1,
      notBeforeMs: 0,
    }))
    const failed = [
      { fileId: fileIdOf(9), key: 'x', length: 1, code: 'aborted', reason: '', attempts: 1, workerId: '' },
    ]
    const counts = { files: 6, bytes: 6, filesCached: 0, filesSkipped: 0, bytesCached: 0 }
    const page = { page: 0, namespaceId: 'n', nextCursor: '', cached: [pieceOf(8)], missingBytes: 0 }
    apply(tables, { type: 'PagePlanned', nowMs: 1, loadId: load, ...page, sets, failed, counts })
    expect(tables.files.get([load, fileIdOf(1)])).toEqual({ open: 2 })
  }
  end(2, 'CANCELLED')
  end(1, 'CANCELLED')
  // What was open can still be told from what was not.
  expect(tables.open.scan([1], 0, 99)).toHaveLength(5)
  expect(toExpire(2)).toBeUndefined()
  end(3, 'CANCELLED')
  expect(toExpire(2)).toBe(2)
  expect(apply(tables, { type: 'LoadExpired', nowMs: 3, loadId: 1, rowsMax: 3 })).toEqual({ type: 'ignored' })
  let commands = 0
  for (let loadId = toExpire(2); loadId !== undefined; loadId = toExpire(2)) {
    const before = tables.sets.scan([loadId], 0, 99).length
    apply(tables, { type: 'LoadExpired', nowMs: 3, loadId, rowsMax: 3 })
    expect(before - tables.sets.scan([loadId], 0, 99).length).toBeLessThanOrEqual(3)
    commands += 1
  }
  expect(commands).toBe(6)
  for (const table of Object.values(tables)) {
    if (!(table instanceof MemoryTable) || table === tables.ended) continue
    const rows = [...table.rows.values()]
    expect(rows.filter(({ key, value }) => key[0] === 2 || value === 2 || String(key[0]).endsWith('-2'))).toEqual([])
  }
  expect(tables.loads.scan([], 0, 9).map(({ id }) => id)).toEqual([1, 3])
  expect(apply(tables, { type: 'LoadExpired', nowMs: 3, loadId: 2, rowsMax: 3 })).toEqual({ type: 'ignored' })
})

test('loads expire by age, too, and one that began to be deleted goes in full', () => {
  const tables = memoryTables()
  const toExpire = follower(tables)
  for (const load of [1, 2]) {
    const options = { replication: 1, activeJobs: 1, batchSize: 1 }
    apply(tables, { type: 'SubmitLoad', nowMs: 1, requestKey: '', path: `/ns/${load}`, options })
    const state = { loadId: load, reason: '', errorCode: '', missingCapacityBytes: 0, mode: 'CANCELLED' as const }
    apply(tables, { type: 'StateChanged', nowMs: load * 1000, ...state })
  }
  expect(toExpire(10, 1000)).toBeUndefined()
  expect(toExpire(10, 1001)).toBe(1)
  const load = tables.loads.get([1])
  if (load === undefined) throw new Error('no load')
  tables.loads.put([1], { ...load, expiring: true })
  expect(toExpire(10)).toBe(1)
  apply(tables, { type: 'LoadExpired', nowMs: 9, loadId: 1, rowsMax: 9 })
  expect(toExpire(10, 1001)).toBeUndefined()
})

test('loads expire when they have too many files together, but never the last one', () => {
  const tables = memoryTables()
  const toExpire = follower(tables)
  const files = [300, 5, 200, 1000]
  for (const [index, count] of files.entries()) {
    const loadId = index + 1
    const options = { replication: 1, activeJobs: 1, batchSize: 1 }
    apply(tables, { type: 'SubmitLoad', nowMs: 1, requestKey: '', path: `/ns/${loadId}`, options })
    const load = tables.loads.get([loadId])
    if (load === undefined) throw new Error('no load')
    tables.loads.put([loadId], { ...load, counts: { ...load.counts, files: count } })
    const state = { loadId, reason: '', errorCode: '', missingCapacityBytes: 0, mode: 'CANCELLED' as const }
    apply(tables, { type: 'StateChanged', nowMs: 2, ...state })
    if (loadId < 4) expect(toExpire(10, 0, 505)).toBeUndefined()
  }
  const gone: number[] = []
  expect(toExpire(10, 0, 1505)).toBeUndefined()
  for (let loadId = toExpire(10, 0, 1204); loadId !== undefined; loadId = toExpire(10, 0, 1204)) {
    gone.push(loadId)
    apply(tables, { type: 'LoadExpired', nowMs: 9, loadId, rowsMax: 99 })
  }
  expect(gone).toEqual([1, 2])
  expect(toExpire(10, 0, 1)).toBe(3)
  apply(tables, { type: 'LoadExpired', nowMs: 9, loadId: 3, rowsMax: 99 })
  expect(toExpire(10, 0, 1)).toBeUndefined()
})
