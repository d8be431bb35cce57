// Why: the end of a set is recorded once, whoever reports it and how often. How: one result of a
// set is handled at a time. Changes in the store are looked up first. Then one command removes the
// set from the open ones, with its retries, failed files and replacements. Results are accepted
// from any attempt and any session, because committed blocks are facts.
import { SingleFlight } from '../../base/flow/single-flight.ts'
import type { LoadRecord, SetRecord } from '../../load/load.ts'
import { setBytes, wishOf } from '../../load/load.ts'
import { completionOf } from '../../load/plan/completion-check.ts'
import { releasePlan } from '../../load/plan/planner.ts'
import { planRetries, type RetryContext } from '../../load/plan/retry-policy.ts'
import type { Replacement, SetCompleted } from '../../load/state/load-commands.ts'
import type { CompleteSetRequest, FileReplacement } from '../../wire/generated/job.ts'
import type { CompletedSet } from '../view/load-progress.ts'
import type { JobMasterContext } from '../job-master-context.ts'
import { heldVersions } from './held-versions.ts'
import { MetadataReports } from './metadata-reports.ts'
import { planReplacement } from './replacement-plan.ts'

export interface SetCompletionContext extends Omit<JobMasterContext, 'queue' | 'jobWorkers' | 'holdBlocks'> {
  /** Called when a set of this load ended, or when it is time to check. */
  readonly onProgress: (loadId: number, madeProgress: boolean, readError?: string) => void
  /** Called when the result of a set was recorded. */
  readonly onCompleted: (set: CompletedSet) => void
}

export class SetCompletion {
  readonly #context: SetCompletionContext
  readonly #metadata: MetadataReports
  readonly #completing = new SingleFlight<string, void>()

  constructor(context: SetCompletionContext) {
    this.#context = context
    this.#metadata = new MetadataReports(context)
  }

  /** Idempotent. Resolves when the result is durable. */
  async take(load: LoadRecord, request: CompleteSetRequest, signal: AbortSignal): Promise<void> {
    const { loadId } = load
    await this.#completing.run(`${loadId}/${request.set}`, async () => {
      const record = this.#context.tables.sets.get([loadId, request.set])
      const known = record === undefined ? undefined : completionOf(record, request)
      // Look this up first: the record of the set may change meanwhile.
      const [replacements] = await Promise.all([
        heldVersions(this.#context.master, load, known?.replacements ?? [], signal),
        this.#metadata.report(known?.metadata?.files ?? []),
      ])
      await this.#complete(loadId, { ...request, replacements })
    })
  }

  async #complete(loadId: number, given: CompleteSetRequest): Promise<void> {
    const { tables, outstanding, dispatcher, metrics, cluster } = this.#context
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
    // A newer attempt is in flight. The failures of this attempt do not apply to it.
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
      this.#context.pacing.progress(out, request.originBytes)
    }
    try {
      const command = this.#completion(load, record, request)
      const effect = await this.#context.submit(command)
      const unused = effect.type === 'applied' ? effect.unused : command.replaced
      for (const replacement of unused) releasePlan(replacement, placement)
      if (effect.type !== 'applied') return
      this.#context.shared.completed(loadId, record, request.failures)
      outstanding.forget(loadId, request.set)
      if (out === undefined) dispatcher.withdraw(loadId, request.set)
      metrics.add('skein_job_tasks_completed_total', 1)
      const outMs = out === undefined ? undefined : this.#context.clock.monotonicMs() - out.addedMs
      this.#context.onCompleted({ loadId, record, failures: request.failures, outMs })
      const unread = request.failures.find((failure) => failure.workerId === '' && failure.retryable)
      const madeProgress = request.failures.length < record.pieces.length
      this.#context.onProgress(loadId, madeProgress, madeProgress ? '' : unread?.message)
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
    const placement = this.#context.cluster.placementOf(load.loadId)
    // Nothing was reserved for blocks that existed. Blocks that must be loaded again are reserved
    // from now on.
    if (isCheck) placement.reserve(record.targets, setBytes(record))
    placement.release(record.targets, setBytes(record) - setBytes(left))
    const { retries, failed } = planRetries(left, request.failures, this.#retryContext(load, request.jobWorkerId))
    if (isCheck) {
      const again = retries.reduce((sum, retry) => sum + setBytes(retry), 0)
      placement.unplan(record.targets, setBytes(record) - again)
    }
    return {
      type: 'SetCompleted',
      nowMs: this.#context.clock.nowMs(),
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
    return planReplacement(this.#context, {
      load,
      set,
      old: { fileId: oldFileId, key: old?.key ?? key, length: old?.length ?? length, replication: old?.replication },
      file: fileId === 0 ? undefined : file,
      attempt: record.attempt,
    })
  }

  #retryContext(load: LoadRecord, jobWorkerId: string): RetryContext {
    const { options, cluster, random, clock } = this.#context
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
}
