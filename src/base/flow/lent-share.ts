// Why: a holder that only waits for a store blocks capacity that others could use. How: the share
// of a budget is returned for the wait, and acquired again afterwards, in the budget's normal
// order. Only a holder that needs no further resource may lend. Otherwise it could wait for holders
// that wait for it (a deadlock).
import type { Budget, Share } from './budget.ts'

/** Runs a wait during which the capacity is not needed. */
export type Lend = (wait: () => Promise<void>) => Promise<void>

/** Lends nothing. */
export const waited: Lend = (wait) => wait()

export class LentShare {
  readonly #budget: Pick<Budget, 'acquire'>
  readonly #amount: number
  readonly #signal: AbortSignal
  #share: Share | undefined
  #released = false

  /** `share`: the held share of `amount` of the budget. `signal`: cancels acquiring it again. */
  constructor(budget: Pick<Budget, 'acquire'>, amount: number, share: Share, signal: AbortSignal) {
    this.#budget = budget
    this.#amount = amount
    this.#share = share
    this.#signal = signal
  }

  /**
   * Releases the share, waits, and acquires it again. One wait at a time.
   * @throws the error of `wait`, without the share, and the signal's reason
   */
  readonly lend: Lend = async (wait) => {
    this.#share?.release()
    this.#share = undefined
    await wait()
    const share = await this.#budget.acquire(this.#amount, this.#signal)
    if (this.#released) share.release()
    else this.#share = share
  }

  /** Releases the share permanently. */
  release(): void {
    this.#released = true
    this.#share?.release()
    this.#share = undefined
  }
}
