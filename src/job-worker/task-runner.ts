// Why: a task in the queue is only a name. This class turns it into blocks on their targets and one
// report. How: ask the job master for the content of the set, copy it, report it. Everything is
// idempotent: a task that is delivered twice finds its set done, or copies it again to the same
// place. An aborted task reports nothing.
import { blockCount, sizeProblem } from '../base/block-id.ts'
import { type Clock, type Random, throwIfAborted } from '../base/clock.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import { backoffMs, retry, type RetryPolicy } from '../base/flow/retry.ts'
import type { BlockTarget } from '../client/write/block-target.ts'
import type { WorkerAddress } from '../client/write/block-target-pool.ts'
import type { Task } from '../queue/queue.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import type { StoreCache, StoreLease } from '../ufs/store-cache.ts'
import type { JobServiceDefinition, RunningTask, StartSetResponse } from '../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'
import { CachedCopies } from './set/cached-copies.ts'
import { completeSet } from './completion.ts'
import { FileRefresh } from './set/file-refresh.ts'
import type { JobMasterLink } from './job-master-link.ts'
import { OpaqueEtags } from './set/opaque-etags.ts'
import type { ReadPacer } from './pace/read-pacer.ts'
import type { LoadTuner } from './tune/load-tuner.ts'
import { type CopyResources, SetCopy } from './set/set-copy.ts'
import { SetOutcome } from './set/set-outcome.ts'
import { SetTarget } from './set/set-targets.ts'
import { type CachedBlocks, verifySet, type VerifyTally } from './set/set-verify.ts'

export interface TaskRunnerOptions {
  readonly jobWorkerId: string
  readonly jobMaster: Pick<Service<JobServiceDefinition>, 'startSet' | 'completeSet'>
  readonly master: Pick<Service<MasterServiceDefinition>, 'refreshFile'>
  readonly link: Pick<JobMasterLink, 'session' | 'replaceIfLost'>
  readonly stores: StoreCache
  readonly targets: { targetFor(worker: WorkerAddress): BlockTarget }
  readonly cached: CachedBlocks
  readonly resources: CopyResources
  /** Undefined: all sets read with `resources` as they are. */
  readonly tuner: Pick<LoadTuner, 'open'> | undefined
  readonly pacer: ReadPacer
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: Pick<MetricRegistry, 'add'>
}

interface RunningSet {
  readonly task: Task
  readonly cancel: AbortController
  /** Resolves when the set has ended, with or without an error. */
  readonly ended: Promise<void>
  outcome: SetOutcome | undefined
}

const startPolicy: RetryPolicy = { attemptsMax: Number.POSITIVE_INFINITY, initialMs: 100, maxMs: 3000 }
/** Retries for about two minutes when the master does not answer. */
const masterPolicy: RetryPolicy = { attemptsMax: 60, initialMs: 100, maxMs: 5000 }

/** Runs tasks, as many at once as the caller starts. Owns the list of running tasks. */
export class TaskRunner {
  readonly #options: TaskRunnerOptions
  readonly #running = new Map<string, RunningSet>()
  readonly #etags = new OpaqueEtags()

  constructor(options: TaskRunnerOptions) {
    this.#options = options
  }

  /** Running tasks with their progress, including tasks that are being reported. */
  running(): RunningTask[] {
    return [...this.#running.values()].map(({ task, outcome }) => ({
      loadId: task.loadId,
      set: task.set,
      attempt: task.attempt,
      bytesDone: outcome?.bytesDone ?? 0,
    }))
  }

  /** Aborts the tasks of these loads. */
  cancelLoads(loadIds: readonly string[]): void {
    const loads = new Set(loadIds)
    for (const { task, cancel } of this.#running.values()) {
      if (loads.has(task.loadId)) cancel.abort(new SkeinError('cancelled', `load ${task.loadId} was cancelled`))
    }
  }

  /**
   * Runs one task to its end. A task that already runs here is dropped. A later attempt of a set
   * that still runs here waits for the earlier attempt, which may finish the set: two attempts at
   * once would read it twice and disturb each other. Throws only on programming errors.
   */
  async run(task: Task, queueSignal: AbortSignal): Promise<void> {
    const name = `${task.loadId} ${task.set} ${task.attempt}`
    if (this.#running.has(name)) return
    const earlier = [...this.#running.values()].filter(
      (other) => other.task.loadId === task.loadId && other.task.set === task.set,
    )
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const running: RunningSet = { task, cancel: new AbortController(), ended, outcome: undefined }
    this.#running.set(name, running)
    const signal = AbortSignal.any([queueSignal, running.cancel.signal])
    try {
      await Promise.all(earlier.map((other) => other.ended))
      throwIfAborted(signal)
      await this.#runSet(running, signal)
    } catch (thrown) {
      if (!signal.aborted) throw thrown
      this.#options.logger.debug('a task was stopped', { task: task.id, error: toSkeinError(thrown).message })
    } finally {
      this.#running.delete(name)
      end()
    }
  }

  async #runSet(running: RunningSet, signal: AbortSignal): Promise<void> {
    const set = await this.#startSet(running.task, signal)
    if (set === undefined) return
    const outcome = new SetOutcome()
    running.outcome = outcome
    const checking = { ...this.#options, etags: this.#etags }
    const tally = set.verify === true ? await verifySet(running.task.loadId, set, outcome, checking, signal) : undefined
    if (tally === undefined) await this.#copy(running.task.loadId, set, outcome, signal)
    throwIfAborted(signal)
    await this.#report(running.task, outcome, tally, signal)
  }

  /** Content of the set. Undefined: the job master no longer needs it. */
  async #startSet(task: Task, signal: AbortSignal): Promise<StartSetResponse | undefined> {
    const { jobMaster, jobWorkerId, link, clock, random, logger } = this.#options
    const { loadId, set, attempt } = task
    for (let tries = 1; ; tries += 1) {
      const { session } = link
      try {
        const answer = await jobMaster.startSet({ jobWorkerId, session, loadId, set, attempt }, { signal })
        if (answer.obsolete) return undefined
        const odd = answer.pieces.find((piece) => pieceProblem(piece) !== undefined)
        if (odd === undefined) return answer
        logger.warn('the job master sent an invalid set: it is skipped', {
          load: loadId,
          set,
          problem: pieceProblem(odd),
        })
        return undefined
      } catch (thrown) {
        throwIfAborted(signal)
        const error = toSkeinError(thrown)
        const again = error.code === 'failed_precondition' ? await link.replaceIfLost(session, signal) : error.retryable
        if (!again) {
          logger.warn('a task was refused', { task: task.id, error: error.message })
          return undefined
        }
      }
      await clock.sleep(backoffMs(startPolicy, tries, random), signal)
    }
  }

  async #copy(loadId: string, set: StartSetResponse, outcome: SetOutcome, signal: AbortSignal): Promise<void> {
    const { namespaceId, pieces, stagingId, sources } = set
    const copies = new CachedCopies({ ...this.#options, sources })
    const lease = await this.#lease(set, outcome, signal)
    if (lease === undefined) return
    const { resources, tuner, pacer, clock } = this.#options
    const tuned = tuner?.open(namespaceId, lease)
    const pace = pacer.open(loadId, namespaceId, set.bytesPerSecond)
    try {
      const hints = { loadId, evict: set.evict === true }
      const targets = set.targets.map(
        (worker) => new SetTarget(this.#options.targets.targetFor(worker), outcome, hints),
      )
      const refresh = new FileRefresh(
        { ...this.#options, policy: masterPolicy },
        namespaceId,
        outcome.replacements,
        stagingId,
      )
      await new SetCopy({
        namespaceId,
        pieces,
        targets,
        copies,
        lease,
        refresh,
        outcome,
        resources:
          tuned === undefined ? resources : { ...resources, slots: tuned.slots, smallSlots: tuned.smallSlots, tuned },
        pace,
        clock,
        signal,
      }).run()
    } finally {
      pace.close()
      tuned?.close()
      await lease.release()
    }
  }

  /**
   * Opens the store of the namespace. If that fails, reports every block as failed and returns
   * undefined.
   */
  async #lease(set: StartSetResponse, outcome: SetOutcome, signal: AbortSignal): Promise<StoreLease | undefined> {
    const { stores, clock, random } = this.#options
    try {
      return await retry(() => stores.lease(set.namespaceId), { policy: masterPolicy, clock, random, signal })
    } catch (thrown) {
      throwIfAborted(signal)
      const error = toSkeinError(thrown)
      for (const piece of set.pieces) {
        for (let index = piece.firstBlock; index < piece.firstBlock + piece.blockCount; index += 1)
          outcome.readFailed(piece, index, error)
      }
      return undefined
    }
  }

  async #report(task: Task, outcome: SetOutcome, tally: VerifyTally | undefined, signal: AbortSignal): Promise<void> {
    const { jobWorkerId, metrics } = this.#options
    const { loadId, set, attempt } = task
    const { failures, replacements, originBytes, metadata } = outcome
    metrics.add('skein_job_worker_replicas_total', outcome.replicasWritten, { outcome: 'ok' })
    metrics.add('skein_job_worker_replicas_total', failures.length, { outcome: 'error' })
    const checked = tally === undefined ? {} : { filesVerified: tally.verified, filesUnverifiable: tally.unverifiable }
    await completeSet(
      {
        ...{ jobWorkerId, loadId, set, attempt, failures, replacements, originBytes, ...checked },
        ...(metadata !== undefined && { metadata }),
      },
      this.#options,
      signal,
    )
  }
}

/** Why these are not valid blocks of a file. Undefined: they are valid. */
function pieceProblem({
  key,
  length,
  blockSizeBytes,
  firstBlock,
  blockCount: blocks,
}: StartSetResponse['pieces'][number]): string | undefined {
  const problem = sizeProblem(length, blockSizeBytes)
  if (problem !== undefined) return `${key}: ${problem}`
  return firstBlock + blocks <= blockCount(length, blockSizeBytes)
    ? undefined
    : `${key}: the file has fewer than ${firstBlock + blocks} blocks`
}
