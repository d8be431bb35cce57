// Why: a file that cannot be written to the store must not be known from a log alone, nor hold up
// the others. How: what the last attempt failed with is kept by file, with the time of the next
// one: at first soon, then less and less often. In memory only: a new master finds out by itself.
import type { Clock } from '../../base/clock.ts'
import type { SkeinError } from '../../base/errors.ts'

const firstPauseMs = 10_000
const pauseMsMax = 600_000
/** Beyond that the oldest are forgotten. */
const filesMax = 10_000

interface Problem {
  readonly error: SkeinError
  readonly pauseMs: number
  readonly nextMs: number
}

export class PersistProblems {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #problems = new Map<number, Problem>()

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock
  }

  /** An attempt failed with an answer that another one will get as well. */
  note(fileId: number, error: SkeinError): void {
    const before = this.#problems.get(fileId)
    const pauseMs = Math.min(pauseMsMax, before === undefined ? firstPauseMs : 2 * before.pauseMs)
    this.#problems.delete(fileId)
    this.#problems.set(fileId, { error, pauseMs, nextMs: this.#clock.monotonicMs() + pauseMs })
    const [oldest] = this.#problems.keys()
    if (this.#problems.size > filesMax && oldest !== undefined) this.#problems.delete(oldest)
  }

  /** The cause may be gone: all are tried again at once. */
  retry(): void {
    for (const [fileId, problem] of this.#problems) this.#problems.set(fileId, { ...problem, nextMs: 0 })
  }

  forget(fileId: number): void {
    this.#problems.delete(fileId)
  }

  /** What the last attempt failed with. */
  of(fileId: number): SkeinError | undefined {
    return this.#problems.get(fileId)?.error
  }

  /** Whether it is too early for the next attempt. */
  isWaiting(fileId: number): boolean {
    const problem = this.#problems.get(fileId)
    return problem !== undefined && this.#clock.monotonicMs() < problem.nextMs
  }

  /** The files, the newest problem last. */
  all(): readonly (readonly [fileId: number, error: SkeinError])[] {
    return [...this.#problems].map(([fileId, { error }]) => [fileId, error] as const)
  }
}
