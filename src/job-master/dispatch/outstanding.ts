// Why: which sets are out, where, and since when. How: memory only: after a restart nothing is out,
// and what job workers report as running comes back in. Owns no decision; the dispatcher and the
// set service take those.
import type { Lane, ReadySet } from '../../load/plan/read-ahead-window.ts'

export interface OutSet {
  readonly set: ReadySet
  /**
   * Of the task that is out; the set's own attempt counts failures, this one counts dispatches too.
   */
  readonly attempt: number
  readonly lane: string
  /** Its place in the lane. */
  readonly rank: number
  readonly jobWorkerId: string
  /** False while the queue could not take it. */
  added: boolean
  addedMs: number
  /** The job worker's session once it has begun. */
  session: string | undefined
  /** Heartbeats in a row that did not name it although it has begun. */
  missed: number
  /** Its result is being written down. */
  completing: boolean
  /** What it has brought in so far, as its job worker says. */
  bytesDone?: number
}

/** Losses and the next attempt of sets that came back without a result. */
export interface Comeback {
  attempt: number
  losses: number
}

export class Outstanding {
  readonly #byName = new Map<string, OutSet>()
  readonly #comebacks = new Map<string, Comeback>()
  readonly #perLoad = new Map<number, number>()
  readonly #perLane = new Map<string, { tasks: number; bytes: number }>()
  readonly #perTarget = new Map<string, number>()
  #onPut: ((out: OutSet) => void) | undefined

  get size(): number {
    return this.#byName.size
  }

  get(loadId: number, set: number): OutSet | undefined {
    return this.#byName.get(nameOf(loadId, set))
  }

  /** `listener` is told of every set that goes out. */
  whenPut(listener: (out: OutSet) => void): void {
    this.#onPut = listener
  }

  /** Replaces what was out of the same set before. */
  put(out: OutSet): void {
    this.take(out.set.loadId, out.set.set)
    this.#byName.set(nameOf(out.set.loadId, out.set.set), out)
    this.#count(out, 1)
    this.#onPut?.(out)
  }

  /** Takes a set out of the books; undefined when it was not out. */
  take(loadId: number, set: number): OutSet | undefined {
    const name = nameOf(loadId, set)
    const out = this.#byName.get(name)
    if (out === undefined) return undefined
    this.#byName.delete(name)
    this.#count(out, -1)
    return out
  }

  all(): IterableIterator<OutSet> {
    return this.#byName.values()
  }

  ofLoad(loadId: number): OutSet[] {
    return [...this.#byName.values()].filter((out) => out.set.loadId === loadId)
  }

  ofJobWorker(jobWorkerId: string): OutSet[] {
    return [...this.#byName.values()].filter((out) => out.jobWorkerId === jobWorkerId)
  }

  countOf(loadId: number): number {
    return this.#perLoad.get(loadId) ?? 0
  }

  /** Sets out that write to this cache worker. */
  countTo(workerId: string): number {
    return this.#perTarget.get(workerId) ?? 0
  }

  laneLoad(lane: string): Pick<Lane, 'tasks' | 'bytes'> {
    return this.#perLane.get(lane) ?? { tasks: 0, bytes: 0 }
  }

  /** The attempt that a set goes out with next. */
  attemptOf(loadId: number, set: number, first: number): number {
    return this.#comebacks.get(nameOf(loadId, set))?.attempt ?? first
  }

  /**
   * Notes that a set came back without a result; `lost`: after it had begun. Gives the losses so
   * far.
   */
  cameBack(out: OutSet, lost: boolean): number {
    const name = nameOf(out.set.loadId, out.set.set)
    const losses = (this.#comebacks.get(name)?.losses ?? 0) + (lost ? 1 : 0)
    this.#comebacks.set(name, { attempt: out.attempt + 1, losses })
    return losses
  }

  /** The set is done: its history goes too. */
  forget(loadId: number, set: number): void {
    this.take(loadId, set)
    this.#comebacks.delete(nameOf(loadId, set))
  }

  forgetLoad(loadId: number): void {
    for (const out of this.ofLoad(loadId)) this.take(loadId, out.set.set)
    const prefix = nameOf(loadId, 0).slice(0, -1)
    for (const name of this.#comebacks.keys()) if (name.startsWith(prefix)) this.#comebacks.delete(name)
    this.#perLoad.delete(loadId)
  }

  #count(out: OutSet, sign: 1 | -1): void {
    const { loadId, bytes, targets } = out.set
    this.#perLoad.set(loadId, this.countOf(loadId) + sign)
    const lane = this.#perLane.get(out.lane) ?? { tasks: 0, bytes: 0 }
    this.#perLane.set(out.lane, { tasks: lane.tasks + sign, bytes: lane.bytes + sign * bytes })
    for (const target of targets) this.#perTarget.set(target, this.countTo(target) + sign)
  }
}

function nameOf(loadId: number, set: number): string {
  return `L${loadId}-s${set}`
}

/** `L42-s17-a1`: the task id of one attempt. */
export function taskId(loadId: number, set: number, attempt: number): string {
  return `${nameOf(loadId, set)}-a${attempt}`
}
