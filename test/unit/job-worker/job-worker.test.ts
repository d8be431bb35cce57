// The job worker as a whole, over a small queue of its own: starts, runs tasks, loses its session,
// is cancelled, stops.
import { describe, expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { createJobWorker, defaultJobWorkerLimits, type JobWorkerLimits } from '../../../src/job-worker/job-worker.ts'
import type { Queue, Task } from '../../../src/queue/queue.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import type { JobServiceDefinition } from '../../../src/wire/generated/job.ts'
import type { Service } from '../../../src/wire/service.ts'
import {
  FakeJobMaster,
  FakeMaster,
  FakeStore,
  FakeTarget,
  hurriedClock,
  never,
  noCachedBlocks,
  pieceOf,
  settle,
  taskOf,
} from './support/fakes.ts'

/** Gives each task to the lane's consumer at once. */
class DirectQueue {
  readonly lanes: string[] = []
  readonly sizes: number[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  run: (task: Task) => Promise<void> = () => Promise.reject(new Error('nobody takes'))
  readonly take: Queue['take'] = (lane, run) => {
    this.lanes.push(lane)
    this.run = (task) => {
      const running = run(task, this.#stop.signal).finally(() => this.#running.delete(running))
      this.#running.add(running)
      return running
    }
    return {
      resize: (tasks) => this.sizes.push(tasks),
      close: async (graceMs) => {
        if (graceMs === 0) this.#stop.abort(new SkeinError('cancelled', 'closing'))
        await Promise.all(this.#running)
      },
    }
  }
}

function create(more: Partial<JobWorkerLimits> = {}) {
  const queue = new DirectQueue()
  const jobMaster = new FakeJobMaster()
  const store = new FakeStore()
  const target = new FakeTarget('a')
  const metrics = new MetricRegistry()
  const worker = createJobWorker({
    jobWorkerId: 'jw',
    hostname: 'h',
    rpcAddress: '',
    machine: { cores: 2, memoryBytes: 4096 },
    queue: queue as unknown as Queue,
    jobMaster: jobMaster.service as Service<JobServiceDefinition>,
    master: new FakeMaster().service,
    openStore: async () => store,
    targets: { targetFor: () => target },
    cached: noCachedBlocks,
    clock: hurriedClock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics,
    limits: { ...defaultJobWorkerLimits, activeTasksMax: 4, readSlots: 4, ...more },
  })
  const pieces = Array.from({ length: 30 }, (_, index) => pieceOf(fileIdOf(index), `k${index}`, 'v1', 1000, 5000))
  for (const { key, etag, length } of pieces) store.put(key, etag, length)
  jobMaster.sets.set(1, { pieces, targets: ['a'] })
  return { queue, jobMaster, store, target, metrics, worker }
}

describe('createJobWorker', () => {
  test('registers, takes its lane, runs tasks, and lets the store go when closed', async () => {
    const { queue, jobMaster, store, target, metrics, worker } = create()
    await worker.start(never)
    expect(queue.lanes).toEqual(['lane-jw'])
    expect(jobMaster.registered).toEqual([
      {
        ...{ jobWorkerId: 'jw', hostname: 'h', rpcAddress: '', activeTasksMax: 4 },
        machine: { cores: 2, memoryBytes: 4096 },
      },
    ])
    await queue.run(taskOf(1))
    expect(target.blocks.size).toBe(30)
    expect(jobMaster.completed).toHaveLength(1)
    expect(metrics.get('skein_job_worker_replicas_total', { outcome: 'ok' })).toBe(30)
    await worker.close(1000)
    expect(store.closed).toBe(true)
    expect(worker.tasksRunning).toBe(0)
  })

  test('tunes its reads within limits, and tells the job master', async () => {
    const tuning = { readsMax: 8, smallReadsMax: 64, rangeBytesMax: 4 * 1024 ** 2, tasksMax: 8, streamsMax: 8 }
    const { queue, jobMaster, target, metrics, worker } = create({ tuning })
    await worker.start(never)
    await queue.run(taskOf(1))
    expect(target.blocks.size).toBe(30)
    await expect
      .poll(() => jobMaster.heartbeats.flatMap((told) => told.tuning?.stores ?? []))
      .toContainEqual(expect.objectContaining({ namespaceId: 'n1', reads: 4, smallReads: 32 }))
    expect(jobMaster.heartbeats.at(-1)?.tuning?.tasks).toBe(4)
    expect(metrics.get('skein_job_worker_reads_limit')).toBe(4)
    await worker.close(1000)
  })

  test('a job master that restarts in the middle gets the set under a new session', async () => {
    const { queue, jobMaster, store, worker } = create()
    await worker.start(never)
    store.beforeChunk = ({ key }) => {
      if (key === 'k3') jobMaster.session = 'forgotten'
    }
    await queue.run(taskOf(1))
    expect(jobMaster.completed.map(({ session }) => session)).toEqual(['session-2'])
    expect(queue.lanes).toEqual(['lane-jw'])
    await worker.close(1000)
  })

  test('a load that is cancelled in a heartbeat stops its task', async () => {
    const { queue, jobMaster, store, worker } = create()
    await worker.start(never)
    store.beforeChunk = async () => {
      while (!jobMaster.cancelledLoads.includes('L1')) await settle()
      await settle()
    }
    const running = queue.run(taskOf(1))
    await settle()
    jobMaster.cancelledLoads = ['L1']
    await running
    expect(jobMaster.completed).toEqual([])
    await worker.close(1000)
  })

  test('closing without grace stops a task that waits for the job master', async () => {
    const { queue, jobMaster, worker } = create()
    await worker.start(never)
    jobMaster.down = new SkeinError('unavailable', 'down')
    const running = queue.run(taskOf(1))
    await settle()
    expect(worker.tasksRunning).toBe(1)
    await worker.close(0)
    await running
    expect(worker.tasksRunning).toBe(0)
  })
})
