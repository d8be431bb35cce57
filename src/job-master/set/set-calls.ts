// Why: the calls of job workers: the content of a set, and heartbeats with running sets. How: the
// content is read from the tables when the set starts, so a task in the queue is only a name. A set
// that a job worker no longer reports in its heartbeats is dispatched again. set-completion.ts
// handles the results of sets.
import type { FileFailure, LoadRecord } from '../../load/load.ts'
import { formatLoadId, hasEnded, parseLoadId, setBytes, stagingOf } from '../../load/load.ts'
import { giveUp, splitSet } from '../../load/plan/retry-policy.ts'
import type {
  CompleteSetRequest,
  JobWorkerHeartbeatRequest,
  JobWorkerHeartbeatResponse,
  ReadTuning,
  StartSetRequest,
  StartSetResponse,
} from '../../wire/generated/job.ts'
import type { JobWorker } from '../dispatch/job-worker-registry.ts'
import type { OutSet } from '../dispatch/outstanding.ts'
import type { JobMasterContext } from '../job-master-context.ts'
import { SetCompletion, type SetCompletionContext } from './set-completion.ts'
import { SetRemainder } from './set-remainder.ts'

type SetCallsContext = SetCompletionContext &
  Pick<JobMasterContext, 'jobWorkers'> & {
    /** Called with the settings that a job worker has chosen. */
    readonly onTuning: (worker: JobWorker, tuning: ReadTuning) => void
  }

const obsolete: StartSetResponse = { obsolete: true, namespaceId: '', pieces: [], targets: [], sources: [] }

export class SetService {
  readonly #context: SetCallsContext
  readonly #completion: SetCompletion
  readonly #remainder: SetRemainder
  /** Loads up to this id existed when the job master started. */
  readonly #lastLoadBefore: number

  constructor(context: SetCallsContext) {
    this.#context = context
    this.#completion = new SetCompletion(context)
    this.#remainder = new SetRemainder(context)
    this.#lastLoadBefore = context.tables.counters.get(['load']) ?? 0
  }

  /** @throws SkeinError failed_precondition (`register_again`) */
  async startSet(request: StartSetRequest, signal: AbortSignal): Promise<StartSetResponse> {
    const { tables, jobWorkers, outstanding, cluster, pacing, shared } = this.#context
    const worker = jobWorkers.check(request.jobWorkerId, request.session)
    const load = this.#runningLoad(request.loadId)
    if (load === undefined || load.cancelling) return obsolete
    const record = tables.sets.get([load.loadId, request.set])
    if (tables.open.get([load.loadId, request.set]) === undefined) {
      outstanding.forget(load.loadId, request.set)
      return obsolete
    }
    const out =
      outstanding.get(load.loadId, request.set) ?? this.#adopt(load.loadId, request.set, request.attempt, worker)
    if (record === undefined || out === undefined || out.attempt !== request.attempt) return obsolete
    // Another job worker, or this one before a restart, has started the same attempt.
    if (out.session !== undefined && out.session !== worker.session) return obsolete
    // A target was lost while the task was in the queue. The set waits for it; otherwise it would
    // be read now for the other targets and again later for this one.
    if (
      out.session === undefined &&
      !record.targets.every((target) => cluster.isUsable(target, outstanding.countTo(target) - 1))
    ) {
      this.takeBack(out, false)
      return obsolete
    }
    this.#begin(out, worker)
    // Another task may have loaded some of the blocks: of another load, from before a restart, or
    // of a lost job worker.
    const mayBeThere =
      out.attempt > record.attempt || load.loadId <= this.#lastLoadBefore || shared.isShared(load.loadId)
    const left =
      mayBeThere && record.verify !== true
        ? await this.#remainder.of(record, load.options, signal)
        : record.pieces.map((piece) => ({ piece, holders: record.elsewhere ?? [] }))
    const pieces = left.map(({ piece: { lead: _lead, ...piece }, holders }) => ({
      ...piece,
      sourceIds: holders.filter((workerId) => cluster.placement.isLive(workerId)),
    }))
    const sources = [...new Set(pieces.flatMap(({ sourceIds }) => sourceIds))].map((workerId) =>
      cluster.targetOf(workerId),
    )
    const targets = record.targets.map((target) => cluster.targetOf(target))
    const { stagingId } = stagingOf(load, 0)
    const bytesPerSecond = pacing.allowanceOf(load.loadId, worker.jobWorkerId)
    return {
      obsolete: false,
      namespaceId: load.namespaceId,
      pieces,
      targets,
      sources,
      ...(stagingId !== undefined && { stagingId }),
      ...(load.options.evict === true && { evict: true }),
      ...(record.verify === true && { verify: true }),
      ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    }
  }

  /** Idempotent. Resolves when the result is durable. */
  async completeSet(request: CompleteSetRequest, signal: AbortSignal): Promise<void> {
    const load = this.#runningLoad(request.loadId)
    if (load !== undefined) await this.#completion.take(load, request, signal)
  }

  /** @throws SkeinError failed_precondition (`register_again`) */
  heartbeat(request: JobWorkerHeartbeatRequest): JobWorkerHeartbeatResponse {
    const { jobWorkers, outstanding, tables, dispatcher, pacing } = this.#context
    const worker = jobWorkers.check(request.jobWorkerId, request.session)
    const first = !worker.reported
    jobWorkers.heartbeat(worker, request.running.length, request.tuning?.tasks)
    if (request.tuning !== undefined) this.#context.onTuning(worker, request.tuning)
    const cancelled = new Set<string>()
    const running = new Set<OutSet>()
    for (const task of request.running) {
      const load = this.#runningLoad(task.loadId)
      if (load === undefined || load.cancelling) {
        cancelled.add(task.loadId)
        if (load === undefined) continue
      }
      if (tables.open.get([load.loadId, task.set]) === undefined) continue
      const out = outstanding.get(load.loadId, task.set) ?? this.#adopt(load.loadId, task.set, task.attempt, worker)
      if (
        out === undefined ||
        out.attempt !== task.attempt ||
        (out.session !== undefined && out.session !== worker.session)
      )
        continue
      this.#begin(out, worker)
      pacing.progress(out, task.bytesDone)
      out.bytesDone = Math.max(0, Math.min(task.bytesDone, out.set.bytes))
      running.add(out)
    }
    for (const out of outstanding.ofJobWorker(worker.jobWorkerId)) this.#missed(out, worker, running.has(out))
    if (first) dispatcher.notify()
    const paced = pacing.answer(worker.jobWorkerId, request.pressures)
    return { cancelledLoads: [...cancelled], ...(paced !== undefined && { pacing: paced }) }
  }

  #missed(out: OutSet, worker: JobWorker, named: boolean): void {
    if (named || out.session !== worker.session || out.completing) return
    out.missed += 1
    const load = this.#context.tables.loads.get([out.set.loadId])
    if (load?.cancelling === true) {
      this.#context.outstanding.forget(out.set.loadId, out.set.set)
      this.#context.onProgress(out.set.loadId, false)
    } else if (out.missed >= 2) this.takeBack(out, true)
  }

  /** Dispatches all sets in flight of a job worker again, because its session has ended. */
  takeBackAll(jobWorkerId: string): void {
    for (const out of this.#context.outstanding.ofJobWorker(jobWorkerId)) this.takeBack(out, out.session !== undefined)
  }

  takeBack(out: OutSet, lost: boolean): void {
    const { dispatcher, options, tables, clock, submit, outstanding, cluster } = this.#context
    const losses = dispatcher.takeBack(out, lost)
    if (!lost || losses < options.lossesMax) return
    const { loadId, set } = out.set
    const record = tables.sets.get([loadId, set])
    if (record === undefined || (record.pieces.length === 1 && losses < options.retry.attemptsMax)) return
    const failed: FileFailure[] =
      record.pieces.length > 1
        ? []
        : giveUp(record, 'aborted', `its job worker was lost ${losses} times while loading it`)
    const retries = record.pieces.length > 1 ? splitSet(record) : []
    const given = failed.length > 0 ? setBytes(record) : 0
    submit({
      type: 'SetCompleted',
      nowMs: clock.nowMs(),
      loadId,
      set,
      originBytes: 0,
      retries,
      failed,
      replaced: [],
    }).then(
      (effect) => {
        if (effect.type === 'applied') cluster.placementOf(loadId).release(record.targets, given)
        outstanding.forget(loadId, set)
        dispatcher.reload(loadId)
        this.#context.onProgress(loadId, false)
      },
      () => undefined,
    )
  }

  /** The job worker has the task, so it is in flight there, whatever lane it was meant for. */
  #begin(out: OutSet, worker: JobWorker): void {
    out.session = worker.session
    out.missed = 0
  }

  /**
   * A job worker reports a task from before a restart of the job master. It counts as in flight, so
   * that it is not read twice.
   */
  #adopt(loadId: number, set: number, attempt: number, worker: JobWorker): OutSet | undefined {
    const open = this.#context.tables.open.get([loadId, set])
    if (open === undefined || attempt < this.#context.outstanding.attemptOf(loadId, set, open.attempt)) return undefined
    const out: OutSet = {
      set: { loadId, set, ...open },
      attempt,
      lane: worker.lane,
      rank: 1,
      jobWorkerId: worker.jobWorkerId,
      added: true,
      addedMs: this.#context.clock.monotonicMs(),
      session: undefined,
      missed: 0,
      completing: false,
    }
    this.#context.outstanding.put(out)
    this.#context.dispatcher.withdraw(loadId, set)
    return out
  }

  #runningLoad(loadId: string): LoadRecord | undefined {
    const id = parseLoadId(loadId)
    const load = id === undefined ? undefined : this.#context.tables.loads.get([id])
    return load === undefined || hasEnded(load.mode) || formatLoadId(load.loadId) !== loadId ? undefined : load
  }
}
