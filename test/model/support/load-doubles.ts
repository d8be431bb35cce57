// Why: the outside of the job master for its tests: time that stands still, a journal and a queue
// in memory that fail on demand. How: the contracts, and nothing more; a task that runs is not
// added again, a fenced term appends nothing.
import { abortReason, type Clock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { Journal, JournalEntry, Term } from '../../../src/journal/journal.ts'
import type { Consumer, ConsumerOptions, Queue, Task } from '../../../src/queue/queue.ts'

export const never = new AbortController().signal

/** Time that stands still until advanced. */
export class VirtualClock implements Clock {
  now = 1_000_000
  readonly #timers = new Map<number, { at: number; run: () => void }>()
  #next = 1

  nowMs(): number {
    return this.now
  }
  monotonicMs(): number {
    return this.now
  }
  schedule(ms: number, task: () => void): () => void {
    const id = this.#next
    this.#next += 1
    this.#timers.set(id, { at: this.now + Math.max(0, ms), run: task })
    return () => this.#timers.delete(id)
  }
  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortReason(signal))
      const onAbort = (): void => {
        cancel()
        reject(abortReason(signal))
      }
      const cancel = this.schedule(ms, () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
  /** Runs everything that can run now, then goes to the next timer (at most `untilMs`). */
  async step(untilMs: number): Promise<void> {
    await settle()
    let first: [number, { at: number; run: () => void }] | undefined
    for (const timer of this.#timers) if (first === undefined || timer[1].at < first[1].at) first = timer
    if (first === undefined || first[1].at > untilMs) {
      this.now = untilMs
      return
    }
    this.#timers.delete(first[0])
    this.now = Math.max(this.now, first[1].at)
    first[1].run()
    await settle()
  }
  async advance(ms: number): Promise<void> {
    for (const until = this.now + ms; this.now < until;) await this.step(until)
  }
}

/** Lets all promises that are ready run. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Entries in memory; a new campaign fences the terms before it. */
export class MemoryJournal implements Journal {
  readonly entries: JournalEntry[] = []
  #epoch = 0n
  async campaign(): Promise<Term> {
    this.#epoch += 1n
    return { epoch: this.#epoch, signal: never, leaseLeftMs: () => Number.POSITIVE_INFINITY }
  }
  /** As a kill does: what the old process still appends is not taken. */
  fence(): void {
    this.#epoch += 1n
  }
  async append(term: Term, seq: bigint, bytes: Uint8Array): Promise<'ok' | 'fenced'> {
    await Promise.resolve()
    if (term.epoch !== this.#epoch) return 'fenced'
    const last = this.entries.at(-1)
    if (last !== undefined && last.seq + 1n !== seq) throw new Error(`entry ${seq} after ${last.seq}`)
    this.entries.push({ seq, epoch: term.epoch, bytes })
    return 'ok'
  }
  async *read(from: bigint): AsyncIterable<JournalEntry> {
    for (const entry of this.entries) if (entry.seq >= from) yield entry
  }
  async barrier(): Promise<bigint> {
    return this.entries.at(-1)?.seq ?? 0n
  }
  async truncate(): Promise<void> {}
  async close(): Promise<void> {}
}

export class MemoryQueue implements Queue {
  readonly lanes = new Map<string, Map<string, Task>>()
  async warnings(): Promise<readonly string[]> {
    return []
  }
  readonly #running = new Set<string>()
  readonly #pumps = new Map<string, () => void>()
  isDown = false

  async add(lane: string, tasks: readonly Task[]): Promise<void> {
    this.#check()
    if (tasks.length > 1000) throw new Error('more than 1000 tasks at once')
    const waiting = this.lanes.get(lane) ?? new Map<string, Task>()
    this.lanes.set(lane, waiting)
    for (const task of tasks) if (!this.#running.has(`${lane}/${task.id}`)) waiting.set(task.id, task)
    this.#pumps.get(lane)?.()
  }
  take(lane: string, run: (task: Task, signal: AbortSignal) => Promise<void>, options: ConsumerOptions): Consumer {
    const stop = new AbortController()
    let active = 0
    const pump = (): void => {
      for (const [id, task] of this.lanes.get(lane) ?? []) {
        if (active >= options.concurrency || stop.signal.aborted || this.isDown) return
        this.lanes.get(lane)?.delete(id)
        this.#running.add(`${lane}/${id}`)
        active += 1
        const ended = (): void => {
          active -= 1
          this.#running.delete(`${lane}/${id}`)
          pump()
        }
        run(task, stop.signal).then(ended, ended)
      }
    }
    this.#pumps.set(lane, pump)
    pump()
    return {
      resize: () => undefined,
      close: async () => stop.abort(),
    }
  }
  async depth(lane: string): Promise<{ waiting: number; running: number }> {
    return { waiting: this.lanes.get(lane)?.size ?? 0, running: 0 }
  }
  async remove(lane: string, ids: readonly string[]): Promise<void> {
    this.#check()
    for (const id of ids) this.lanes.get(lane)?.delete(id)
  }
  async drop(lane: string): Promise<void> {
    this.#check()
    this.lanes.delete(lane)
  }
  async ping(): Promise<void> {
    this.#check()
  }
  async close(): Promise<void> {}
  flush(): void {
    this.lanes.clear()
  }
  #check(): void {
    if (this.isDown) throw new SkeinError('unavailable', 'queue down')
  }
}
