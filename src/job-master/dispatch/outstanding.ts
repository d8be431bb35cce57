// Why: tracks which sets are in flight, where, and since when. How: only in memory. After a restart
// nothing is in flight, and the running tasks that job workers report are added. It makes no
// decisions; the dispatcher and the set service do.
import type { Lane, ReadySet } from '../../load/plan/read-ahead-window.ts'

export interface OutSet {
  readonly set: ReadySet
  /**
   * Attempt of the task in flight. It counts dispatches too; the attempt of the set counts only
   * failures.
   */
  readonly attempt: number
  readonly lane: string
  /** Position in the lane. */
  readonly rank: number
  readonly jobWorkerId: string
  /** False while the queue could not accept it. */
  added: boolean
  addedMs: number
  /** Session of the job worker, once the task has started. */
  session: string | undefined
  /** Heartbeats in a row that did not list the task although it has started. */
  missed: number
  /** The result is being journaled. */
  completing: boolean
  /** Bytes loaded so far, as reported by the job worker. */
  bytesDone?: number
}

/** Number of losses, and the next attempt, of a set that came back without a result. */
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

  /** `listener` is called with every set that is dispatched. */
  whenPut(listener: (out: OutSet) => void): void {
    this.#onPut = listener
  }

  /** Adds a set and replaces an earlier entry of the same set. */
  put(out: OutSet): void {
    this.take(out.set.loadId, out.set.set)
    this.#byName.set(nameOf(out.set.loadId, out.set.set), out)
    this.#count(out, 1)
    this.#onPut?.(out)
  }

  /** Removes a set. Undefined: it was not in flight. */
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

  /** Number of sets in flight that write to this cache worker. */
  countTo(workerId: string): number {
    return this.#perTarget.get(workerId) ?? 0
  }

  laneLoad(lane: string): Pick<Lane, 'tasks' | 'bytes'> {
    return this.#perLane.get(lane) ?? { tasks: 0, bytes: 0 }
  }

  /** The next attempt of a set. */
  attemptOf(loadId: number, set: number, first: number): number {
    return this.#comebacks.get(nameOf(loadId, set))?.attempt ?? first
  }

  /**
   * Records that a set came back without a result.
   * @param lost whether the set had started
   * @returns its number of losses
   */
  cameBack(out: OutSet, lost: boolean): number {
    const name = nameOf(out.set.loadId, out.set.set)
    const losses = (this.#comebacks.get(name)?.losses ?? 0) + (lost ? 1 : 0)
    this.#comebacks.set(name, { attempt: out.attempt + 1, losses })
    return losses
  }

  /** The set is done: forgets its history. */
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

/** The task id of one attempt: `L42-s17-a1`. */
export function taskId(loadId: number, set: number, attempt: number): string {
  return `${nameOf(loadId, set)}-a${attempt}`
}
