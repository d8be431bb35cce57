// Why: the reads of one store may have a limit of their own below the limit of all reads, and the
// code that reads must not know. How: a share is taken of the own budget first, then of the shared
// one. Whoever has a share of the shared budget waits for nothing, so there is no deadlock.
import type { Budget, Share } from './budget.ts'

/** What a reader needs of a budget. */
export type Slots = Pick<Budget, 'acquire' | 'tryAcquire' | 'used' | 'waiting'>

/** A part of a shared budget that is never more than the own one. */
export class NarrowedBudget implements Slots {
  readonly #own: Budget
  readonly #shared: Budget

  constructor(own: Budget, shared: Budget) {
    this.#own = own
    this.#shared = shared
  }

  get used(): number {
    return this.#own.used
  }

  get waiting(): number {
    return this.#own.waiting + this.#shared.waiting
  }

  /** See Budget. */
  async acquire(amount: number, signal: AbortSignal): Promise<Share> {
    const own = await this.#own.acquire(amount, signal)
    try {
      return joined(own, await this.#shared.acquire(amount, signal))
    } catch (thrown) {
      own.release()
      throw thrown
    }
  }

  /** See Budget. */
  tryAcquire(amount: number): Share | undefined {
    const own = this.#own.tryAcquire(amount)
    if (own === undefined) return undefined
    const shared = this.#shared.tryAcquire(amount)
    if (shared !== undefined) return joined(own, shared)
    own.release()
    return undefined
  }
}

function joined(own: Share, shared: Share): Share {
  return {
    release: () => {
      shared.release()
      own.release()
    },
  }
}
