// Why: what is kept for a time is tested without waiting for it. How: time passes when a test says
// so, and what was scheduled runs then.
import { type Clock, throwIfAborted } from '../../../../src/base/clock.ts'

export class ManualClock implements Clock {
  #ms = 1000
  readonly #tasks = new Set<{ readonly atMs: number; readonly task: () => void }>()

  nowMs(): number {
    return this.#ms
  }

  monotonicMs(): number {
    return this.#ms
  }

  async sleep(_ms: number, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    await Promise.resolve()
  }

  schedule(ms: number, task: () => void): () => void {
    const entry = { atMs: this.#ms + ms, task }
    this.#tasks.add(entry)
    return () => this.#tasks.delete(entry)
  }

  /** Scheduled tasks that wait. */
  get waiting(): number {
    return this.#tasks.size
  }

  passMs(ms: number): void {
    this.#ms += ms
    for (const entry of this.#tasks) {
      if (entry.atMs > this.#ms) continue
      this.#tasks.delete(entry)
      entry.task()
    }
  }
}
