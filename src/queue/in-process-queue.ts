// Why: `skein local` needs no Redis. How: a lane has buckets of waiting tasks by priority, first
// come first served within each. Consumers take tasks as soon as they have a free slot. Tasks do
// not survive the process, as the contract allows.
import { type Clock, systemClock, throwIfAborted } from '../base/clock.ts'
import type { Consumer, ConsumerOptions, Queue, Task } from './queue.ts'
import { RunningTasks } from './running-tasks.ts'
import { checkLane, closedQueueError, parseTask } from './task-shape.ts'

export function createInProcessQueue(clock: Clock = systemClock): Queue {
  return new InProcessQueue(clock)
}

class InProcessQueue implements Queue {
  readonly #clock: Clock
  readonly #lanes = new Map<string, Lane>()
  readonly #consumers = new Set<LaneConsumer>()
  #closed = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async add(lane: string, tasks: readonly Task[]): Promise<void> {
    const target = this.#lane(lane)
    for (const task of tasks.map(parseTask)) target.add(task)
    target.wake()
  }

  take(lane: string, run: (task: Task, signal: AbortSignal) => Promise<void>, options: ConsumerOptions): Consumer {
    const consumer = new LaneConsumer(this.#lane(lane), run, options, this.#clock)
    this.#consumers.add(consumer)
    return {
      resize: (concurrency) => consumer.resize(concurrency),
      close: async (graceMs) => {
        await consumer.close(graceMs)
        this.#consumers.delete(consumer)
      },
    }
  }

  async depth(lane: string): Promise<{ waiting: number; running: number }> {
    const { waitingCount, running } = this.#lane(lane)
    return { waiting: waitingCount, running: running.size }
  }

  async remove(lane: string, ids: readonly string[]): Promise<void> {
    const target = this.#lane(lane)
    for (const id of ids) target.remove(id)
  }

  async drop(lane: string): Promise<void> {
    this.#lane(lane).clear()
  }

  async ping(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    if (this.#closed) throw closedQueueError()
  }

  async warnings(): Promise<readonly string[]> {
    return []
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#consumers].map((consumer) => consumer.close(0)))
  }

  #lane(name: string): Lane {
    if (this.#closed) throw closedQueueError()
    checkLane(name)
    const lane = this.#lanes.get(name) ?? new Lane()
    this.#lanes.set(name, lane)
    return lane
  }
}

class Lane {
  /** Priority -> id -> task. Maps keep the order of arrival. */
  readonly #waiting = new Map<number, Map<string, Task>>()
  readonly #priorities = new Map<string, number>()
  readonly running = new Set<string>()
  readonly consumers = new Set<LaneConsumer>()

  get waitingCount(): number {
    return this.#priorities.size
  }

  add(task: Task): void {
    if (this.#priorities.has(task.id) || this.running.has(task.id)) return
    const bucket = this.#waiting.get(task.priority) ?? new Map<string, Task>()
    this.#waiting.set(task.priority, bucket)
    bucket.set(task.id, task)
    this.#priorities.set(task.id, task.priority)
  }

  /** The next task, now running; undefined when none is waiting. */
  next(): Task | undefined {
    if (this.#waiting.size === 0) return undefined
    const bucket = this.#waiting.get(Math.min(...this.#waiting.keys()))
    const task = bucket?.values().next().value
    if (task === undefined) return undefined
    this.remove(task.id)
    this.running.add(task.id)
    return task
  }

  remove(id: string): void {
    const priority = this.#priorities.get(id)
    if (priority === undefined) return
    this.#priorities.delete(id)
    const bucket = this.#waiting.get(priority)
    bucket?.delete(id)
    if (bucket?.size === 0) this.#waiting.delete(priority)
  }

  clear(): void {
    this.#waiting.clear()
    this.#priorities.clear()
  }

  wake(): void {
    for (const consumer of this.consumers) consumer.pull()
  }
}

class LaneConsumer {
  readonly #lane: Lane
  #concurrency: number
  readonly #tasks: RunningTasks
  readonly #clock: Clock
  #busy = 0
  #closing: Promise<void> | undefined

  constructor(
    lane: Lane,
    run: (task: Task, signal: AbortSignal) => Promise<void>,
    options: ConsumerOptions,
    clock: Clock,
  ) {
    this.#lane = lane
    this.#concurrency = options.concurrency
    this.#tasks = new RunningTasks(run, options)
    this.#clock = clock
    lane.consumers.add(this)
    queueMicrotask(() => this.pull())
  }

  pull(): void {
    while (this.#closing === undefined && this.#busy < this.#concurrency) {
      const task = this.#lane.next()
      if (task === undefined) return
      this.#busy += 1
      void this.#work(task)
    }
  }

  resize(concurrency: number): void {
    this.#concurrency = concurrency
    this.pull()
  }

  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#drain(graceMs)
    return this.#closing
  }

  async #work(task: Task): Promise<void> {
    await this.#tasks.run(task)
    this.#busy -= 1
    this.#lane.running.delete(task.id)
    this.pull()
  }

  async #drain(graceMs: number): Promise<void> {
    this.#lane.consumers.delete(this)
    const cancel = this.#clock.schedule(graceMs, () => this.#tasks.abortAll())
    await this.#tasks.idle()
    cancel()
  }
}
