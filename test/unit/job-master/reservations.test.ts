// Why: room that is reserved and never given back makes a cache look full. How: one runner with the
// outside replaced, and the ledger asked before and after.
import { expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { ClusterView } from '../../../src/job-master/dispatch/cluster-view.ts'
import { LoadRunner } from '../../../src/job-master/run/load-runner.ts'
import { defaultJobMasterOptions } from '../../support/default-job-master-options.ts'
import { Outstanding } from '../../../src/job-master/dispatch/outstanding.ts'
import type { JobMasterContext } from '../../../src/job-master/job-master-context.ts'
import { apply } from '../../../src/load/state/apply-load.ts'
import type { Replacement } from '../../../src/load/state/load-commands.ts'
import { planPage, type ListedFile } from '../../../src/load/plan/planner.ts'
import type { WorkerInfo } from '../../../src/wire/generated/master.ts'
import { never, VirtualClock } from '../../model/support/load-doubles.ts'
import { memoryTables } from '../load/support/memory-tables.ts'

const planner = { replication: 1, batchFiles: 4, batchBytes: 1000, largeSetBytes: 200 }

function listed(container: number, length: number): ListedFile {
  return { fileId: fileIdOf(container), key: 'f', length, etag: 'e', blockSizeBytes: 100, blocks: [], problem: '' }
}

function begun(plan: ReturnType<typeof planPage>): ReturnType<typeof memoryTables> {
  const tables = memoryTables()
  apply(tables, {
    type: 'SubmitLoad',
    nowMs: 1,
    requestKey: '',
    path: '/ns',
    options: { replication: 1, activeJobs: 9, batchSize: 4 },
  })
  apply(tables, { type: 'StartLoad', nowMs: 1, loadId: 1 })
  apply(tables, { type: 'PagePlanned', nowMs: 1, loadId: 1, page: 0, namespaceId: 'n', nextCursor: '', ...plan })
  return tables
}

test('sets that are given up give back their room', async () => {
  const clock = new VirtualClock()
  let live = true
  const worker = { workerId: 'w1', hostname: 'h1', capacityBytes: 1000, usedBytes: 0 }
  const master = { listWorkers: async () => ({ workers: [{ ...worker, live } as WorkerInfo] }) }
  const cluster = new ClusterView(master as unknown as JobMasterContext['master'], clock)
  await cluster.refresh(never)
  const tables = begun(planPage([listed(1, 500)], planner, cluster.placement))
  live = false
  await cluster.refresh(never)
  const open = tables.open.scan([1], 0, 99).map(({ id, value }) => ({ loadId: 1, set: id, ...value }))
  const deps = {
    tables,
    clock,
    cluster,
    outstanding: new Outstanding(),
    jobWorkers: { live: () => [{}] },
    dispatcher: { queueError: undefined, heldSets: () => open, withdraw: () => undefined },
    options: defaultJobMasterOptions,
    submit: async (command: Parameters<typeof apply>[1]) => apply(tables, command),
  } as unknown as JobMasterContext
  const runner = new LoadRunner(1, deps)
  expect(cluster.placement.freeBytes('w1')).toBe(500)
  await runner.giveUpStalled()
  expect(cluster.placement.freeBytes('w1')).toBe(500)
  clock.now += defaultJobMasterOptions.patienceMs
  await runner.giveUpStalled()
  expect(runner.load()).toMatchObject({ openSets: 0, counts: { filesFailed: 1 } })
  expect(tables.failures.scan([1], 0, 9)[0]?.value.reason).toBe('the cache worker w1 did not come back')
  expect(cluster.placement.freeBytes('w1')).toBe(1000)
})

test('a change that two sets of a file report is taken once, and the other report is named', () => {
  const clock = new VirtualClock()
  const { placement } = new ClusterView({} as JobMasterContext['master'], clock)
  placement.update([{ workerId: 'w1', hostname: 'h1', live: true, capacityBytes: 10_000, usedBytes: 0 }], 0)
  const tables = begun(planPage([listed(1, 900)], { ...planner, batchFiles: 1 }, placement))
  const replacement = (set: number): Replacement => {
    const { sets } = planPage([listed(2, 300)], planner, placement)
    return { oldFileId: fileIdOf(1), set, file: { fileId: fileIdOf(2), length: 300 }, failure: undefined, sets }
  }
  const [first, second] = [replacement(1), replacement(2)]
  const report = (replaced: Replacement[]) => ({
    nowMs: 1,
    loadId: 1,
    originBytes: 0,
    retries: [],
    failed: [],
    replaced,
  })
  expect(apply(tables, { type: 'SetCompleted', set: 1, ...report([first]) })).toEqual({ type: 'applied', unused: [] })
  // The file's other sets went with it.
  expect(apply(tables, { type: 'SetCompleted', set: 2, ...report([second]) })).toEqual({ type: 'ignored' })
  const [last] = tables.open.scan([1], 0, 99)
  expect(apply(tables, { type: 'SetCompleted', set: last?.id ?? 0, ...report([second]) })).toEqual({
    type: 'applied',
    unused: [second],
  })
})
