// Why: starts and stops all parts of a job worker. How: it registers, takes tasks from the lane
// that the job master assigns, and runs them within budgets that all tasks share. The only thing it
// stores on disk is its id (identity.ts).
import { Budget } from '../base/flow/budget.ts'
import type { Clock, Random } from '../base/clock.ts'
import { DemandGauge } from '../base/flow/demand-gauge.ts'
import { PiecePool } from '../base/flow/piece-pool.ts'
import { toSkeinError } from '../base/errors.ts'
import type { BlockTarget } from '../client/write/block-target.ts'
import type { WorkerAddress } from '../client/write/block-target-pool.ts'
import type { Consumer, Queue } from '../queue/queue.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import { type OpenStore, StoreCache } from '../ufs/store-cache.ts'
import type { JobServiceDefinition, MachineSize } from '../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'
import { JobMasterLink } from './job-master-link.ts'
import { originPressures } from './pace/origin-pressures.ts'
import { ReadPacer } from './pace/read-pacer.ts'
import type { CachedBlocks } from './set/set-verify.ts'
import { TaskRunner } from './task-runner.ts'
import { LoadTuner, type TuningLimits } from './tune/load-tuner.ts'

export interface JobWorkerLimits {
  /** Tasks that run at once (goosefs.job.worker.max.active.task.num). */
  readonly activeTasksMax: number
  /** Large blocks copied at once (goosefs.job.worker.threadpool.size). */
  readonly streamsMax: number
  /** Range requests in flight (fs.cosn.upload_thread_pool). */
  readonly readSlots: number
  /**
   * Small objects in flight per slot for range requests. With a store 20 ms away, loading 3,000
   * objects took 11.5 s with 6 in flight and 1.6 s with 64.
   */
  readonly smallReadsPerSlot: number
  /** Bytes read but not yet written, for all tasks together. */
  readonly readAheadBytesMax: number
  /** fs.cosn.read.ahead.block.size */
  readonly rangeBytes: number
  /** fs.cosn.read.ahead.queue.size */
  readonly rangesAhead: number
  /** Files of one block that are shorter than this are read whole and written in batches. */
  readonly smallBlockBytes: number
  readonly heartbeatMs: number
  /** Unused stores that are kept open. */
  readonly idleStoresMax: number
  /** Minimum time between two attempts to reopen a store that rejects our credentials. */
  readonly storeRenewPauseMs: number
  /**
   * How far a load may change by itself what is above (skein.tuning=auto). Undefined: not at all.
   */
  readonly tuning?: TuningLimits | undefined
}
export const defaultJobWorkerLimits: Omit<JobWorkerLimits, 'activeTasksMax' | 'readSlots'> = {
  streamsMax: 10,
  readAheadBytesMax: 256 * 1024 * 1024,
  rangeBytes: 4 * 1024 * 1024,
  rangesAhead: 8,
  smallBlockBytes: 1024 * 1024,
  smallReadsPerSlot: 8,
  heartbeatMs: 1000,
  idleStoresMax: 16,
  storeRenewPauseMs: 5000,
}

export interface JobWorkerOptions {
  readonly jobWorkerId: string
  /** goosefs.worker.hostname: same value as for the cache worker on this host. */
  readonly hostname: string
  /** Address that the job master's reports show; empty if this role has no RPC server. */
  readonly rpcAddress: string
  /** Of this process, for recommendations. Absent: not told. */
  readonly machine?: MachineSize
  readonly queue: Queue
  readonly jobMaster: Service<JobServiceDefinition>
  readonly master: Pick<Service<MasterServiceDefinition>, 'refreshFile'>
  readonly openStore: OpenStore
  readonly targets: { targetFor(worker: WorkerAddress): BlockTarget }
  readonly cached: CachedBlocks
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Pick<MetricRegistry, 'add'> & Partial<Pick<MetricRegistry, 'observe'>>
  readonly limits: JobWorkerLimits
  /** Counts on-demand reads in this process. Default: there are none. */
  readonly demand?: DemandGauge
}

export interface JobWorker {
  /**
   * Resolves when the job worker is registered and takes tasks. Waits until the job master is up.
   * @throws the signal's reason, or a refusal
   */
  start(signal: AbortSignal): Promise<void>
  /**
   * Stops taking tasks, aborts the running ones after `graceMs`, and resolves when no task runs.
   * Does not close the queue.
   */
  close(graceMs: number): Promise<void>
  /** Number of running tasks. */
  readonly tasksRunning: number
}

/** Size of read buffers. */
const pieceBytes = 512 * 1024

export function createJobWorker(options: JobWorkerOptions): JobWorker {
  const { limits, queue, logger } = options
  const stores = new StoreCache({
    ...options,
    idleStoresMax: limits.idleStoresMax,
    renewPauseMs: limits.storeRenewPauseMs,
  })
  const demand = options.demand ?? new DemandGauge()
  const pacer = new ReadPacer(options.clock, demand)
  const link: JobMasterLink = new JobMasterLink({
    ...options,
    activeTasksMax: limits.activeTasksMax,
    heartbeatMs: limits.heartbeatMs,
    running: () => runner.running(),
    pressures: () => originPressures(stores.takeSlowDowns(), demand.takeSeen()),
    tuning: () => tuner?.report(),
    onPacing: (pacing) => pacer.apply(pacing),
    isPressed: () => pacer.limited || stores.hasSlowDowns,
    onCancelled: (loadIds) => runner.cancelLoads(loadIds),
    onLane: (lane) => lanes.take(lane),
  })
  const bytes = new Budget('read-ahead bytes', limits.readAheadBytesMax)
  const pieces = new PiecePool({
    pieceBytes,
    // What objects do not use of a piece of their own was more than they use: 190 of 355 MiB, with
    // sizes around 64 KiB [M].
    sharedBytesMax: pieceBytes - 1,
    idleMax: Math.ceil(limits.readAheadBytesMax / pieceBytes),
    clock: options.clock,
  })
  options.metrics.observe?.('skein_job_worker_read_buffers_bytes', () => bytes.used)
  options.metrics.observe?.('skein_job_worker_idle_buffers_bytes', () => pieces.idle * pieceBytes)
  const budgets = {
    slots: new Budget('ranged reads', limits.readSlots),
    smallSlots: new Budget('small objects', limits.readSlots * limits.smallReadsPerSlot),
    bytes,
    streams: new Budget('streams', limits.streamsMax),
  }
  const tuner =
    limits.tuning === undefined
      ? undefined
      : new LoadTuner({
          ...options,
          begin: {
            ...{ reads: limits.readSlots, smallReadsPerSlot: limits.smallReadsPerSlot, rangeBytes: limits.rangeBytes },
            ...{ tasks: limits.activeTasksMax, streams: limits.streamsMax },
          },
          limits: limits.tuning,
          budgets,
          demand,
          pacer,
          busyMs: () => performance.eventLoopUtilization().active,
          tasksRunning: () => runner.running().length,
          onTasks: (tasks) => lanes.resize(tasks),
        })
  options.metrics.observe?.('skein_job_worker_reads_limit', () => budgets.slots.capacity)
  options.metrics.observe?.('skein_job_worker_tasks_limit', () => tuner?.tasks ?? limits.activeTasksMax)
  options.metrics.observe?.('skein_job_worker_range_bytes', () => tuner?.rangeBytes ?? limits.rangeBytes)
  const runner: TaskRunner = new TaskRunner({
    ...options,
    link,
    stores,
    pacer,
    tuner,
    resources: {
      ...budgets,
      pieces,
      rangeBytes: limits.rangeBytes,
      rangesAhead: limits.rangesAhead,
      smallBlockBytes: limits.smallBlockBytes,
    },
  })
  const lanes: LaneTaker = new LaneTaker((lane) =>
    queue.take(lane, (task, signal) => runner.run(task, signal), {
      concurrency: tuner?.tasks ?? limits.activeTasksMax,
      onError: (thrown) => logger.warn('the queue reports an error', { error: toSkeinError(thrown).message }),
    }),
  )
  return {
    start: (signal) => link.start(signal),
    close: async (graceMs) => {
      // Heartbeats continue while tasks finish, so that the job master does not reassign them.
      await lanes.close(graceMs)
      await link.close()
      await stores.close()
    },
    get tasksRunning() {
      return runner.running().length
    },
  }
}

/** Takes tasks from one lane. Switches to another lane when the job master says so. */
class LaneTaker {
  readonly #take: (lane: string) => Consumer
  #current: { readonly lane: string; readonly consumer: Consumer } | undefined
  #closingOld: Promise<void> = Promise.resolve()
  #closed = false

  constructor(take: (lane: string) => Consumer) {
    this.#take = take
  }

  take(lane: string): void {
    if (this.#closed || this.#current?.lane === lane) return
    const old = this.#current?.consumer
    if (old !== undefined) this.#closingOld = Promise.all([this.#closingOld, old.close(0)]).then(() => undefined)
    this.#current = { lane, consumer: this.#take(lane) }
  }

  /** Changes the maximum of tasks that run at once. */
  resize(tasks: number): void {
    this.#current?.consumer.resize(tasks)
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true
    await Promise.all([this.#closingOld, this.#current?.consumer.close(graceMs)])
    this.#current = undefined
  }
}
