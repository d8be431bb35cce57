// Why: both queues have the same contract for running tasks: an error is reported and drops the
// task, and close aborts its signal.
import { SkeinError } from '../base/errors.ts'
import type { ConsumerOptions, Task } from './queue.ts'

/** The tasks that one consumer runs. `run` never rejects. */
export class RunningTasks {
  readonly #run: (task: Task, signal: AbortSignal) => Promise<void>
  readonly #onError: (error: unknown) => void
  readonly #running = new Map<AbortController, Promise<void>>()
  #aborted: SkeinError | undefined

  constructor(run: (task: Task, signal: AbortSignal) => Promise<void>, options: ConsumerOptions) {
    this.#run = run
    this.#onError = options.onError
  }

  run(task: Task): Promise<void> {
    const controller = new AbortController()
    if (this.#aborted !== undefined) controller.abort(this.#aborted)
    const running = this.#guarded(task, controller)
    this.#running.set(controller, running)
    return running
  }

  report(error: unknown): void {
    try {
      this.#onError(error)
    } catch {
      // An error in `onError` must not stop the consumer.
    }
  }

  abortAll(): void {
    this.#aborted ??= new SkeinError('cancelled', 'the consumer is closing')
    for (const controller of this.#running.keys()) controller.abort(this.#aborted)
  }

  /** Resolves when no task is running. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values())
  }

  async #guarded(task: Task, controller: AbortController): Promise<void> {
    try {
      await this.#run(task, controller.signal)
    } catch (thrown) {
      this.report(thrown)
    } finally {
      this.#running.delete(controller)
    }
  }
}
