// Why: the one contract for carrying tasks from the job master to job workers. InProcessQueue and
// BullMqQueue pass one conformance suite. The queue is transport only: it may lose everything (a
// flush), repeat a task and reorder tasks; the job master adds again what is missing, and every
// effect of a task is idempotent.

/**
 * A task's name and size. What to do is asked of the job master, so nothing secret or forgeable
 * travels here.
 */
export interface Task {
  /** Deterministic: `L42-s17-a1`. */
  readonly id: string
  readonly loadId: string
  readonly set: number
  readonly attempt: number
  /** Bytes it will read, for the window. */
  readonly bytes: number
  /** Lower goes first. */
  readonly priority: number
}

export interface ConsumerOptions {
  /** Tasks run at once. */
  readonly concurrency: number
  /**
   * Errors of the transport (lost connection, vanished job): for the log; the consumer goes on by
   * itself.
   */
  readonly onError: (error: unknown) => void
}

export interface Consumer {
  /** Takes no more tasks, aborts the running ones after `graceMs`, and resolves when none runs. */
  close(graceMs: number): Promise<void>
}

export interface Queue {
  /**
   * Idempotent by task id while the task waits or runs. @throws SkeinError unavailable when the
   * transport is down
   */
  add(lane: string, tasks: readonly Task[]): Promise<void>
  /**
   * Runs each task of the lane; a task that throws is dropped (the job master decides on retries).
   * Payloads that are no Task are dropped and reported.
   */
  take(lane: string, run: (task: Task, signal: AbortSignal) => Promise<void>, options: ConsumerOptions): Consumer
  /** Waiting and running tasks. */
  depth(lane: string): Promise<{ readonly waiting: number; readonly running: number }>
  /** Removes waiting tasks; running ones and unknown ids are left alone. */
  remove(lane: string, ids: readonly string[]): Promise<void>
  /** Removes a whole lane. */
  drop(lane: string): Promise<void>
  /**
   * Resolves when the transport answers. @throws SkeinError unavailable with its address (never its
   * password)
   */
  ping(signal: AbortSignal): Promise<void>
  /**
   * Settings of the transport that an operator should change, one line each; none too while it does
   * not answer.
   */
  warnings(): Promise<readonly string[]>
  close(): Promise<void>
}
