// Why: the job master's promises hold only over time and against others that fail. How: a small
// world with its own time: a master with a listing and a block map, cache workers that hold block
// names, job workers that run tasks, and a queue that may forget. Everything that happens by chance
// comes from one seeded generator.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom, type Random } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { blockCount, blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { createJobMaster, type JobMaster, type JobMasterDependencies } from '../../../src/job-master/job-master.ts'
import { defaultJobMasterOptions } from '../../support/default-job-master-options.ts'
import type { Consumer, Task } from '../../../src/queue/queue.ts'
import type { OnFire, ScheduleTimer } from '../../../src/queue/schedule-timer.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import type { BlockFailure, FileReplacement, LoadStatus, StartSetResponse } from '../../../src/wire/generated/job.ts'
import type { LoadIds, MasterServiceDefinition } from '../../../src/wire/generated/master.ts'
import type { Service } from '../../../src/wire/service.ts'
import { MemoryJournal, MemoryQueue, never, VirtualClock } from './load-doubles.ts'
import { fewestReplicas, replicas, worldMaster } from './world-master.ts'
import type { WorldFile, WorldOptions } from './world-options.ts'
import { usedBytes, type WorldWorker } from './world-worker.ts'

interface WorldJobWorker {
  readonly jobWorkerId: string
  stop: AbortController
  pausedUntilMs: number
}

export const megabyte = 1024 * 1024

export class World {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly journal = new MemoryJournal()
  readonly queue = new MemoryQueue()
  readonly metrics = new MetricRegistry()
  readonly files = new Map<string, WorldFile>()
  readonly workers: WorldWorker[]
  readonly jobWorkers = new Map<string, WorldJobWorker>()
  /** Ids of the stagings that were swapped in. */
  readonly committed: string[] = []
  /** What a worker answers to a load that counts on its blocks; none: it is not asked. */
  holds: JobMasterDependencies['holdBlocks']
  /** As the job master has named them last. */
  runningLoads: LoadIds | undefined
  /** `worker/block`: gone, and listed still. */
  readonly listedStill = new Set<string>()
  /** How long the master was told to keep what is aside. */
  readonly keptAside: { readonly atMs: number; readonly untilMs: number }[] = []
  readonly replicationOf = new Map<number, number>()
  readonly completed: string[] = []
  readonly options: WorldOptions
  originBytes = 0
  masterDown = false
  /** The master has just started and has not heard of all workers. */
  safeMode = false
  storeDown = false
  /** Workers that the master sees and no job worker reaches. */
  readonly unreachable = new Set<string>()
  /** Whether a writer that is gone still holds the blocks of a worker. */
  heldBlocks: (workerId: string) => boolean = () => false
  /** Whether a worker takes a block; one that evicts makes room here. */
  takes = (worker: WorldWorker, _blockId: number, bytes: number): boolean =>
    usedBytes(worker) + bytes <= worker.capacityBytes
  /** Workers that refused a block for that. */
  readonly refusedHeld: string[] = []
  jobMaster: JobMaster | undefined
  /** Fires schedules; none: the job master's own looks are all there is. */
  scheduleTimer: ((onFire: OnFire) => Promise<ScheduleTimer>) | undefined
  #stop = new AbortController()
  #directory = ''
  #container = 1
  /** When the master hears of a block, by `worker/block`. */
  readonly reportedMs = new Map<string, number>()

  constructor(options: WorldOptions) {
    this.options = options
    this.random = seededRandom(options.seed)
    this.workers = Array.from({ length: options.workers }, (_, index) => ({
      workerId: `w${index + 1}`,
      hostname: `host${index + 1}`,
      live: true,
      capacityBytes: options.capacityBytes ?? 1e12,
      blocks: new Map(),
    }))
  }

  addFile(key: string, length: number, blockSizeBytes = 128 * megabyte): WorldFile {
    const file = { fileId: this.newFileId(), key, length, etag: `e-${key}`, blockSizeBytes, poisoned: false }
    this.files.set(key, file)
    return file
  }
  /** As the master frees: its blocks go, and it has a new id. */
  free(key: string): void {
    const file = this.files.get(key)
    if (file === undefined) return
    for (const worker of this.workers)
      for (let index = 0; index < blockCount(file.length, file.blockSizeBytes); index += 1)
        worker.blocks.delete(blockIdOf(file.fileId, index))
    file.fileId = this.newFileId()
  }
  newFileId(): number {
    this.#container += 1
    return fileIdOf(this.#container)
  }

  async startJobMaster(): Promise<JobMaster> {
    if (this.#directory === '') this.#directory = await mkdtemp(join(tmpdir(), 'skein-load-world-'))
    this.#stop = new AbortController()
    const master = await createJobMaster({
      directory: this.#directory,
      journal: this.journal,
      queue: this.queue,
      queueDescription: 'inprocess:',
      master: this.master(),
      ...(this.holds === undefined ? {} : { holdBlocks: this.holds }),
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
      metrics: this.metrics,
      options: { ...defaultJobMasterOptions, ...this.options.jobMaster },
      advertisedAddress: () => ({ rpcAddress: '127.0.0.1:1', webAddress: '' }),
      onFailure: () => undefined,
      ...(this.scheduleTimer === undefined ? {} : { openScheduleTimer: this.scheduleTimer }),
    })
    this.jobMaster = master
    master.start(this.#stop.signal)
    return master
  }
  /**
   * Ends the job master as a kill does; with `forget`, its tables are lost too and the journal has
   * to do.
   */
  async killJobMaster(forget: boolean): Promise<void> {
    const master = this.jobMaster
    this.jobMaster = undefined
    this.journal.fence()
    this.#stop.abort(new SkeinError('cancelled', 'killed'))
    await master?.close()
    if (forget) {
      await rm(this.#directory, { recursive: true, force: true })
      this.#directory = ''
    }
  }
  async close(): Promise<void> {
    for (const jobWorker of this.jobWorkers.values()) jobWorker.stop.abort(new SkeinError('cancelled', 'end'))
    await this.killJobMaster(true)
  }

  private api(): JobMaster['service'] {
    if (this.jobMaster === undefined) throw new SkeinError('unavailable', 'job master down')
    return this.jobMaster.service
  }

  async submit(path = '/ns/', replication = 1, requestKey = '', activeJobs = 3000): Promise<string> {
    const response = await this.api().submitLoad(
      { requestKey, path, options: { replication, activeJobs, batchSize: 0 } },
      { signal: never },
    )
    return response.loadId
  }
  async status(loadId: string): Promise<LoadStatus> {
    return await this.api().getLoad({ loadId }, { signal: never })
  }
  /** Lets time pass until the load has ended; fails after `limitMs` of virtual time. */
  async untilEnded(loadId: string, limitMs = 600_000): Promise<LoadStatus> {
    const until = this.clock.now + limitMs
    for (;;) {
      const status = this.jobMaster === undefined ? undefined : await this.status(loadId)
      if (status !== undefined && status.endedMs > 0) return status
      if (this.clock.now >= until) throw new Error(`load ${loadId} did not end: ${JSON.stringify(status)}`)
      await this.clock.step(until)
    }
  }

  // ---- job workers ----
  startJobWorker(jobWorkerId: string, hostname: string): void {
    const jobWorker: WorldJobWorker = { jobWorkerId, stop: new AbortController(), pausedUntilMs: 0 }
    this.jobWorkers.set(jobWorkerId, jobWorker)
    void this.#runJobWorker(jobWorker, hostname).catch(() => undefined)
  }
  killJobWorker(jobWorkerId: string): void {
    this.jobWorkers.get(jobWorkerId)?.stop.abort(new SkeinError('cancelled', 'killed'))
    this.jobWorkers.delete(jobWorkerId)
  }
  async #runJobWorker(self: WorldJobWorker, hostname: string): Promise<void> {
    const signal = self.stop.signal
    const running = new Map<string, Task>()
    let session = ''
    let consumer: Consumer | undefined
    while (!signal.aborted) {
      try {
        if (self.pausedUntilMs > this.clock.now) throw new SkeinError('unavailable', 'paused')
        if (session === '') {
          const registered = await this.api().registerJobWorker(
            { jobWorkerId: self.jobWorkerId, hostname, rpcAddress: '', activeTasksMax: 2 },
            { signal },
          )
          session = registered.session
          consumer ??= this.queue.take(registered.lane, (task) => this.#runTask(self, task, running, () => session), {
            concurrency: 2,
            onError: () => undefined,
          })
        }
        const report = [...running.values()].map((task) => ({
          loadId: task.loadId,
          set: task.set,
          attempt: task.attempt,
          bytesDone: 0,
        }))
        await this.api().jobWorkerHeartbeat({ jobWorkerId: self.jobWorkerId, session, running: report }, { signal })
      } catch (thrown) {
        if (thrown instanceof SkeinError && thrown.reason === 'register_again') session = ''
      }
      await this.clock.sleep(session === '' ? 200 : 1000, signal).catch(() => undefined)
    }
    await consumer?.close(0)
  }
  async #runTask(self: WorldJobWorker, task: Task, running: Map<string, Task>, session: () => string): Promise<void> {
    const { signal } = self.stop
    const { loadId, set, attempt } = task
    const start = await this.api().startSet(
      { jobWorkerId: self.jobWorkerId, session: session(), loadId, set, attempt },
      { signal },
    )
    if (start.obsolete) return
    running.set(task.id, task)
    try {
      await this.clock.sleep((this.options.taskMs ?? 300) * (0.5 + this.random()), signal)
      while (self.pausedUntilMs > this.clock.now) await this.clock.sleep(500, signal)
      const result = this.#loadBlocks(start)
      const times = this.random() < (this.options.duplicates ?? 0) ? 2 : 1
      for (let sent = 0; sent < times;) {
        try {
          await this.api().completeSet(
            { jobWorkerId: self.jobWorkerId, session: session(), loadId, set, attempt, ...result },
            { signal },
          )
          sent += 1
        } catch {
          await this.clock.sleep(500, signal)
        }
      }
      this.completed.push(task.id)
    } finally {
      running.delete(task.id)
    }
  }
  #loadBlocks(start: StartSetResponse): {
    failures: BlockFailure[]
    replacements: FileReplacement[]
    originBytes: number
  } {
    const failures: BlockFailure[] = []
    const replacements: FileReplacement[] = []
    let originBytes = 0
    for (const piece of start.pieces) {
      const file = this.files.get(piece.key)
      if (file === undefined || file.fileId !== piece.fileId) {
        const { fileId, key, etag, length, blockSizeBytes } = file ?? {
          fileId: 0,
          key: piece.key,
          etag: '',
          length: 0,
          blockSizeBytes: 0,
        }
        replacements.push({ oldFileId: piece.fileId, fileId, key, etag, length, blockSizeBytes })
        continue
      }
      for (let index = piece.firstBlock; index < piece.firstBlock + piece.blockCount; index += 1) {
        const fail = (workerId: string, code: string, retryable: boolean, message: string, reason = ''): void => {
          failures.push({ fileId: piece.fileId, blockIndex: index, workerId, code, reason, retryable, message })
        }
        if (this.storeDown) fail('', 'unavailable', true, 'connection refused')
        if (this.storeDown) continue
        if (file.poisoned !== false) {
          if (file.poisoned === 'lone') fail('', 'unavailable', true, 'InternalError', 'store_answers')
          else fail('', 'failed_precondition', false, 'the object is archived')
          continue
        }
        if (this.random() < (this.options.readFailures ?? 0)) {
          fail('', 'unavailable', true, 'reset')
          continue
        }
        const bytes = Math.min(file.blockSizeBytes, file.length - index * file.blockSizeBytes)
        const blockId = blockIdOf(file.fileId, index)
        const has = ({ workerId, live, blocks }: WorldWorker): boolean =>
          live && blocks.has(blockId) && piece.sourceIds.includes(workerId) && !this.unreachable.has(workerId)
        if (!this.workers.some(has)) originBytes += bytes
        for (const target of start.targets) {
          const worker = this.workers.find((one) => one.workerId === target.workerId)
          if (worker === undefined || !worker.live) fail(target.workerId, 'unavailable', true, 'refused')
          else if (this.unreachable.has(worker.workerId))
            fail(target.workerId, 'unavailable', true, `getaddrinfo ENOTFOUND ${worker.hostname}`)
          else if (!worker.blocks.has(blockId) && this.heldBlocks(worker.workerId)) {
            this.refusedHeld.push(worker.workerId)
            fail(target.workerId, 'already_exists', true, 'the block is being written', 'being_written')
          } else if (!worker.blocks.has(blockId) && !this.takes(worker, blockId, bytes))
            fail(target.workerId, 'resource_exhausted', false, 'full')
          else if (this.random() >= (this.options.lostBlocks ?? 0)) this.#write(worker, blockId, bytes)
        }
      }
    }
    this.originBytes += originBytes
    return { failures, replacements, originBytes }
  }

  #write(worker: WorldWorker, blockId: number, bytes: number): void {
    if (worker.blocks.has(blockId)) return
    worker.blocks.set(blockId, bytes)
    this.reportedMs.set(`${worker.workerId}/${blockId}`, this.clock.now + (this.options.reportLagMs ?? 0))
  }

  replicas(file: WorldFile, index: number): string[] {
    return replicas(this, file, index)
  }
  fewestReplicas(file: WorldFile): number {
    return fewestReplicas(this, file)
  }
  master(): Service<MasterServiceDefinition> {
    return worldMaster(this)
  }
}
