// Why: the job master as one object: the service for the command line and for job workers, and the
// loops behind it. How: creates the parts of this folder around one command log, starts a runner
// for every unfinished load, and owns the timers that detect lost job workers and register the job
// master with the master.
import { SkeinError } from '../base/errors.ts'
import type { LoadCommand, LoadEffect, SubmitLoad } from '../load/state/load-commands.ts'
import { formatLoadId, hasEnded, type LoadRecord } from '../load/load.ts'
import { LoadHistory } from '../load/state/load-history.ts'
import { withShortTexts } from '../load/state/short-texts.ts'
import type { Tables } from '../load/state/load-tables.ts'
import type { CommandLog } from '../journal/command-log.ts'
import type { LmdbState } from '../journal/state/lmdb-state.ts'
import {
  type JobServiceSummary,
  type SubmitLoadRequest,
  type SubmitLoadResponse,
  JobServiceDefinition,
} from '../wire/generated/job.ts'
import { limited } from '../wire/limits/all-limits.ts'
import type { ScheduleDefinition, ScheduleServiceDefinition } from '../wire/generated/schedule.ts'
import type { Service } from '../wire/service.ts'
import { checkNoOverlap } from './run/atomic-load.ts'
import { ClusterView } from './dispatch/cluster-view.ts'
import type { DispatchContext } from './dispatch/dispatch-context.ts'
import { Dispatcher } from './dispatch/dispatcher.ts'
import { forgetIndexes, stageIndex } from './run/staged-list.ts'
import { JobWorkerRegistry } from './dispatch/job-worker-registry.ts'
import { listedLoads } from './view/listed-loads.ts'
import { runningLoadsOf } from './dispatch/named-loads.ts'
import { loadOptionsOf } from './options/load-options.ts'
import { LoadPacing } from './dispatch/load-pacing.ts'
import { LoadProgress } from './view/load-progress.ts'
import { TuningReports } from './view/tuning-reports.ts'
import { LoadPlans } from './plan/dry-run.ts'
import { resumeRequest } from './run/load-resume.ts'
import { LoadRunner } from './run/load-runner.ts'
import { cutStatus, findLoad, listLoadFiles, statusOf, tasksOutTo, withArriving } from './view/load-status.ts'
import { checkSubmission } from './run/load-submission.ts'
import { Outstanding } from './dispatch/outstanding.ts'
import type { JobMasterContext } from './job-master-context.ts'
import { ScheduleKeeper } from './schedule/schedule-keeper.ts'
import { createScheduleService } from './schedule/schedule-calls.ts'
import { SetService } from './set/set-calls.ts'
import { SharedBlocks } from './dispatch/shared-blocks.ts'
import type { JobMaster, JobMasterDependencies } from './job-master-contract.ts'

/**
 * A restarted master has lost this registration. Until the next one, clients cannot find the job
 * master.
 */
const registerEveryMs = 1000
const sweepEveryMs = 1000
const forgetEveryMs = 60_000
/** Rows of an ended load that one command deletes. A row may contain hundreds of files. */
const expireRowsMax = 64

export class JobMasterRole implements JobMaster {
  readonly service: Service<JobServiceDefinition>
  readonly schedules: Service<ScheduleServiceDefinition>
  readonly #deps: JobMasterDependencies
  readonly #tables: Tables
  readonly #history: LoadHistory
  readonly #log: Pick<CommandLog<LoadCommand, LoadEffect>, 'submit' | 'close'>
  readonly #state: Pick<LmdbState, 'check' | 'close'>
  readonly #outstanding = new Outstanding()
  readonly #jobWorkers: JobWorkerRegistry
  readonly #cluster: ClusterView
  readonly #pacing: LoadPacing
  readonly #dispatcher: Dispatcher
  readonly #sets: SetService
  readonly #progress: LoadProgress
  readonly #tunings: TuningReports
  readonly #keeper: ScheduleKeeper
  readonly #plans: LoadPlans
  readonly #runners = new Map<number, LoadRunner>()
  readonly #running = new Set<Promise<void>>()
  readonly #stop = new AbortController()
  readonly #context: JobMasterContext
  #serving: AbortSignal | undefined
  /** The previous submission. */
  #written: Promise<unknown> = Promise.resolve()

  constructor(
    deps: JobMasterDependencies,
    tables: Tables,
    log: CommandLog<LoadCommand, LoadEffect>,
    state: Pick<LmdbState, 'check' | 'close'>,
  ) {
    this.#deps = deps
    this.#tables = tables
    this.#history = new LoadHistory(tables)
    this.#log = { submit: (command) => log.submit(withShortTexts(command)), close: () => log.close() }
    this.#state = state
    const { clock, random, options, metrics, master } = deps
    this.#jobWorkers = new JobWorkerRegistry(clock, random)
    this.#cluster = new ClusterView(master, clock, options.placementPolicy)
    this.#pacing = new LoadPacing({ ...deps, tables, outstanding: this.#outstanding, bandwidth: options.bandwidth })
    const dispatchContext: DispatchContext & Pick<JobMasterContext, 'submit'> = {
      ...deps,
      tables,
      submit: (command: LoadCommand) => this.#log.submit(command),
      outstanding: this.#outstanding,
      shared: new SharedBlocks({ tables, outstanding: this.#outstanding, clock }),
      jobWorkers: this.#jobWorkers,
      cluster: this.#cluster,
      pacing: this.#pacing,
    }
    this.#dispatcher = new Dispatcher(dispatchContext)
    const context = { ...dispatchContext, dispatcher: this.#dispatcher }
    this.#context = context
    this.#progress = new LoadProgress(clock, metrics)
    this.#tunings = new TuningReports(clock)
    this.#sets = new SetService({
      ...context,
      onProgress: (loadId, madeProgress, readError) => this.#runners.get(loadId)?.notify(madeProgress, readError),
      onCompleted: (set) => this.#progress.completed(set),
      onTuning: (worker, tuning) => this.#tunings.take(worker, tuning),
    })
    this.#plans = new LoadPlans(context)
    this.service = this.#createService()
    const { submitLoad } = this.service
    this.#keeper = new ScheduleKeeper({ ...context, submitLoad, openTimer: deps.openScheduleTimer })
    const checkOptions = ({ options: given }: ScheduleDefinition): void =>
      void loadOptionsOf({ options: given }, options)
    this.schedules = createScheduleService(
      { ...context, checkOptions, keeper: this.#keeper },
      () => this.#serving ?? this.#stop.signal,
    )
    metrics.observe('skein_job_running_loads', () => this.#runners.size)
    metrics.observe('skein_job_tasks_in_flight', () => this.#outstanding.size)
    metrics.observe('skein_job_queue_up', () => (this.#dispatcher.queueError === undefined ? 1 : 0))
  }

  start(signal: AbortSignal): void {
    const stop = AbortSignal.any([signal, this.#stop.signal])
    this.#serving = stop
    const unfinished = this.#tables.active.scan([], 0, Number.MAX_SAFE_INTEGER)
    if (unfinished.length > 0) this.#dispatcher.holdForRecovery()
    this.#keep(this.#loop(sweepEveryMs, stop, () => this.#sweep(stop)))
    this.#keep(this.#loop(sweepEveryMs, stop, () => this.#expireLoads(stop)))
    this.#keep(this.#loop(forgetEveryMs, stop, () => forgetIndexes(this.#context, stop)))
    this.#keep(this.#loop(registerEveryMs, stop, () => this.#registerAtMaster(stop)))
    this.#keep(
      this.#startRunners(
        unfinished.map((row) => row.id),
        stop,
      ),
    )
    this.#keep(this.#dispatcher.run(stop))
    this.#keep(this.#keeper.run(stop))
  }

  async close(): Promise<void> {
    this.#stop.abort(new SkeinError('cancelled', 'the job master is shutting down'))
    await Promise.allSettled(this.#running)
    try {
      await this.#log.close()
    } finally {
      await this.#state.close()
    }
  }

  #keep(work: Promise<void>): void {
    const kept = work.catch((thrown: unknown) =>
      this.#deps.logger.error('a loop of the job master ended with an error', { error: thrown }),
    )
    const tracked = kept.finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  async #loop(everyMs: number, stop: AbortSignal, step: () => Promise<void>): Promise<void> {
    while (!stop.aborted) {
      await step().catch((thrown: unknown) =>
        this.#deps.logger.warn('a step of the job master failed', { error: thrown }),
      )
      await this.#deps.clock.sleep(everyMs, stop).catch(() => undefined)
    }
  }

  /** Reserves again what was planned before the start, when the workers are known. */
  async #startRunners(loadIds: readonly number[], stop: AbortSignal): Promise<void> {
    const tables = this.#tables
    while (loadIds.length > 0 && !this.#cluster.known && !stop.aborted) {
      await this.#cluster.refresh(stop)
      if (!this.#cluster.known) await this.#deps.clock.sleep(500, stop).catch(() => undefined)
    }
    for (const loadId of loadIds) {
      for (const { value } of tables.open.scan([loadId], 0, Number.MAX_SAFE_INTEGER)) {
        this.#cluster.placementOf(loadId).reserve(value.targets, value.bytes)
        this.#cluster.expect(value.targets)
      }
      this.#startRunner(loadId, stop)
    }
  }

  #startRunner(loadId: number, stop: AbortSignal): void {
    const load = this.#tables.loads.get([loadId])
    if (this.#runners.has(loadId) || load === undefined || hasEnded(load.mode)) return
    const runner = new LoadRunner(loadId, this.#context)
    this.#runners.set(loadId, runner)
    const ended = runner.run(stop).finally(() => {
      this.#runners.delete(loadId)
      this.#keeper.wake()
    })
    this.#keep(ended)
  }

  async #sweep(stop: AbortSignal): Promise<void> {
    for (const worker of this.#jobWorkers.sweep(this.#deps.options.jobWorkerLostMs)) {
      this.#deps.logger.warn('a job worker is lost: its sets are dispatched again', { jobWorkerId: worker.jobWorkerId })
      this.#sets.takeBackAll(worker.jobWorkerId)
      this.#keep(this.#deps.queue.drop(worker.lane))
    }
    // Continues after the end of the last load until its blocks are in the usage reports. Otherwise
    // the next load might be refused for lack of room.
    if (this.#runners.size === 0 && this.#cluster.placement.settled) return
    await Promise.all([this.#cluster.refresh(stop), this.#pacing.refresh(stop)])
    const open = [...this.#runners.keys()].some((loadId) => (this.#tables.loads.get([loadId])?.openSets ?? 0) > 0)
    if (!open) this.#cluster.placement.nothingOpen()
  }

  /** Deletes the oldest ended loads beyond the history limits. */
  async #expireLoads(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const { historyMax, historyFilesMax, historyAgeMs } = this.#deps.options
      const nowMs = this.#deps.clock.nowMs()
      const endedBeforeMs = historyAgeMs < 0 ? 0 : nowMs - historyAgeMs
      const loadId = this.#history.loadToExpire({ loadsMax: historyMax, filesMax: historyFilesMax, endedBeforeMs })
      if (loadId === undefined) return
      await this.#log.submit({ type: 'LoadExpired', nowMs, loadId, rowsMax: expireRowsMax })
    }
  }

  async #registerAtMaster(stop: AbortSignal): Promise<void> {
    const runningLoads = runningLoadsOf(this.#tables)
    await this.#deps.master.registerJobMaster({ ...this.#deps.advertisedAddress(), runningLoads }, { signal: stop })
  }

  async #submitLoad(request: SubmitLoadRequest, signal: AbortSignal): Promise<SubmitLoadResponse> {
    const known = request.requestKey === '' ? undefined : this.#tables.requestKeys.get([request.requestKey])
    if (known !== undefined) return { loadId: formatLoadId(known), joined: false }
    const command = await this.#checked(request, signal)
    // Check again, because other loads may have been submitted. Each submission waits until the
    // previous one is journaled.
    const written = this.#written.then(() => {
      checkNoOverlap(this.#tables, command)
      return this.#log.submit(command)
    })
    this.#written = written.catch(() => undefined)
    const effect = await written
    if (effect.type !== 'submitted') throw new SkeinError('internal', 'the journal did not return the submitted load')
    if (this.#serving?.aborted === false) this.#startRunner(effect.loadId, this.#serving)
    return { loadId: formatLoadId(effect.loadId), joined: effect.joined }
  }

  #checked(request: SubmitLoadRequest, signal: AbortSignal, isPlan = false): Promise<SubmitLoad> {
    return checkSubmission(request, this.#context, signal, isPlan)
  }

  #createService(): Service<JobServiceDefinition> {
    const tables = this.#tables
    return limited(JobServiceDefinition, {
      submitLoad: (request, { signal }) => this.#submitLoad(request, signal),
      stageIndex: async (request) => {
        await stageIndex(this.#context, request)
        return {}
      },
      resumeLoad: async ({ loadId }, { signal }) => this.#submitLoad(resumeRequest(findLoad(tables, loadId)), signal),
      startPlan: async (request, { signal }) => {
        const command = await this.#checked(request, signal, true)
        const planId = this.#plans.start(command, this.#serving ?? this.#stop.signal, (work) => this.#keep(work))
        return { planId }
      },
      getPlan: async ({ planId }) => this.#plans.get(planId),
      getLoad: async ({ loadId }) => this.#followed(findLoad(tables, loadId)),
      listLoads: async (request) => ({
        loads: listedLoads(tables, request).map(({ loadId }) => cutStatus(this.#status(loadId), true)),
      }),
      cancelLoad: async ({ loadId }) => {
        const load = findLoad(tables, loadId)
        if (hasEnded(load.mode)) return {}
        await this.#log.submit({ type: 'CancelRequested', nowMs: this.#deps.clock.nowMs(), loadId: load.loadId })
        this.#runners.get(load.loadId)?.cancel()
        return {}
      },
      listLoadFiles: async (request) => listLoadFiles(tables, this.#outstanding, request),
      getJobServiceSummary: () => this.#summary(),
      checkJobState: () => this.#state.check(),
      registerJobWorker: async (request) => {
        const worker = this.#jobWorkers.register(request)
        this.#sets.takeBackAll(worker.jobWorkerId)
        this.#dispatcher.notify()
        return { session: worker.session, lane: worker.lane }
      },
      jobWorkerHeartbeat: async (request) => this.#sets.heartbeat(request),
      startSet: (request, { signal }) => this.#sets.startSet(request, signal),
      completeSet: async (request, { signal }) => {
        await this.#sets.completeSet(request, signal)
        return {}
      },
    })
  }

  #status(loadId: number): ReturnType<typeof statusOf> {
    const load = findLoad(this.#tables, formatLoadId(loadId))
    const waitingFor = this.#runners.get(loadId)?.reason() ?? ''
    const status = statusOf(load, this.#outstanding.countOf(loadId), waitingFor, this.#deps.clock.nowMs())
    return withArriving(status, this.#outstanding, loadId)
  }

  /** Status with the details that only `job progress` needs. */
  #followed(load: LoadRecord): ReturnType<typeof statusOf> {
    const hostnameOf = (workerId: string): string => this.#cluster.hostOf(workerId) ?? ''
    const workers = this.#progress.workersOf(load.loadId, tasksOutTo(this.#outstanding, load.loadId), hostnameOf)
    const estimateMs = this.#progress.estimateMs(load)
    const jobWorkers = this.#tunings.of(load)
    return {
      ...cutStatus(this.#status(load.loadId), false),
      workers: { workers },
      ...(jobWorkers.length > 0 && { tuning: { jobWorkers } }),
      ...(estimateMs !== undefined && { estimateMs }),
    }
  }

  async #summary(): Promise<JobServiceSummary> {
    const loads = this.#tables.loads.scan([], 1, Number.MAX_SAFE_INTEGER)
    const modes = loads.filter(({ value }) => !value.expiring).map(({ value }) => value.mode)
    const countOf = (...wanted: string[]): number => modes.filter((mode) => wanted.includes(mode)).length
    return {
      liveJobWorkers: this.#jobWorkers.live().length,
      runningLoads: modes.filter((mode) => !hasEnded(mode)).length,
      completedLoads: countOf('COMPLETED'),
      failedLoads: countOf('FAILED', 'PARTIAL'),
      cancelledLoads: countOf('CANCELLED'),
      queue: this.#deps.queueDescription,
      queueHealthy: this.#dispatcher.queueError === undefined,
      jobWorkers: this.#jobWorkers.infos(),
      tasksOut: this.#outstanding.size,
      queueWarnings: [...(await this.#deps.queue.warnings())],
    }
  }
}
