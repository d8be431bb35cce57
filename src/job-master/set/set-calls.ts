// Why: the job workers' side of the job master: what is in a set, how it ended, what is still
// running. How: a set's content comes from the tables at the moment it starts, so a task in the
// queue is never more than a name. Results are taken from any attempt and any session, because
// blocks that are committed are facts; taking the set out of the open ones is what counts, and
// happens once.
import type { Clock, Random } from '../../base/clock.ts'
import { SingleFlight } from '../../base/flow/single-flight.ts'
import type { FileFailure, LoadRecord, SetRecord } from '../../load/load.ts'
import { formatLoadId, hasEnded, parseLoadId, setBytes, stagingOf, wishOf } from '../../load/load.ts'
import type { LoadCommand, LoadEffect, Replacement, SetCompleted } from '../../load/state/load-commands.ts'
import { completionOf } from '../../load/plan/completion-check.ts'
import { planPage, releasePlan, type ListedFile } from '../../load/plan/planner.ts'
import { giveUp, planRetries, splitSet, type RetryContext } from '../../load/plan/retry-policy.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type {
  CompleteSetRequest,
  FileReplacement,
  JobWorkerHeartbeatRequest,
  JobWorkerHeartbeatResponse,
  StartSetRequest,
  StartSetResponse,
} from '../../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { ClusterView } from '../dispatch/cluster-view.ts'
import type { Dispatcher } from '../dispatch/dispatcher.ts'
import { heldVersions } from './held-versions.ts'
import type { JobWorker, JobWorkerRegistry } from '../dispatch/job-worker-registry.ts'
import type { LoadPacing } from '../dispatch/load-pacing.ts'
import type { CompletedSet } from '../view/load-progress.ts'
import type { JobMasterOptions } from '../options/job-master-options.ts'
import type { OutSet, Outstanding } from '../dispatch/outstanding.ts'
import { SetRemainder } from './set-remainder.ts'
import type { SharedBlocks } from '../dispatch/shared-blocks.ts'

export interface SetServiceDependencies {
  readonly tables: Tables
  readonly submit: (command: LoadCommand) => Promise<LoadEffect>
  readonly dispatcher: Dispatcher
  readonly outstanding: Outstanding
  readonly shared: SharedBlocks
  readonly jobWorkers: JobWorkerRegistry
  readonly cluster: ClusterView
  readonly master: Pick<Service<MasterServiceDefinition>, 'auditFiles' | 'getClusterSummary' | 'refreshFile'>
  readonly pacing: LoadPacing
  readonly clock: Clock
  readonly random: Random
  readonly metrics: MetricRegistry
  readonly options: JobMasterOptions
  /** A set of this load ended, or it is time to look. */
  readonly onProgress: (loadId: number, madeProgress: boolean, readError?: string) => void
  /** A set's result was taken. */
  readonly onCompleted: (set: CompletedSet) => void
}

const obsolete: StartSetResponse = { obsolete: true, namespaceId: '', pieces: [], targets: [], sources: [] }

export class SetService {
  readonly #deps: SetServiceDependencies
  readonly #completing = new SingleFlight<string, void>()
  readonly #remainder: SetRemainder
  /** Loads up to this one were there when the job master started. */
  readonly #lastLoadBefore: number

  constructor(deps: SetServiceDependencies) {
    this.#deps = deps
    this.#remainder = new SetRemainder(deps)
    this.#lastLoadBefore = deps.tables.counters.get(['load']) ?? 0
  }

  /** @throws SkeinError failed_precondition (`register_again`) */
  async startSet(request: StartSetRequest, signal: AbortSignal): Promise<StartSetResponse> {
    const { tables, jobWorkers, outstanding, cluster, pacing, shared } = this.#deps
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
    // Another job worker, or an earlier life of this one, has begun the same attempt.
    if (out.session !== undefined && out.session !== worker.session) return obsolete
    // A target went away while the task was in the queue: the set waits for it, instead of being
    // read for the others now and for it later.
    if (
      out.session === undefined &&
      !record.targets.every((target) => cluster.isUsable(target, outstanding.countTo(target) - 1))
    ) {
      this.takeBack(out, false)
      return obsolete
    }
    this.#begin(out, worker)
    // Another task may have brought in some of it: one of another load, of an earlier life, or of a
    // job worker that was lost.
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
    if (load === undefined) return
    const { loadId } = load
    await this.#completing.run(`${loadId}/${request.set}`, async () => {
      const record = this.#deps.tables.sets.get([loadId, request.set])
      const named = record === undefined ? [] : completionOf(record, request).replacements
      // Asked first: what is known of the set may be another thing after that.
      const replacements = await heldVersions(this.#deps.master, load, named, signal)
      await this.#complete(loadId, { ...request, replacements })
    })
  }

  async #complete(loadId: number, given: CompleteSetRequest): Promise<void> {
    const { tables, outstanding, dispatcher, metrics, cluster } = this.#deps
    const placement = cluster.placementOf(loadId)
    const load = tables.loads.get([loadId])
    const record = tables.sets.get([loadId, given.set])
    const open = tables.open.get([loadId, given.set])
    const out = outstanding.get(loadId, given.set)
    if (load === undefined || record === undefined || open === undefined) {
      outstanding.forget(loadId, given.set)
      return
    }
    const request = completionOf(record, given)
    const clean = request.failures.length === 0 && request.replacements.length === 0
    // A newer attempt is on its way; what this one failed at says nothing about that one.
    if (!clean && out !== undefined && out.attempt > request.attempt) return
    for (const target of record.targets) {
      const unreached = request.failures.find(
        (failure) => failure.workerId === target && failure.code === 'unavailable',
      )
      if (unreached !== undefined) cluster.doubt(target, unreached.message)
      else if (!request.failures.some((failure) => failure.workerId === target || failure.workerId === ''))
        cluster.trust(target)
    }
    if (out !== undefined) {
      out.completing = true
      this.#deps.pacing.progress(out, request.originBytes)
    }
    try {
      const command = this.#completion(load, record, request)
      const effect = await this.#deps.submit(command)
      const unused = effect.type === 'applied' ? effect.unused : command.replaced
      for (const replacement of unused) releasePlan(replacement, placement)
      if (effect.type !== 'applied') return
      this.#deps.shared.completed(loadId, record, request.failures)
      outstanding.forget(loadId, request.set)
      if (out === undefined) dispatcher.withdraw(loadId, request.set)
      metrics.add('job.tasks.completed')
      const outMs = out === undefined ? undefined : this.#deps.clock.monotonicMs() - out.addedMs
      this.#deps.onCompleted({ loadId, record, failures: request.failures, outMs })
      const unread = request.failures.find((failure) => failure.workerId === '' && failure.retryable)
      const madeProgress = request.failures.length < record.pieces.length
      this.#deps.onProgress(loadId, madeProgress, madeProgress ? '' : unread?.message)
    } finally {
      if (out !== undefined) out.completing = false
      dispatcher.notify()
    }
  }

  #completion(load: LoadRecord, record: SetRecord, request: CompleteSetRequest): SetCompleted {
    const replaced = request.replacements.map((replacement) =>
      this.#replacement(load, record, request.set, replacement),
    )
    const gone = new Set(replaced.map((replacement) => replacement.oldFileId))
    const left = { ...record, pieces: record.pieces.filter((piece) => !gone.has(piece.fileId)) }
    const isCheck = record.verify === true
    const placement = this.#deps.cluster.placementOf(load.loadId)
    // Of what was there nothing was reserved; what must be loaded anew is, from now on.
    if (isCheck) placement.reserve(record.targets, setBytes(record))
    placement.release(record.targets, setBytes(record) - setBytes(left))
    const { retries, failed } = planRetries(left, request.failures, this.#retryContext(load, request.jobWorkerId))
    if (isCheck) {
      const again = retries.reduce((sum, retry) => sum + setBytes(retry), 0)
      placement.unplan(record.targets, setBytes(record) - again)
    }
    return {
      type: 'SetCompleted',
      nowMs: this.#deps.clock.nowMs(),
      loadId: load.loadId,
      set: request.set,
      originBytes: request.originBytes,
      retries,
      failed,
      replaced,
      ...(isCheck && { verified: { files: request.filesVerified ?? 0, unverifiable: request.filesUnverifiable ?? 0 } }),
    }
  }

  #replacement(load: LoadRecord, record: SetRecord, set: number, replacement: FileReplacement): Replacement {
    const { oldFileId, fileId, key, etag, length, blockSizeBytes } = replacement
    const old = record.pieces.find((piece) => piece.fileId === oldFileId)
    const file = { fileId, key, etag, length, blockSizeBytes, blocks: [], problem: '' }
    return planReplacement(
      this.#deps,
      load,
      set,
      { fileId: oldFileId, key: old?.key ?? key, length: old?.length ?? length, replication: old?.replication },
      fileId === 0 ? undefined : file,
      record.attempt,
    )
  }

  #retryContext(load: LoadRecord, jobWorkerId: string): RetryContext {
    const { options, cluster, random, clock } = this.#deps
    return {
      policy: options.retry,
      planner: { batchFiles: load.options.batchSize, batchBytes: options.batchBytes },
      placement: cluster.placementOf(load.loadId),
      wish: wishOf(load.options),
      random,
      nowMs: clock.nowMs(),
      jobWorkerId,
    }
  }

  /** @throws SkeinError failed_precondition (`register_again`) */
  heartbeat(request: JobWorkerHeartbeatRequest): JobWorkerHeartbeatResponse {
    const { jobWorkers, outstanding, tables, dispatcher, pacing } = this.#deps
    const worker = jobWorkers.check(request.jobWorkerId, request.session)
    const first = !worker.reported
    jobWorkers.heartbeat(worker, request.running.length)
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
    const load = this.#deps.tables.loads.get([out.set.loadId])
    if (load?.cancelling === true) {
      this.#deps.outstanding.forget(out.set.loadId, out.set.set)
      this.#deps.onProgress(out.set.loadId, false)
    } else if (out.missed >= 2) this.takeBack(out, true)
  }

  /** Everything that was out to a job worker whose session ended goes out again. */
  takeBackAll(jobWorkerId: string): void {
    for (const out of this.#deps.outstanding.ofJobWorker(jobWorkerId)) this.takeBack(out, out.session !== undefined)
  }

  takeBack(out: OutSet, lost: boolean): void {
    const { dispatcher, options, tables, clock, submit, outstanding, cluster } = this.#deps
    const losses = dispatcher.takeBack(out, lost)
    if (!lost || losses < options.lossesMax) return
    const { loadId, set } = out.set
    const record = tables.sets.get([loadId, set])
    if (record === undefined || (record.pieces.length === 1 && losses < options.retry.attemptsMax)) return
    const failed: FileFailure[] =
      record.pieces.length > 1
        ? []
        : giveUp(record, 'aborted', `its job worker was lost while loading it, ${losses} times`)
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
        this.#deps.onProgress(loadId, false)
      },
      () => undefined,
    )
  }

  /** The job worker has the task: it is out there, whatever lane it was meant for. */
  #begin(out: OutSet, worker: JobWorker): void {
    out.session = worker.session
    out.missed = 0
  }

  /**
   * A task from before a restart of the job master that a job worker has: it counts as out, so that
   * it is not read twice.
   */
  #adopt(loadId: number, set: number, attempt: number, worker: JobWorker): OutSet | undefined {
    const open = this.#deps.tables.open.get([loadId, set])
    if (open === undefined || attempt < this.#deps.outstanding.attemptOf(loadId, set, open.attempt)) return undefined
    const out: OutSet = {
      set: { loadId, set, ...open },
      attempt,
      lane: worker.lane,
      rank: 1,
      jobWorkerId: worker.jobWorkerId,
      added: true,
      addedMs: this.#deps.clock.monotonicMs(),
      session: undefined,
      missed: 0,
      completing: false,
    }
    this.#deps.outstanding.put(out)
    this.#deps.dispatcher.withdraw(loadId, set)
    return out
  }

  #runningLoad(loadId: string): LoadRecord | undefined {
    const id = parseLoadId(loadId)
    const load = id === undefined ? undefined : this.#deps.tables.loads.get([id])
    return load === undefined || hasEnded(load.mode) || formatLoadId(load.loadId) !== loadId ? undefined : load
  }
}

/** What becomes of a file whose object changed (`file`) or went (undefined) while it was loaded. */
export function planReplacement(
  deps: Pick<SetServiceDependencies, 'options' | 'cluster'>,
  load: LoadRecord,
  set: number,
  old: {
    readonly fileId: number
    readonly key: string
    readonly length: number
    readonly replication?: number | undefined
  },
  file: ListedFile | undefined,
  attempt: number,
  goneReason = 'the object was deleted at the store during the load',
): Replacement {
  const lost = (code: string, reason: string): Replacement => ({
    oldFileId: old.fileId,
    set,
    file: undefined,
    failure: { fileId: old.fileId, key: old.key, length: old.length, code, reason, attempts: attempt, workerId: '' },
    sets: [],
  })
  if (file === undefined) return lost('not_found', goneReason)
  if (attempt >= deps.options.retry.attemptsMax)
    return lost('aborted', `the object was overwritten ${attempt} times during the load`)
  if (load.exactVersions === true)
    return lost('failed_precondition', 'the object changed at the store, and only the listed version was wanted')
  const { batchBytes, largeSetBytes } = deps.options
  const { replication } = load.options
  const planner = {
    replication,
    batchFiles: load.options.batchSize,
    batchBytes,
    largeSetBytes,
    wish: wishOf(load.options),
  }
  const plan = planPage(
    [{ ...file, replication: old.replication }],
    planner,
    deps.cluster.placementOf(load.loadId),
    attempt + 1,
  )
  const failure = plan.failed[0]
  if (failure !== undefined) return lost(failure.code, failure.reason)
  return {
    oldFileId: old.fileId,
    set,
    file: { fileId: file.fileId, length: file.length },
    failure: undefined,
    sets: plan.sets,
  }
}
