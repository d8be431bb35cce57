// Why: planned sets become tasks in the queue, a bounded number at a time, fairly over the loads,
// and none is ever lost: the queue is transport only. How: one loop over all running loads. Each
// round reads the next open sets of each load from the tables (a bounded buffer), lets
// load/plan/read-ahead-window.ts choose, puts the choice into the lanes, and puts in again what was
// not started for a while, under the same ids: that heals a flushed or restarted queue.
import { toSkeinError, type SkeinError } from '../../base/errors.ts'
import { formatLoadId, type OpenSet } from '../../load/load.ts'
import type { Row } from '../../load/state/load-tables.ts'
import { fillWindow, type Assignment, type ReadySet } from '../../load/plan/read-ahead-window.ts'
import type { Task } from '../../queue/queue.ts'
import type { DispatchContext } from './dispatch-context.ts'
import { taskId, type OutSet } from './outstanding.ts'
import { Wakeup } from './wakeup.ts'

type DispatcherContext = Pick<
  DispatchContext,
  | 'tables'
  | 'queue'
  | 'outstanding'
  | 'shared'
  | 'jobWorkers'
  | 'cluster'
  | 'pacing'
  | 'clock'
  | 'logger'
  | 'metrics'
  | 'options'
>

interface Buffer {
  readonly loadId: number
  readonly activeJobs: number
  /** Open sets read from the tables and not out. */
  candidates: ReadySet[]
  /** Sets from here on have not been read yet. */
  nextSet: number
}

const addMax = 1000
const bufferMin = 512
const bufferMax = 4096
const lookMs = 200
const idleMs = 2000
const queueRetryMs = 500

export class Dispatcher {
  readonly #context: DispatcherContext
  readonly #buffers = new Map<number, Buffer>()
  readonly #wakeup: Wakeup
  #queueError: SkeinError | undefined
  #queueAnsweredMs = Number.NEGATIVE_INFINITY
  #recoveringUntilMs = 0

  constructor(context: DispatcherContext) {
    this.#context = context
    this.#wakeup = new Wakeup(context.clock)
  }

  /** Why the queue does not take tasks; undefined when it does. */
  get queueError(): SkeinError | undefined {
    return this.#queueError
  }

  /** Lets a load's sets go out. */
  openLoad(loadId: number, activeJobs: number): void {
    if (!this.#buffers.has(loadId)) this.#buffers.set(loadId, { loadId, activeJobs, candidates: [], nextSet: 0 })
    this.#wakeup.notify()
  }

  /** Stops a load's sets from going out; those that are out stay in the books. */
  closeLoad(loadId: number): void {
    this.#buffers.delete(loadId)
  }

  /** Something changed: a set ended, a page was planned, a job worker came. */
  notify(): void {
    this.#wakeup.notify()
  }

  /** Gives running tasks of an earlier life of the job master the time to be reported. */
  holdForRecovery(): void {
    this.#recoveringUntilMs = this.#context.clock.monotonicMs() + this.#context.options.recoveryGraceMs
  }

  /**
   * A set came back without a result (its job worker was lost, or dropped it): it goes out again,
   * with the next attempt.
   */
  takeBack(out: OutSet, lost: boolean): number {
    const { outstanding, metrics } = this.#context
    const { loadId, set } = out.set
    outstanding.take(loadId, set)
    if (this.#context.tables.open.get([loadId, set]) === undefined) {
      outstanding.forget(loadId, set)
      return 0
    }
    const losses = outstanding.cameBack(out, lost)
    this.#buffers.get(loadId)?.candidates.unshift(out.set)
    metrics.add('skein_job_tasks_retried_total', 1)
    this.#wakeup.notify()
    return losses
  }

  /** Sets that cannot go out because of their targets: for what a load waits. */
  heldSets(loadId: number): ReadySet[] {
    const { cluster, outstanding } = this.#context
    const candidates = this.#buffers.get(loadId)?.candidates ?? []
    return candidates.filter((set) =>
      set.targets.some((target) => !cluster.isUsable(target, outstanding.countTo(target))),
    )
  }

  /** A set is out by another way: it shall not go out a second time. */
  withdraw(loadId: number, set: number): void {
    const buffer = this.#buffers.get(loadId)
    if (buffer !== undefined) buffer.candidates = buffer.candidates.filter((candidate) => candidate.set !== set)
  }

  /** Reads a load's candidates again from the tables, after their targets changed. */
  reload(loadId: number): void {
    const buffer = this.#buffers.get(loadId)
    if (buffer === undefined) return
    buffer.candidates = []
    buffer.nextSet = 0
    this.#wakeup.notify()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#round(signal)
      } catch (thrown) {
        this.#context.logger.error('dispatching failed', { error: thrown })
      }
      const idle = this.#buffers.size === 0 && this.#context.outstanding.size === 0
      await this.#wakeup.wait(this.#queueError !== undefined ? queueRetryMs : idle ? idleMs : lookMs, signal)
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { clock, options, outstanding } = this.#context
    const now = clock.monotonicMs()
    if (this.#queueError !== undefined || now - this.#queueAnsweredMs > 2000) await this.#ping(signal)
    if (this.#queueError !== undefined) return
    const again = [...outstanding.all()].filter(
      (out) => out.session === undefined && (!out.added || now - out.addedMs >= options.addAgainMs),
    )
    await this.#add(again)
    if (now < this.#recoveringUntilMs || this.#queueError !== undefined) return
    await this.#add(this.#choose().flatMap((assignment) => this.#sendOut(assignment) ?? []))
  }

  async #ping(signal: AbortSignal): Promise<void> {
    try {
      await this.#context.queue.ping(signal)
      this.#queueAnswered(undefined)
    } catch (thrown) {
      this.#queueAnswered(toSkeinError(thrown))
    }
  }

  #queueAnswered(error: SkeinError | undefined): void {
    if (error === undefined) this.#queueAnsweredMs = this.#context.clock.monotonicMs()
    if ((error === undefined) !== (this.#queueError === undefined)) {
      if (error === undefined) this.#context.logger.info('the queue answers again')
      else this.#context.logger.warn('the queue is down, loads wait for it', { error })
    }
    this.#queueError = error
  }

  #choose(): Assignment[] {
    const { jobWorkers, outstanding, cluster, pacing, options } = this.#context
    const live = jobWorkers.live()
    if (live.length === 0 || this.#buffers.size === 0) return []
    const lanes = live.map(({ lane, hostname, activeTasksMax }) => ({
      lane,
      hostname,
      activeTasksMax,
      ...outstanding.laneLoad(lane),
    }))
    const buffers = [...this.#buffers.values()]
    const weights = pacing.weights(buffers.map(({ loadId }) => loadId))
    const tasksIn = this.#tasksByLane()
    const queues = buffers.map((buffer) => ({
      room: buffer.activeJobs - outstanding.countOf(buffer.loadId),
      sets: this.#eligible(buffer),
      weight: weights.get(buffer.loadId) ?? 1,
      tasksIn: tasksIn.get(buffer.loadId) ?? new Map<string, number>(),
      paced: pacing.isPaced(buffer.loadId),
    }))
    const assignments = fillWindow(queues, lanes, (workerId) => cluster.hostOf(workerId), options)
    const chosen = new Set(assignments.map((assignment) => assignment.set))
    if (chosen.size > 0)
      for (const buffer of buffers) buffer.candidates = buffer.candidates.filter((set) => !chosen.has(set))
    return assignments
  }

  /** Tasks out, by load and lane. */
  #tasksByLane(): Map<number, Map<string, number>> {
    const counts = new Map<number, Map<string, number>>()
    for (const { set, lane } of this.#context.outstanding.all()) {
      const ofLoad = counts.get(set.loadId) ?? new Map<string, number>()
      counts.set(set.loadId, ofLoad.set(lane, (ofLoad.get(lane) ?? 0) + 1))
    }
    return counts
  }

  /** The load's candidates that may go out now, in order; reads more when there are few. */
  #eligible(buffer: Buffer): ReadySet[] {
    const { tables, outstanding, cluster, clock, shared } = this.#context
    const now = clock.nowMs()
    // A probe of a doubted worker is one set: the second one of this round waits for the first.
    const probed = new Set<string>()
    const mayGo = (set: ReadySet): boolean => {
      if (
        set.notBeforeMs > now ||
        shared.isWaiting(set) ||
        !set.targets.every((target) =>
          cluster.isUsable(target, outstanding.countTo(target) + (probed.has(target) ? 1 : 0)),
        )
      )
        return false
      for (const target of set.targets) probed.add(target)
      return true
    }
    let eligible = buffer.candidates.filter(mayGo)
    while (eligible.length < bufferMin && buffer.candidates.length < bufferMax) {
      const rows = tables.open.scan([buffer.loadId], buffer.nextSet, bufferMin)
      const last = rows.at(-1)
      if (last === undefined) break
      buffer.nextSet = last.id + 1
      const fresh = rows
        .filter(({ id }) => outstanding.get(buffer.loadId, id) === undefined)
        .map((row) => readySet(buffer.loadId, row))
      buffer.candidates.push(...fresh)
      eligible = [...eligible, ...fresh.filter(mayGo)]
    }
    return eligible
  }

  /** Undefined: the set stays, since another load's set that is out has a block of it. */
  #sendOut({ set, lane, rank }: Assignment): OutSet | undefined {
    const { outstanding, jobWorkers, shared } = this.#context
    if (shared.mustWait(set)) {
      this.#buffers.get(set.loadId)?.candidates.unshift(set)
      // Another one may have its place.
      this.#wakeup.notify()
      return undefined
    }
    const attempt = outstanding.attemptOf(set.loadId, set.set, set.attempt)
    const jobWorkerId = jobWorkers.byLane(lane)?.jobWorkerId ?? ''
    const out: OutSet = {
      set,
      attempt,
      lane,
      rank,
      jobWorkerId,
      added: false,
      addedMs: 0,
      session: undefined,
      missed: 0,
      completing: false,
    }
    outstanding.put(out)
    return out
  }

  /**
   * Puts sets into their lanes. When the queue fails they stay in the books, to be put in once it
   * answers.
   */
  async #add(outs: readonly OutSet[]): Promise<void> {
    const { queue, clock, metrics } = this.#context
    for (const [lane, ofLane] of Map.groupBy(outs, (out) => out.lane)) {
      for (let from = 0; from < ofLane.length; from += addMax) {
        const part = ofLane.slice(from, from + addMax)
        try {
          await queue.add(lane, part.map(taskOf))
        } catch (thrown) {
          this.#queueAnswered(toSkeinError(thrown))
          return
        }
        this.#queueAnswered(undefined)
        metrics.add('skein_job_tasks_dispatched_total', part.filter((out) => !out.added).length)
        for (const out of part) {
          out.added = true
          out.addedMs = clock.monotonicMs()
        }
      }
    }
  }

  /**
   * Takes a load's waiting tasks out of the queue and forgets them; those that run stay in the
   * books.
   */
  async removeWaiting(loadId: number): Promise<void> {
    const { outstanding, queue, logger } = this.#context
    const waiting = outstanding.ofLoad(loadId).filter((out) => out.session === undefined)
    for (const out of waiting) outstanding.take(loadId, out.set.set)
    for (const [lane, outs] of Map.groupBy(waiting, (out) => out.lane)) {
      try {
        await queue.remove(
          lane,
          outs.map((out) => taskId(loadId, out.set.set, out.attempt)),
        )
      } catch (thrown) {
        // They are answered `obsolete` when a job worker asks for them.
        logger.warn('waiting tasks stay in the queue', { loadId, lane, error: thrown })
      }
    }
  }
}

function readySet(loadId: number, { id, value }: Row<OpenSet>): ReadySet {
  return { loadId, set: id, ...value }
}

function taskOf(out: OutSet): Task {
  const { loadId, set, bytes } = out.set
  return {
    id: taskId(loadId, set, out.attempt),
    loadId: formatLoadId(loadId),
    set,
    attempt: out.attempt,
    bytes,
    priority: out.rank,
  }
}
