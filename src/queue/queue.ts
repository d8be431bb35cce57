// Why: the one interface for passing tasks from the job master to job workers. InProcessQueue and
// BullMqQueue pass one conformance suite. The queue is transport only: it may lose all tasks (a
// flush), repeat a task and reorder tasks. The job master adds missing tasks again, and every
// effect of a task is idempotent.

/**
 * The id and size of a task. The job worker asks the job master what to do, so the queue carries
 * nothing secret or forgeable.
 */
export interface Task {
  /** Deterministic: `L42-s17-a1`. */
  readonly id: string
  readonly loadId: string
  readonly set: number
  readonly attempt: number
  /** Bytes that it will read, for the window. */
  readonly bytes: number
  /** Lower values run first. */
  readonly priority: number
}

export interface ConsumerOptions {
  /** Maximum tasks that run at once. */
  readonly concurrency: number
  /**
   * Called with errors of the transport (lost connection, missing job), for the log. The consumer
   * recovers by itself.
   */
  readonly onError: (error: unknown) => void
}

export interface Consumer {
  /** Changes the maximum of tasks that run at once. Running tasks go on. */
  resize(concurrency: number): void
  /**
   * Accepts no more tasks, aborts the running ones after `graceMs`, and resolves when none is
   * running.
   */
  close(graceMs: number): Promise<void>
}

export interface Queue {
  /**
   * Adds tasks. Idempotent by task id while the task is waiting or running.
   * @throws SkeinError unavailable when the transport is down
   */
  add(lane: string, tasks: readonly Task[]): Promise<void>
  /**
   * Runs each task of the lane. A task that throws is dropped (the job master decides on retries).
   * Payloads that are not a Task are dropped and reported.
   */
  take(lane: string, run: (task: Task, signal: AbortSignal) => Promise<void>, options: ConsumerOptions): Consumer
  /** The number of waiting and running tasks. */
  depth(lane: string): Promise<{ readonly waiting: number; readonly running: number }>
  /** Removes waiting tasks. Ignores running ones and unknown ids. */
  remove(lane: string, ids: readonly string[]): Promise<void>
  /** Removes a whole lane. */
  drop(lane: string): Promise<void>
  /**
   * Resolves when the transport responds.
   * @throws SkeinError unavailable with its address, never its password
   */
  ping(signal: AbortSignal): Promise<void>
  /**
   * Settings of the transport that the operator should change, one line each. Empty if it does not
   * respond.
   */
  warnings(): Promise<readonly string[]>
  close(): Promise<void>
}
