// Why: the table of workers and the estimate are what people believe; both are made from
// completions alone.
import { expect, test } from 'vitest'
import { LoadProgress } from '../../../src/job-master/view/load-progress.ts'
import { emptyCounts, type LoadRecord, type Piece } from '../../../src/load/load.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import type { BlockFailure } from '../../../src/wire/generated/job.ts'
import { VirtualClock } from '../../model/support/load-doubles.ts'

const piece: Piece = {
  ...{ fileId: 7, key: 'k', etag: '', length: 250, blockSizeBytes: 100, firstBlock: 0, blockCount: 3, lead: true },
}
const record = { pieces: [piece], targets: ['w1', 'w2'] }
const failure = (blockIndex: number, workerId: string): BlockFailure => ({
  ...{ fileId: 7, blockIndex, workerId, code: 'unavailable', reason: '', retryable: true, message: '' },
})
const hostnameOf = (workerId: string): string => `host of ${workerId}`

test('each worker gets what arrived there, and its own failures', () => {
  const metrics = new MetricRegistry()
  const progress = new LoadProgress(new VirtualClock(), metrics)
  progress.completed({ loadId: 1, record, failures: [], outMs: 500 })
  progress.completed({ loadId: 1, record, failures: [failure(2, 'w2')], outMs: undefined })
  // The block was not read: it is on neither.
  progress.completed({ loadId: 1, record, failures: [failure(0, '')], outMs: 1500 })
  progress.completed({ loadId: 2, record, failures: [], outMs: undefined })
  expect(progress.workersOf(1, new Map([['w3', 4]]), hostnameOf)).toEqual([
    { workerId: 'w1', hostname: 'host of w1', bytes: 250 + 250 + 150, tasksOut: 0, failures: 0 },
    { workerId: 'w2', hostname: 'host of w2', bytes: 250 + 200 + 150, tasksOut: 0, failures: 1 },
    { workerId: 'w3', hostname: 'host of w3', bytes: 0, tasksOut: 4, failures: 0 },
  ])
  expect(metrics.get('skein_job_task_duration_seconds')).toBe(2)
})

test('the estimate follows the rate of late, and is unknown while the listing goes on or nothing moved', () => {
  const clock = new VirtualClock()
  const progress = new LoadProgress(clock, new MetricRegistry())
  const loadWith = (bytesLoaded: number, listingDone = true) =>
    ({
      loadId: 1,
      mode: 'RUNNING',
      listingDone,
      counts: { ...emptyCounts, bytes: 2500, bytesLoaded },
    }) as unknown as LoadRecord
  expect(progress.estimateMs(loadWith(0))).toBeUndefined()
  progress.completed({ loadId: 1, record, failures: [], outMs: undefined })
  expect(progress.estimateMs(loadWith(250))).toBeUndefined()
  clock.now += 1000
  progress.completed({ loadId: 1, record, failures: [], outMs: undefined })
  expect(progress.estimateMs(loadWith(500))).toBe(clock.now + 8000)
  expect(progress.estimateMs(loadWith(500, false))).toBeUndefined()
  clock.now += 1000
  expect(progress.estimateMs(loadWith(500))).toBe(clock.now + 16_000)
})

test('loads of long ago are forgotten', () => {
  const progress = new LoadProgress(new VirtualClock(), new MetricRegistry())
  for (let loadId = 1; loadId <= 150; loadId += 1)
    progress.completed({ loadId, record, failures: [], outMs: undefined })
  expect(progress.workersOf(1, new Map(), hostnameOf)).toEqual([])
  expect(progress.workersOf(150, new Map(), hostnameOf)).toHaveLength(2)
})
