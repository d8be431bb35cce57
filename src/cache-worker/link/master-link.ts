// Why: the master knows where blocks are only from what workers tell it. How: a loop that never
// gives up:
//
//   register -> full report in parts -> heartbeats and changes, side by side
//     -> (session refused) -> register ...
//
// Reports are idempotent and sent one at a time; changes that arrive meanwhile form the next batch.
// If the master does not answer, the worker retries with a growing delay. Changes that were not
// acknowledged are kept. failed_precondition means that the master does not know the session (it
// restarted, or considered this worker lost): the worker registers again. block-orders.ts carries
// out the orders in the answers.
import { abortReason, type Clock, type Random } from '../../base/clock.ts'
import { isSkeinError, type SkeinError, toSkeinError } from '../../base/errors.ts'
import { backoffMs, type RetryPolicy } from '../../base/flow/retry.ts'
import type { BlockStore, DirectoryUsage } from '../../block/block-store.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type {
  DirectoryUsage as ReportedUsage,
  MasterServiceDefinition,
  ReportBlocksResponse,
} from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { BlockChanges } from '../blocks/block-changes.ts'
import type { BlockOrders } from '../blocks/block-orders.ts'
import type { ClusterMembership } from './cluster-membership.ts'
import type { KeptBlocks } from '../blocks/kept-blocks.ts'

export interface MasterLinkOptions {
  readonly heartbeatMs: number
  /** Block ids in one report. */
  readonly reportIdsMax: number
  /**
   * How long changes are collected before a report. Avoids one call per block when the master
   * answers fast.
   */
  readonly gatherMs: number
  readonly callDeadlineMs: number
  /** Delays between attempts while the master does not answer; attemptsMax is not used. */
  readonly retry: RetryPolicy
}
export const defaultMasterLinkOptions: MasterLinkOptions = {
  heartbeatMs: 1000,
  reportIdsMax: 10_000,
  gatherMs: 2,
  callDeadlineMs: 10_000,
  retry: { attemptsMax: Number.MAX_SAFE_INTEGER, initialMs: 100, maxMs: 3000 },
}

/**
 * Name of a counter in heartbeats -> its value. cache-master/cluster/cluster-metrics.ts sums them.
 */
const reportedCounters: Readonly<Record<string, (metrics: MetricRegistry) => number>> = {
  'worker.bytes.read.local': (metrics) => metrics.get('skein_worker_read_bytes_total', { source: 'local' }),
  'worker.bytes.read.remote': (metrics) => metrics.get('skein_worker_read_bytes_total', { source: 'remote' }),
  'worker.bytes.read.ufs': (metrics) => metrics.get('skein_worker_read_bytes_total', { source: 'ufs' }),
  'worker.bytes.written': (metrics) => metrics.get('skein_worker_written_bytes_total'),
  'worker.blocks.corrupt': (metrics) => metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' }),
  'worker.blocks.evicted': (metrics) => metrics.get('skein_worker_blocks_removed_total', { reason: 'evicted' }),
  'worker.blocks.promoted': (metrics) => metrics.get('skein_worker_blocks_promoted_total'),
}

export interface WorkerAddresses {
  /** host:port, or empty if there is none. */
  readonly rpcAddress: string
  readonly dataAddress: string
  readonly webAddress: string
}

export interface MasterLinkDependencies {
  readonly workerId: string
  readonly hostname: string
  readonly addresses: WorkerAddresses
  readonly store: BlockStore
  readonly changes: BlockChanges
  /** The cluster that the blocks belong to. Default: not checked. */
  readonly membership?:
    | Pick<ClusterMembership, 'said' | 'join' | 'keep' | 'beginFullReport' | 'endFullReport'>
    | undefined
  /** Kept blocks, counted in heartbeats. */
  readonly kept?: Pick<KeptBlocks, 'count'> | undefined
  readonly orders: BlockOrders
  readonly master: Pick<Service<MasterServiceDefinition>, 'registerWorker' | 'reportBlocks' | 'workerHeartbeat'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options?: Partial<MasterLinkOptions>
}

export class MasterLink {
  readonly #deps: MasterLinkDependencies
  readonly #options: MasterLinkOptions
  readonly #registered = Promise.withResolvers<void>()
  readonly #refused = Promise.withResolvers<void>()
  #reachable = true

  constructor(deps: MasterLinkDependencies) {
    this.#deps = deps
    this.#options = { ...defaultMasterLinkOptions, ...deps.options }
  }

  /** Resolves when the master has the first full report. */
  get registered(): Promise<void> {
    return this.#registered.promise
  }

  /**
   * Resolves when the master refuses this worker because its blocks belong to another cluster. An
   * operator must adopt the worker.
   */
  get refused(): Promise<void> {
    return this.#refused.promise
  }

  /** Keeps the master informed until the signal is aborted. Does not throw. */
  async run(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        const session = await this.#register(signal)
        attempt = 0
        await this.#serve(session, signal)
      } catch (thrown) {
        if (signal.aborted) break
        const error = toSkeinError(thrown)
        if (error.reason === 'other_cluster') this.#refused.resolve()
        if (attempt === 0 && isSkeinError(error, 'failed_precondition')) {
          this.#deps.logger.info('the master asks this worker to register again', { reason: error.message })
        } else this.#warnOnce(error)
        await this.#pause(Math.max(1, attempt), signal)
      } finally {
        this.#deps.changes.stop()
      }
    }
    await this.#deps.orders.idle()
  }

  /** Registers and sends the full report. @returns the session */
  async #register(signal: AbortSignal): Promise<string> {
    const { workerId, hostname, addresses, store, changes, master, membership } = this.#deps
    const registered = await master.registerWorker(
      { workerId, hostname, ...addresses, directories: directoriesOf(store), ...membership?.said },
      this.#call(signal),
    )
    await membership?.join(registered)
    const { session } = registered
    // Must run in one turn of the event loop: later changes follow the report, earlier ones are in
    // it.
    changes.restart()
    const durableIds = new Set<number>()
    const ids = Array.from(store.list(), ({ blockId, durable }) => {
      if (durable === true) durableIds.add(blockId)
      return blockId
    })
    this.#deps.orders.beginFullReport()
    membership?.beginFullReport()
    const { reportIdsMax } = this.#options
    for (let at = 0; at === 0 || at < ids.length; at += reportIdsMax) {
      const added = ids.slice(at, at + reportIdsMax)
      const end = at + reportIdsMax >= ids.length
      const durable = { ids: added.filter((blockId) => durableIds.has(blockId)) }
      const answer = await this.#untilAnswered(
        () =>
          master.reportBlocks(
            {
              workerId,
              session,
              added,
              removed: [],
              durable,
              ...inMemoryOf(store, added),
              fullReportEnd: end,
              directories: [],
            },
            this.#call(signal),
          ),
        signal,
      )
      await this.#afterReport(answer, [], durable.ids)
    }
    this.#deps.orders.endFullReport()
    await membership?.endFullReport()
    this.#answered()
    this.#deps.logger.info('registered with the master', { blocks: ids.length })
    this.#registered.resolve()
    return session
  }

  /**
   * Sends heartbeats and changes until one of them is refused.
   * @throws the reason, after both loops have stopped
   */
  async #serve(session: string, signal: AbortSignal): Promise<void> {
    const stop = new AbortController()
    const both = AbortSignal.any([signal, stop.signal])
    const ending = (thrown: unknown): never => {
      stop.abort()
      throw thrown
    }
    const results = await Promise.allSettled([
      this.#sendHeartbeats(session, both).catch(ending),
      this.#sendChanges(session, both).catch(ending),
    ])
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [toSkeinError(result.reason)] : []))
    const first = failures.find((failure) => failure.code !== 'cancelled') ?? failures[0]
    if (first !== undefined) throw first
  }

  async #sendHeartbeats(session: string, signal: AbortSignal): Promise<void> {
    const { workerId, store, master, clock, metrics, kept } = this.#deps
    for (;;) {
      let known = 0
      const answer = await this.#untilAnswered(() => {
        known = this.#deps.orders.heartbeatBegins()
        return master.workerHeartbeat(
          {
            workerId,
            session,
            directories: directoriesOf(store),
            counters: {
              ...Object.fromEntries(Object.entries(reportedCounters).map(([name, read]) => [name, read(metrics)])),
              'worker.blocks.cached': store.blockCount,
              ...(kept === undefined ? {} : { 'worker.blocks.kept': kept.count }),
            },
          },
          this.#call(signal),
        )
      }, signal)
      this.#deps.orders.afterHeartbeat(answer, known)
      await clock.sleep(this.#options.heartbeatMs, signal)
    }
  }

  async #sendChanges(session: string, signal: AbortSignal): Promise<void> {
    const { workerId, changes, master, clock, store } = this.#deps
    for (;;) {
      await changes.untilAny(signal)
      if (changes.waiting < this.#options.reportIdsMax) await clock.sleep(this.#options.gatherMs, signal)
      await this.#untilAnswered(async () => {
        const batch = changes.take(this.#options.reportIdsMax)
        const { added, removed, durable } = batch
        try {
          const answer = await master.reportBlocks(
            {
              ...{
                workerId,
                session,
                added,
                removed,
                durable: { ids: durable },
                fullReportEnd: false,
                report: batch.number,
              },
              ...inMemoryOf(store, added),
              directories: directoriesOf(store),
            },
            this.#call(signal),
          )
          changes.acknowledged(batch)
          await this.#afterReport(answer, removed, durable)
        } catch (thrown) {
          changes.giveBack(batch)
          throw thrown
        }
      }, signal)
    }
  }

  /**
   * Durable blocks that the master does not know are kept, never deleted. Masters of the previous
   * version list them among the other unknown blocks.
   */
  async #afterReport(
    answer: ReportBlocksResponse,
    removed: readonly number[],
    durable: readonly number[],
  ): Promise<void> {
    const isDurable = new Set(answer.kept === undefined ? durable : [])
    this.#deps.orders.afterReport(
      { ...answer, unknown: answer.unknown.filter((blockId) => !isDurable.has(blockId)) },
      removed,
    )
    const kept = answer.kept?.ids ?? answer.unknown.filter((blockId) => isDurable.has(blockId))
    if (kept.length > 0) await this.#deps.membership?.keep(kept)
  }

  /**
   * Repeats a call while its error is retryable.
   * @throws an error that is not retryable, or the signal's reason
   */
  async #untilAnswered<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const answer = await call()
        this.#answered()
        return answer
      } catch (thrown) {
        if (signal.aborted) throw abortReason(signal)
        const error = toSkeinError(thrown)
        if (!error.retryable) throw error
        this.#warnOnce(error)
        await this.#deps.clock.sleep(backoffMs(this.#options.retry, attempt, this.#deps.random), signal)
      }
    }
  }

  async #pause(attempt: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(backoffMs(this.#options.retry, attempt, this.#deps.random), signal)
    } catch {
      // Aborted: the loop ends.
    }
  }

  #answered(): void {
    if (this.#reachable) return
    this.#reachable = true
    this.#deps.logger.info('the master answers again')
  }

  #warnOnce(error: SkeinError): void {
    if (!this.#reachable) return
    this.#reachable = false
    this.#deps.logger.warn('cannot register with or report to the master; retrying', {
      code: error.code,
      error: error.message,
    })
  }

  #call(signal: AbortSignal): { signal: AbortSignal; deadlineMs: number } {
    return { signal, deadlineMs: this.#options.callDeadlineMs }
  }
}

/** The given blocks that are in memory. Empty if the store cannot tell. */
function inMemoryOf(store: BlockStore, blockIds: readonly number[]): { readonly inMemory?: { ids: number[] } } {
  return store.isInMemory === undefined
    ? {}
    : { inMemory: { ids: blockIds.filter((blockId) => store.isInMemory?.(blockId) === true) } }
}

const stateNames: Readonly<Record<DirectoryUsage['state'], string>> = {
  normal: 'NORMAL',
  unstable: 'UNSTABLE',
  down: 'DOWN',
}

function directoriesOf(store: BlockStore): ReportedUsage[] {
  return store.usage().map((usage) => ({ ...usage, state: stateNames[usage.state] }))
}
