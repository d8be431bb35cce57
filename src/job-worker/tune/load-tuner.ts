// Why: all stores of a job worker share its memory, tasks and streams, and people want to know what
// was decided. How: while loads run, every store in use is looked at ten times a second
// (tuned-store.ts). Tasks, streams and the limits of all stores follow from the reads of the
// stores. Decisions are logged, counted, and reported with the heartbeats. What was learned of a
// store is kept for its next load. The memory for reads is a fixed budget that nothing here raises.
import type { Budget } from '../../base/flow/budget.ts'
import type { Clock } from '../../base/clock.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'
import type { Slots } from '../../base/flow/narrowed-budget.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { StoreLease } from '../../ufs/store-cache.ts'
import type { ReadTuning, StoreTuning } from '../../wire/generated/job.ts'
import { decisionText, type TuningDecision } from './tuning-decision.ts'
import { type SharedSlots, TunedStore } from './tuned-store.ts'

/** How far settings may go. Each is at least what the job worker begins with. */
export interface TuningLimits {
  readonly readsMax: number
  readonly smallReadsMax: number
  readonly rangeBytesMax: number
  readonly tasksMax: number
  readonly streamsMax: number
}

/** What the job worker begins with. */
export interface TuningBegin {
  readonly reads: number
  readonly smallReadsPerSlot: number
  readonly rangeBytes: number
  readonly tasks: number
  readonly streams: number
}

export interface LoadTunerOptions {
  readonly begin: TuningBegin
  readonly limits: TuningLimits
  readonly budgets: SharedSlots & { readonly bytes: Budget; readonly streams: Budget }
  readonly demand: Pick<DemandGauge, 'active'>
  readonly pacer: { readonly limited: boolean; isPaused(namespaceId: string): boolean }
  readonly tasksRunning: () => number
  /** Sets how many tasks run at once. */
  readonly onTasks: (tasks: number) => void
  /** Milliseconds in which the event loop had work, since its start. */
  readonly busyMs: () => number
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  readonly logger: Pick<Logger, 'info'>
  readonly metrics: Pick<MetricRegistry, 'add'>
}

/** The resources of the reads of one set. */
export interface TunedReads {
  readonly slots: Slots
  readonly smallSlots: Slots
  /** Bytes of the next range. */
  readonly rangeBytes: number
  /** Call at the end of the set. */
  close(): void
}

interface Used {
  readonly store: TunedStore
  /** Sets that read the store now. */
  sets: number
  /** The latest decisions, oldest first. */
  readonly decisions: { readonly atMs: number; readonly text: string }[]
  loggedMs: number
  unlogged: number
  /** Whether the job master has not been told the latest. */
  isNews: boolean
}

const lookMs = 100
const logEveryMs = 1000
const decisionsKept = 20
const storesKept = 32

export class LoadTuner {
  readonly #options: LoadTunerOptions
  /** In the order of their last use. */
  readonly #stores = new Map<string, Used>()
  #tasks: number
  #waits = { reads: 0, bytes: 0 }
  #lookedMs = 0
  #busyMs = 0
  #isLooking = false

  constructor(options: LoadTunerOptions) {
    this.#options = options
    this.#tasks = options.begin.tasks
  }

  /** How many tasks run at once now. */
  get tasks(): number {
    return this.#tasks
  }

  /** Bytes of a range request, of several stores the most. */
  get rangeBytes(): number {
    return Math.max(this.#options.begin.rangeBytes, ...[...this.#stores.values()].map(({ store }) => store.rangeBytes))
  }

  /** Call at the start of a set. */
  open(namespaceId: string, lease: StoreLease): TunedReads {
    const used = this.#stores.get(namespaceId) ?? this.#used(lease)
    this.#stores.delete(namespaceId)
    this.#stores.set(namespaceId, used)
    const { store } = used
    if (used.sets === 0) store.begin()
    store.follow(() => lease.store)
    used.sets += 1
    this.#fit()
    if (!this.#isLooking) this.#beginLooking()
    return {
      slots: store.slots,
      smallSlots: store.smallSlots,
      get rangeBytes() {
        return store.rangeBytes
      },
      close: () => {
        used.sets -= 1
        used.isNews = true
      },
    }
  }

  /** For a heartbeat: the settings of stores in use, and of others once after their last use. */
  report(): ReadTuning {
    const nowMs = this.#options.clock.monotonicMs()
    const stores: StoreTuning[] = []
    for (const [namespaceId, used] of this.#stores) {
      if (used.sets === 0 && !used.isNews) continue
      used.isNews = false
      const { reads, smallReads, rangeBytes } = used.store
      const decisions = used.decisions.map(({ atMs, text }) => ({ agoMs: Math.max(0, Math.round(nowMs - atMs)), text }))
      stores.push({ namespaceId, reads, smallReads, rangeBytes, decisions })
    }
    return { tasks: this.#tasks, stores }
  }

  #used(lease: StoreLease): Used {
    const { begin, limits, budgets } = this.#options
    for (const [namespaceId, { sets }] of this.#stores) {
      if (this.#stores.size < storesKept) break
      if (sets === 0) this.#stores.delete(namespaceId)
    }
    const { rangeBytes = begin.rangeBytes, isRangeGiven = false } = lease.store.readAhead ?? {}
    const store = new TunedStore({
      bounds: {
        readsMin: 1,
        readsStart: begin.reads,
        readsMax: limits.readsMax,
        rangeBytesStart: rangeBytes,
        rangeBytesMax: isRangeGiven ? rangeBytes : Math.max(rangeBytes, limits.rangeBytesMax),
      },
      shared: budgets,
      smallReadsPerSlot: begin.smallReadsPerSlot,
      smallReadsMax: limits.smallReadsMax,
    })
    return { store, sets: 0, decisions: [], loggedMs: Number.NEGATIVE_INFINITY, unlogged: 0, isNews: false }
  }

  #beginLooking(): void {
    this.#isLooking = true
    this.#lookedMs = this.#options.clock.monotonicMs()
    this.#busyMs = this.#options.busyMs()
    this.#lookLater()
  }

  #lookLater(): void {
    this.#options.clock.schedule(lookMs, () => this.#look())
  }

  #look(): void {
    const inUse = [...this.#stores].filter(([, { sets }]) => sets > 0)
    this.#isLooking = inUse.length > 0
    if (!this.#isLooking) return
    const { clock, pacer, demand } = this.#options
    const [nowMs, busyMs] = [clock.monotonicMs(), this.#options.busyMs()]
    const process = {
      ms: Math.max(1, nowMs - this.#lookedMs),
      busyMs: busyMs - this.#busyMs,
      ...this.#shortages(),
    }
    this.#lookedMs = nowMs
    this.#busyMs = busyMs
    for (const [namespaceId, used] of inUse) {
      const isHeldBack = demand.active || pacer.isPaused(namespaceId)
      const decision = used.store.look({ ...process, isHeldBack })
      if (decision !== undefined) this.#note(namespaceId, used, decision, nowMs)
    }
    this.#lookLater()
  }

  /** What reads of any store have waited for since the last look. */
  #shortages(): { readonly isShortOfReads: boolean; readonly isShortOfMemory: boolean } {
    const { budgets, pacer, tasksRunning } = this.#options
    const { slots, smallSlots, streams, bytes } = budgets
    const waits = { reads: slots.waits + smallSlots.waits, bytes: bytes.waits }
    // While a limit holds loads back, tasks and streams are taken by reads that wait for it.
    const isShortOfTasks = !pacer.limited && (streams.waiting > 0 || tasksRunning() >= this.#tasks)
    const isShortOfReads = isShortOfTasks || waits.reads > this.#waits.reads
    const isShortOfMemory = waits.bytes > this.#waits.bytes || bytes.waiting > 0
    this.#waits = waits
    return { isShortOfReads, isShortOfMemory }
  }

  #note(namespaceId: string, used: Used, decision: TuningDecision, nowMs: number): void {
    const { metrics, logger } = this.#options
    const text = decisionText(decision)
    const { change, reason } = decision
    this.#fit()
    metrics.add('skein_job_worker_tuning_decisions_total', 1, { change, reason })
    used.decisions.push({ atMs: nowMs, text })
    if (used.decisions.length > decisionsKept) used.decisions.shift()
    used.isNews = true
    if (nowMs - used.loggedMs < logEveryMs) {
      used.unlogged += 1
      return
    }
    logger.info(`tuning: ${text}`, { namespaceId, ...(used.unlogged > 0 && { unlogged: used.unlogged }) })
    used.loggedMs = nowMs
    used.unlogged = 0
  }

  /** Sets the limits that all stores share. */
  #fit(): void {
    const { begin, limits, budgets, onTasks } = this.#options
    const inUse = [...this.#stores.values()].filter(({ sets }) => sets > 0).map(({ store }) => store)
    const most = Math.max(begin.reads, ...inUse.map(({ reads }) => reads))
    const sum = inUse.reduce((total, { reads }) => total + reads, 0)
    const reads = Math.min(limits.readsMax, Math.max(begin.reads, sum))
    budgets.slots.resize(reads)
    budgets.smallSlots.resize(Math.min(limits.smallReadsMax, reads * begin.smallReadsPerSlot))
    const tasks = Math.min(limits.tasksMax, Math.max(begin.tasks, Math.ceil((begin.tasks * most) / begin.reads)))
    budgets.streams.resize(Math.min(limits.streamsMax, tasks, Math.max(begin.streams, most)))
    if (tasks === this.#tasks) return
    this.#tasks = tasks
    onTasks(tasks)
  }
}
