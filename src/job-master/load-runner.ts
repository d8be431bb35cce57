// Why: one running load from its submission to its end, as a readable sequence: start, plan while tasks run, wait until
// no set is open, audit, and either repair or end. How: every step reads the load's record and sends commands; a
// restart begins the same sequence again and finds done what is done.
import { abortReason } from '../base/clock.ts'
import { formatBytes } from '../base/bytes.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { LoadCommand, LoadEffect } from '../load/commands.ts'
import { hasEnded, type LoadMode, type LoadRecord } from '../load/load.ts'
import { giveUp } from '../load/retry-policy.ts'
import { auditLoad } from './load-audit.ts'
import { planLoad } from './load-planning.ts'
import { retargetHeldSets } from './retarget.ts'
import type { RunningLoad, RunningLoadDependencies } from './running-load.ts'
import { Wakeup } from './wakeup.ts'

const lookMs = 500

export class LoadRunner implements RunningLoad {
  readonly loadId: number
  readonly deps: RunningLoadDependencies
  readonly #cancel = new AbortController()
  readonly #changed: Wakeup
  #waitingFor = ''
  #readError = ''
  #progressMs: number

  constructor(loadId: number, deps: RunningLoadDependencies) {
    this.loadId = loadId
    this.deps = deps
    this.#changed = new Wakeup(deps.clock)
    this.#progressMs = deps.clock.monotonicMs()
  }

  load(): LoadRecord {
    const load = this.deps.tables.loads.get([this.loadId])
    if (load === undefined || hasEnded(load.mode)) throw new SkeinError('cancelled', `load L${this.loadId} has ended`)
    return load
  }

  notify(madeProgress: boolean, readError = ''): void {
    if (madeProgress) this.#progressMs = this.deps.clock.monotonicMs()
    if (madeProgress || readError !== '') this.#readError = readError
    this.#changed.notify()
  }

  /** Ends the load as CANCELLED, soon. */
  cancel(): void {
    this.#cancel.abort(new SkeinError('cancelled', `load L${this.loadId} is being cancelled`))
    this.#changed.notify()
  }

  waitFor(reason: string): void {
    this.#waitingFor = reason
  }

  /** What the load waits for, one line; empty when it just runs. */
  reason(): string {
    if (this.#waitingFor !== '') return this.#waitingFor
    const { dispatcher, jobWorkers, outstanding, tables, cluster } = this.deps
    const load = tables.loads.get([this.loadId])
    if (load === undefined || load.openSets === 0) return ''
    if (dispatcher.queueError !== undefined) return `the queue is down: ${dispatcher.queueError.message}`
    if (jobWorkers.live().length === 0) return 'waiting for a job worker'
    if (this.#readError !== '') return `the store cannot be read: ${this.#readError}`
    const out = outstanding.ofLoad(this.loadId)
    if (out.some(({ set }) => set.targets.every((target) => cluster.lastErrorOf(target) === undefined))) return ''
    if (cluster.masterError !== undefined) return `the master does not answer: ${cluster.masterError.message}`
    // Those that are out probe workers that could not be reached.
    const held = out[0]?.set ?? dispatcher.heldSets(this.loadId)[0]
    if (held === undefined) return ''
    const live = cluster.liveCount()
    const needed = load.options.replication
    if (live < needed) return `waiting for workers: ${live} live, ${needed} needed`
    const target =
      held.targets.find((one) => cluster.lastErrorOf(one) !== undefined || !cluster.isUsable(one, 1)) ?? held.targets.join(', ')
    const lastError = cluster.lastErrorOf(target)
    return `waiting for worker ${target}${lastError === undefined ? '' : `: ${lastError}`}`
  }

  /** Runs to the end of the load, or until `stop` aborts (the job master shuts down; the load goes on at the next start). */
  async run(stop: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([stop, this.#cancel.signal])
    try {
      if (this.load().cancelling) this.cancel()
      else await this.#runSteps(signal)
    } catch (thrown) {
      if (stop.aborted || this.#cancel.signal.aborted) return await this.#ended(stop)
      const error = toSkeinError(thrown)
      this.deps.logger.error('a load failed', { loadId: this.loadId, error })
      await this.#fail(error)
      return
    }
    await this.#ended(stop)
  }

  async #ended(stop: AbortSignal): Promise<void> {
    const load = this.deps.tables.loads.get([this.loadId])
    if (this.#cancel.signal.aborted && !stop.aborted && load !== undefined && !hasEnded(load.mode)) await this.#endCancelled(stop)
  }

  async #runSteps(signal: AbortSignal): Promise<void> {
    await this.deps.cluster.refresh(signal)
    if (this.load().mode === 'SUBMITTED') await this.submit({ type: 'StartLoad', nowMs: this.deps.clock.nowMs(), loadId: this.loadId })
    const refused = await planLoad(this, signal)
    if (refused !== undefined) return await this.end('FAILED', refused.error, refused.missingBytes)
    this.deps.dispatcher.openLoad(this.loadId, this.load().options.activeJobs)
    for (let round = 0; ; round += 1) {
      await this.drained(signal)
      await this.submit(this.#stateChanged('AUDITING', '', '', this.load().missingCapacityBytes))
      if (!(await auditLoad(this, round, signal))) break
    }
    await this.#finish()
  }

  /** Waits until no set is open. Gives up sets whose workers do not come back. */
  async drained(signal: AbortSignal): Promise<void> {
    while (this.load().openSets > 0) {
      await this.pause(lookMs, signal)
      await retargetHeldSets(this.deps, this.loadId)
      await this.giveUpStalled()
    }
  }

  async pause(ms: number, signal: AbortSignal): Promise<void> {
    await this.#changed.wait(ms, signal)
    if (signal.aborted) throw abortReason(signal)
  }

  outOfPatience(): boolean {
    return this.deps.clock.monotonicMs() - this.#progressMs >= this.deps.options.patienceMs
  }

  async giveUpStalled(): Promise<void> {
    const { dispatcher, jobWorkers, outstanding, cluster, tables, clock } = this.deps
    // Waiting for job workers, the queue or the master has no end: nothing of the load is lost by it. Patience begins after it.
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
      if (effect.type === 'applied') cluster.placement.release(targets, bytes)
      dispatcher.withdraw(this.loadId, set)
    }
  }

  #whyHeld(targets: readonly string[]): string {
    const { cluster } = this.deps
    const held = targets.filter((target) => !cluster.isUsable(target, 0))
    const [first = targets[0] ?? ''] = held
    const lastError = cluster.lastErrorOf(first)
    if (lastError !== undefined) return `the cache worker ${first} could not be reached: ${lastError}`
    return `the cache worker ${held.length > 0 ? held.join(', ') : first} did not come back`
  }

  submit(command: LoadCommand): Promise<LoadEffect> {
    return this.deps.submit(command)
  }

  async #finish(): Promise<void> {
    const load = this.load()
    const { filesFailed, filesLoaded, filesCached, files } = load.counts
    if (filesFailed === 0 && load.errorCode === '') return await this.end('COMPLETED', undefined)
    const mode = filesLoaded + filesCached === 0 ? 'FAILED' : 'PARTIAL'
    const first = this.deps.tables.failures.scan([load.loadId], Number.MIN_SAFE_INTEGER, 1)[0]?.value
    const code = load.errorCode !== '' ? load.errorCode : (first?.code ?? 'internal')
    const missing = load.missingCapacityBytes
    const failures = `${filesFailed} of ${files} files failed, such as ${first?.key ?? ''}: ${first?.reason ?? ''}`
    const reason =
      load.reason !== ''
        ? load.reason
        : missing > 0
          ? `the cache ran out of room: ${missing} bytes (${formatBytes(missing)}) are missing`
          : failures
    await this.end(mode, new SkeinError(code as SkeinError['code'], reason))
  }

  async end(mode: LoadMode, error: SkeinError | undefined, missingCapacityBytes = this.load().missingCapacityBytes): Promise<void> {
    const { tables, cluster, dispatcher, outstanding, metrics, logger } = this.deps
    dispatcher.closeLoad(this.loadId)
    for (const { value } of tables.open.scan([this.loadId], 0, Number.MAX_SAFE_INTEGER))
      cluster.placement.release(value.targets, value.bytes)
    await this.submit(this.#stateChanged(mode, error?.message ?? '', error?.code ?? '', missingCapacityBytes))
    outstanding.forgetLoad(this.loadId)
    const load = tables.loads.get([this.loadId])
    metrics.add('job.files.loaded', load?.counts.filesLoaded ?? 0)
    metrics.add('job.files.failed', load?.counts.filesFailed ?? 0)
    logger.info('a load ended', { loadId: this.loadId, mode, reason: error?.message, counts: load?.counts })
  }

  async #fail(error: SkeinError): Promise<void> {
    try {
      const { filesLoaded, filesCached } = this.load().counts
      await this.end(this.load().mode === 'AUDITING' && filesLoaded + filesCached > 0 ? 'PARTIAL' : 'FAILED', error)
    } catch (thrown) {
      this.deps.logger.error('a load could not be ended', { loadId: this.loadId, error: thrown })
    }
  }

  async #endCancelled(stop: AbortSignal): Promise<void> {
    const { clock, options, dispatcher, outstanding } = this.deps
    dispatcher.closeLoad(this.loadId)
    await dispatcher.removeWaiting(this.loadId)
    const until = clock.monotonicMs() + options.cancelGraceMs
    while (outstanding.countOf(this.loadId) > 0 && clock.monotonicMs() < until && !stop.aborted) await this.#changed.wait(lookMs, stop)
    if (stop.aborted) return
    await this.end('CANCELLED', new SkeinError('cancelled', 'the load was cancelled'))
  }

  #stateChanged(mode: LoadMode, reason: string, errorCode: string, missingCapacityBytes: number): LoadCommand {
    return { type: 'StateChanged', nowMs: this.deps.clock.nowMs(), loadId: this.loadId, mode, reason, errorCode, missingCapacityBytes }
  }
}
