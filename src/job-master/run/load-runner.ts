// Why: runs one load from its submission to its end, as a readable sequence: start, plan while
// tasks run, wait until no set is open, audit, and either repair or end. How: every step reads the
// record of the load and sends commands. After a restart the same sequence starts again and skips
// what is done.
import { abortReason } from '../../base/clock.ts'
import { formatBytes } from '../../base/bytes.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { LoadCommand, LoadEffect } from '../../load/state/load-commands.ts'
import { formatLoadId, hasEnded, type LoadMode, type LoadRecord } from '../../load/load.ts'
import { giveUp } from '../../load/plan/retry-policy.ts'
import { commitAtomicLoad, whileKeptAside } from './atomic-load.ts'
import { FailureWatch } from './failure-watch.ts'
import { auditLoad } from './load-audit.ts'
import { noteLoadEnded } from '../view/load-progress.ts'
import { planLoad } from '../plan/page-planning.ts'
import { retargetHeldSets } from '../plan/retarget.ts'
import type { JobMasterContext } from '../job-master-context.ts'
import type { RunningLoad } from '../running-load.ts'
import { Wakeup } from '../dispatch/wakeup.ts'

const lookMs = 500

export class LoadRunner implements RunningLoad {
  readonly loadId: number
  readonly context: JobMasterContext
  readonly #cancel = new AbortController()
  readonly #failures: FailureWatch
  readonly #changed: Wakeup
  readonly #freed = new Set<number>()
  #replicationChanged = 0
  #waitingFor = ''
  #readError = ''
  #progressMs: number
  /** Aborted when the job master shuts down. */
  #stop: AbortSignal = new AbortController().signal

  constructor(loadId: number, context: JobMasterContext) {
    this.loadId = loadId
    this.context = context
    this.#changed = new Wakeup(context.clock)
    this.#failures = new FailureWatch(context.tables, loadId)
    this.#progressMs = context.clock.monotonicMs()
  }

  load(): LoadRecord {
    const load = this.context.tables.loads.get([this.loadId])
    if (load === undefined || hasEnded(load.mode)) throw new SkeinError('cancelled', `load L${this.loadId} has ended`)
    return load
  }

  notify(madeProgress: boolean, readError = ''): void {
    if (madeProgress) this.#progressMs = this.context.clock.monotonicMs()
    if (madeProgress || readError !== '') this.#readError = readError
    this.#failures.look()
    this.#changed.notify()
  }

  /** Ends the load as CANCELLED, soon. */
  cancel(): void {
    this.#cancel.abort(new SkeinError('cancelled', `load L${this.loadId} is being cancelled`))
    this.#changed.notify()
  }

  noteFreed(fileId: number): void {
    this.#freed.add(fileId)
  }

  noteReplicationChanged(files: number): void {
    this.#replicationChanged += files
  }

  waitFor(reason: string): void {
    this.#waitingFor = reason
  }

  /** What the load waits for, in one line. Empty: the load runs. */
  reason(): string {
    if (this.#waitingFor !== '') return this.#waitingFor
    const { dispatcher, jobWorkers, outstanding, tables, cluster } = this.context
    const load = tables.loads.get([this.loadId])
    if (load === undefined || load.openSets === 0) return ''
    if (dispatcher.queueError !== undefined) return `the queue is down: ${dispatcher.queueError.message}`
    if (jobWorkers.live().length === 0) return 'waiting for a job worker'
    if (this.#readError !== '') return `the store cannot be read: ${this.#readError}`
    const out = outstanding.ofLoad(this.loadId)
    if (out.some(({ set }) => set.targets.every((target) => cluster.lastErrorOf(target) === undefined))) return ''
    if (cluster.masterError !== undefined) return `the master does not respond: ${cluster.masterError.message}`
    // Sets in flight may be probes of workers that could not be reached.
    const held = out[0]?.set ?? dispatcher.heldSets(this.loadId)[0]
    if (held === undefined) return this.#whyShared()
    const live = cluster.liveCount()
    const needed = load.options.replication
    if (live < needed) return `waiting for workers: ${live} live, ${needed} needed`
    const target =
      held.targets.find((one) => cluster.lastErrorOf(one) !== undefined || !cluster.isUsable(one, 1)) ??
      held.targets.join(', ')
    const lastError = cluster.lastErrorOf(target)
    return `waiting for worker ${target}${lastError === undefined ? '' : `: ${lastError}`}`
  }

  #whyShared(): string {
    const others = this.context.shared.awaited(this.loadId).map(formatLoadId)
    return others.length === 0 ? '' : `waiting for blocks that ${others.join(', ')} is loading`
  }

  /**
   * Runs until the load ends, or until `stop` is aborted because the job master shuts down; the
   * load then continues at the next start.
   */
  async run(stop: AbortSignal): Promise<void> {
    this.#stop = stop
    const signal = AbortSignal.any([stop, this.#cancel.signal, this.#failures.signal])
    this.context.shared.loadBegins(this.load())
    try {
      await this.#runUntil(stop, signal)
    } finally {
      this.context.shared.loadEnds(this.loadId)
    }
  }

  async #runUntil(stop: AbortSignal, signal: AbortSignal): Promise<void> {
    try {
      const { cancelling, swapping } = this.load()
      if (swapping === true) await this.#swap()
      else if (cancelling) this.cancel()
      else await whileKeptAside(this, (expired) => this.#runSteps(AbortSignal.any([signal, expired])))
    } catch (thrown) {
      if (stop.aborted || (this.#cancel.signal.aborted && !this.#isSwapping())) return await this.#ended(stop)
      if (this.#failures.signal.aborted) return await this.#endEarly(abortReason(this.#failures.signal))
      const error = toSkeinError(thrown)
      if (error.reason === 'staging_expired') return await this.#endEarly(error)
      this.context.logger.error('a load failed', { loadId: this.loadId, error })
      await this.#fail(error)
      return
    }
    await this.#ended(stop)
  }

  async #ended(stop: AbortSignal): Promise<void> {
    const load = this.context.tables.loads.get([this.loadId])
    if (this.#cancel.signal.aborted && !stop.aborted && load !== undefined && !hasEnded(load.mode))
      await this.#endCancelled(stop)
  }

  #isSwapping(): boolean {
    return this.context.tables.loads.get([this.loadId])?.swapping === true
  }

  async #runSteps(signal: AbortSignal): Promise<void> {
    await Promise.all([this.context.cluster.refresh(signal), this.context.pacing.refresh(signal)])
    if (this.load().mode === 'SUBMITTED')
      await this.submit({ type: 'StartLoad', nowMs: this.context.clock.nowMs(), loadId: this.loadId })
    const refused = await planLoad(this, signal)
    if (refused !== undefined) return await this.end('FAILED', refused.error, refused.missingBytes)
    this.context.dispatcher.openLoad(this.loadId, this.load().options.activeJobs)
    for (let round = 0; ; round += 1) {
      await this.drained(signal)
      await this.submit(this.#stateChanged('AUDITING', '', '', this.load().missingCapacityBytes))
      if (!(await auditLoad(this, round, signal))) break
    }
    await this.#finish()
  }

  /** Waits until no set is open. Gives up sets whose workers do not return. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.load().openSets > 0) {
      await this.pause(lookMs, signal)
      await retargetHeldSets(this.context, this.loadId)
      await this.giveUpStalled()
    }
  }

  async pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#changed.wait(ms, signal)
    if (signal.aborted) throw abortReason(signal)
  }

  outOfPatience(): boolean {
    return this.context.clock.monotonicMs() - this.#progressMs >= this.context.options.patienceMs
  }

  async giveUpStalled(): Promise<void> {
    const { dispatcher, jobWorkers, outstanding, cluster, tables, clock } = this.context
    // Waits for job workers, the queue or the master have no limit, because nothing of the load is
    // lost meanwhile. The patience starts afterwards.
    if (jobWorkers.live().length === 0 || dispatcher.queueError !== undefined || cluster.masterError !== undefined) {
      this.#progressMs = clock.monotonicMs()
      return
    }
    if (!this.outOfPatience()) return
    if (outstanding.ofLoad(this.loadId).some((out) => out.session !== undefined)) return
    const held = dispatcher.heldSets(this.loadId)
    for (const { set, targets, bytes } of held) {
      const record = tables.sets.get([this.loadId, set])
      if (record === undefined) continue
      const failed = giveUp(record, 'unavailable', this.#whyHeld(targets))
      const effect = await this.submit({
        type: 'SetCompleted',
        nowMs: clock.nowMs(),
        loadId: this.loadId,
        set,
        originBytes: 0,
        retries: [],
        failed,
        replaced: [],
      })
      if (effect.type === 'applied') cluster.placementOf(this.loadId).release(targets, bytes)
      dispatcher.withdraw(this.loadId, set)
    }
  }

  #whyHeld(targets: readonly string[]): string {
    const { cluster } = this.context
    const held = targets.filter((target) => !cluster.isUsable(target, 0))
    const [first = targets[0] ?? ''] = held
    const lastError = cluster.lastErrorOf(first)
    if (lastError !== undefined) return `the cache worker ${first} could not be reached: ${lastError}`
    return `the cache worker ${held.length > 0 ? held.join(', ') : first} did not come back`
  }

  async submit(command: LoadCommand): Promise<LoadEffect> {
    const effect = await this.context.submit(command)
    this.#failures.look()
    return effect
  }

  /**
   * Ends the load because too many files failed: waiting sets are dropped, running tasks are
   * stopped by the next heartbeats, and loaded files stay cached.
   */
  async #endEarly(error: SkeinError): Promise<void> {
    const { counts, options } = this.load()
    this.context.dispatcher.closeLoad(this.loadId)
    await this.context.dispatcher.removeWaiting(this.loadId)
    const some = counts.filesLoaded + counts.filesCached > 0 && options.atomic !== true
    await this.end(some ? 'PARTIAL' : 'FAILED', error)
  }

  async #finish(): Promise<void> {
    const load = this.load()
    const { filesFailed, filesLoaded, filesCached, files } = load.counts
    if (filesFailed === 0 && load.errorCode === '') {
      if (load.options.atomic !== true) return await this.end('COMPLETED', undefined)
      const effect = await this.submit({ type: 'SwapBegun', nowMs: this.context.clock.nowMs(), loadId: this.loadId })
      if (effect.type === 'applied') return await this.#swap()
      this.cancel()
      throw abortReason(this.#cancel.signal)
    }
    const mode = filesLoaded + filesCached === 0 || load.options.atomic === true ? 'FAILED' : 'PARTIAL'
    const first = this.context.tables.failures.scan([load.loadId], Number.MIN_SAFE_INTEGER, 1)[0]?.value
    const code = load.errorCode !== '' ? load.errorCode : (first?.code ?? 'internal')
    const missing = load.missingCapacityBytes
    const failures = `${filesFailed} of ${files} files failed, such as ${first?.key ?? ''}: ${first?.reason ?? ''}`
    const reason =
      load.reason !== ''
        ? load.reason
        : missing > 0
          ? `the cache ran out of room: ${missing} bytes (${formatBytes(missing)}) are missing`
          : failures
    const whole = load.options.atomic === true ? `nothing was swapped in: ${reason}` : reason
    await this.end(mode, new SkeinError(code as SkeinError['code'], whole))
  }

  /**
   * From here on the load cannot be cancelled, not even after a restart: the swap is final, and the
   * load must report it.
   */
  async #swap(): Promise<void> {
    await commitAtomicLoad(this, this.#stop)
    await this.end('COMPLETED', undefined)
  }

  async end(
    mode: LoadMode,
    error: SkeinError | undefined,
    missingCapacityBytes = this.load().missingCapacityBytes,
  ): Promise<void> {
    const { tables, cluster, dispatcher, outstanding, metrics, logger } = this.context
    dispatcher.closeLoad(this.loadId)
    cluster.placementOf(this.loadId).loadEnded()
    const note = mode === 'COMPLETED' ? this.#note() : ''
    await this.submit(this.#stateChanged(mode, error?.message ?? note, error?.code ?? '', missingCapacityBytes))
    outstanding.forgetLoad(this.loadId)
    const load = tables.loads.get([this.loadId])
    if (load !== undefined) noteLoadEnded(metrics, load)
    logger.info('a load ended', { loadId: this.loadId, mode, reason: error?.message, counts: load?.counts })
  }

  #note(): string {
    if (this.load().cancelling) return 'the cancellation came too late: the new version was already being swapped in'
    const { size } = this.#freed
    return size === 0
      ? ''
      : `${size} of the files ${size === 1 ? 'was' : 'were'} freed by others during the load and not loaded again`
  }

  async #fail(error: SkeinError): Promise<void> {
    try {
      const { mode, options, counts } = this.load()
      const isPartial = mode === 'AUDITING' && counts.filesLoaded + counts.filesCached > 0 && options.atomic !== true
      await this.end(isPartial ? 'PARTIAL' : 'FAILED', error)
    } catch (thrown) {
      this.context.logger.error('cannot end a load', { loadId: this.loadId, error: thrown })
    }
  }

  async #endCancelled(stop: AbortSignal): Promise<void> {
    const { clock, options, dispatcher, outstanding } = this.context
    dispatcher.closeLoad(this.loadId)
    await dispatcher.removeWaiting(this.loadId)
    const until = clock.monotonicMs() + options.cancelGraceMs
    while (outstanding.countOf(this.loadId) > 0 && clock.monotonicMs() < until && !stop.aborted)
      await this.#changed.wait(lookMs, stop)
    if (stop.aborted) return
    await this.end('CANCELLED', new SkeinError('cancelled', 'the load was cancelled'))
  }

  #stateChanged(mode: LoadMode, reason: string, errorCode: string, missingCapacityBytes: number): LoadCommand {
    const changed = this.#replicationChanged
    return {
      ...{
        type: 'StateChanged',
        nowMs: this.context.clock.nowMs(),
        loadId: this.loadId,
        mode,
        reason,
        errorCode,
        missingCapacityBytes,
      },
      ...(changed > 0 && { filesReplicationChanged: changed }),
    }
  }
}
