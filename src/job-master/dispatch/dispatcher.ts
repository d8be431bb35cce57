// Why: turns planned sets into tasks in the queue: a limited number at a time, fairly among loads,
// and without losing any, because the queue is only a transport. How: one loop for all running
// loads. Each round reads the next open sets of each load from the tables into a bounded buffer,
// lets load/plan/read-ahead-window.ts choose, and adds the chosen sets to the lanes. Tasks that
// were not started for a while are added again under the same ids, which repairs a flushed or
// restarted queue.
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
  /** Open sets that were read from the tables and are not in flight. */
  candidates: ReadySet[]
  /** First set that was not read yet. */
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

  /** Why the queue does not accept tasks. Undefined: it does. */
  get queueError(): SkeinError | undefined {
    return this.#queueError
  }

  /** Allows dispatching sets of a load. */
  openLoad(loadId: number, activeJobs: number): void {
    if (!this.#buffers.has(loadId)) this.#buffers.set(loadId, { loadId, activeJobs, candidates: [], nextSet: 0 })
    this.#wakeup.notify()
  }

  /** Stops dispatching sets of a load. Sets in flight are still tracked. */
  closeLoad(loadId: number): void {
    this.#buffers.delete(loadId)
  }

  /** Call after a change: a set ended, a page was planned, or a job worker registered. */
  notify(): void {
    this.#wakeup.notify()
  }

  /**
   * Delays dispatching until running tasks from before a restart of the job master can be reported.
   */
  holdForRecovery(): void {
    this.#recoveringUntilMs = this.#context.clock.monotonicMs() + this.#context.options.recoveryGraceMs
  }

  /**
   * A set came back without a result, because its job worker was lost or dropped it. It is
   * dispatched again with the next attempt.
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

  /** Sets that wait for their targets, to explain what a load waits for. */
  heldSets(loadId: number): ReadySet[] {
    const { cluster, outstanding } = this.#context
    const candidates = this.#buffers.get(loadId)?.candidates ?? []
    return candidates.filter((set) =>
      set.targets.some((target) => !cluster.isUsable(target, outstanding.countTo(target))),
    )
  }

  /** Removes a set from the candidates, because it is already in flight. */
  withdraw(loadId: number, set: number): void {
    const buffer = this.#buffers.get(loadId)
    if (buffer !== undefined) buffer.candidates = buffer.candidates.filter((candidate) => candidate.set !== set)
  }

  /** Reads the candidates of a load again after their targets changed. */
  reload(loadId: number): void {
    const buffer = this.#buffers.get(loadId)
    if (buffer === undefined) return
    buffer.candidates = []
    buffer.nextSet = 0
    this.#wakeup.notify()
  }

  /** Runs until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#round(signal)
      } catch (thrown) {
        this.#context.logger.error('the dispatch loop failed', { error: thrown })
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

  /** Number of tasks in flight, by load and lane. */
  #tasksByLane(): Map<number, Map<string, number>> {
    const counts = new Map<number, Map<string, number>>()
    for (const { set, lane } of this.#context.outstanding.all()) {
      const ofLoad = counts.get(set.loadId) ?? new Map<string, number>()
      counts.set(set.loadId, ofLoad.set(lane, (ofLoad.get(lane) ?? 0) + 1))
    }
    return counts
  }

  /** Candidates of the load that may be dispatched now, in order. Reads more if there are few. */
  #eligible(buffer: Buffer): ReadySet[] {
    const { tables, outstanding, cluster, clock, shared } = this.#context
    const now = clock.nowMs()
    // A worker that is marked as unreachable is probed with one set: further sets of this round
    // wait.
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

  /**
   * Undefined: the set must wait, because a set of another load in flight has one of its blocks.
   */
  #sendOut({ set, lane, rank }: Assignment): OutSet | undefined {
    const { outstanding, jobWorkers, shared } = this.#context
    if (shared.mustWait(set)) {
      this.#buffers.get(set.loadId)?.candidates.unshift(set)
      // Another set may take its place.
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
   * Adds sets to their lanes. If the queue fails, they are still tracked and are added when it
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
   * Removes the waiting tasks of a load from the queue and stops tracking them. Running tasks are
   * still tracked.
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
        // A job worker that asks for such a task gets the answer `obsolete`.
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
