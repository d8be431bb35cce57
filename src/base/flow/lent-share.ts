// Why: room that is held while its holder only waits for a store is room that others cannot use.
// How: a share of a budget that is given back for a wait and taken again after it, in the budget's
// own order. Only a holder that needs nothing more may lend: one that waits for further room after
// its wait could wait for those who wait for it.
import type { Budget, Share } from './budget.ts'

/** How a wait is carried out in which room is not needed. */
export type Lend = (wait: () => Promise<void>) => Promise<void>

export class LentShare {
  readonly #budget: Budget
  readonly #amount: number
  readonly #signal: AbortSignal
  #share: Share | undefined
  #released = false

  /** `share`: of `amount` of the budget, held now. `signal`: ends the wait for it after a wait. */
  constructor(budget: Budget, amount: number, share: Share, signal: AbortSignal) {
    this.#budget = budget
    this.#amount = amount
    this.#share = share
    this.#signal = signal
  }

  /**
   * Gives the share back, waits, and takes it again. One wait at a time.
   * @throws what `wait` throws, without the share, and the signal's reason
   */
  readonly lend: Lend = async (wait) => {
    this.#share?.release()
    this.#share = undefined
    await wait()
    const share = this.#budget.tryAcquire(this.#amount) ?? (await this.#budget.acquire(this.#amount, this.#signal))
    if (this.#released) share.release()
    else this.#share = share
  }

  /** For good. */
  release(): void {
    this.#released = true
    this.#share?.release()
    this.#share = undefined
  }
}
