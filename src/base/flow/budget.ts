// Why: every concurrency and every buffer has a named limit. How: a counting semaphore that grants
// weighted shares in the order of the requests, so that small requests cannot starve a large one.
import { abortReason } from '../clock.ts'
import { assert } from '../assert.ts'

interface Waiter {
  readonly amount: number
  readonly grant: () => void
}

/** A share of a budget. `release` may be called several times; only the first call counts. */
export interface Share {
  release(): void
}

/**
 * A limited resource (slots, bytes). First come, first served. An amount above the capacity is
 * reduced to it, so it can always be granted.
 */
export class Budget {
  readonly name: string
  #capacity: number
  #used = 0
  #peak = 0
  #waits = 0
  readonly #waiters: Waiter[] = []

  constructor(name: string, capacity: number) {
    assert(capacity > 0, `budget ${name} must be above 0`)
    this.name = name
    this.#capacity = capacity
  }

  get capacity(): number {
    return this.#capacity
  }

  /** Changes the capacity. Shares above a smaller one stay until they are released. */
  resize(capacity: number): void {
    assert(capacity > 0, `budget ${this.name} must be above 0`)
    this.#capacity = capacity
    this.#grantNext()
  }

  get used(): number {
    return this.#used
  }

  get peak(): number {
    return this.#peak
  }

  get waiting(): number {
    return this.#waiters.length
  }

  /** The number of acquisitions that had to wait. */
  get waits(): number {
    return this.#waits
  }

  /** Waits for `amount` of the budget. @throws the signal's reason when it aborts first */
  acquire(amount: number, signal: AbortSignal): Promise<Share> {
    const wanted = Math.min(amount, this.#capacity)
    const share = this.tryAcquire(wanted)
    if (share !== undefined) return Promise.resolve(share)
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortReason(signal))
        return
      }
      const waiter: Waiter = {
        amount: wanted,
        grant: () => {
          signal.removeEventListener('abort', onAbort)
          resolve(this.#take(wanted))
        },
      }
      const onAbort = (): void => {
        const index = this.#waiters.indexOf(waiter)
        if (index >= 0) this.#waiters.splice(index, 1)
        reject(abortReason(signal))
        this.#grantNext()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
      this.#waits += 1
    })
  }

  /**
   * Takes the share at once. Undefined if it would have to wait, or would leave less than `leave`
   * of the budget.
   */
  tryAcquire(amount: number, leave = 0): Share | undefined {
    const wanted = Math.min(amount, this.#capacity)
    if (this.#waiters.length > 0 || this.#used + wanted > this.#capacity - leave) return undefined
    return this.#take(wanted)
  }

  #take(amount: number): Share {
    this.#used += amount
    this.#peak = Math.max(this.#peak, this.#used)
    let held = true
    return {
      release: () => {
        if (!held) return
        held = false
        this.#used -= amount
        this.#grantNext()
      },
    }
  }

  #grantNext(): void {
    for (let next = this.#waiters[0]; next !== undefined; next = this.#waiters[0]) {
      // An amount from before the budget became smaller is granted when nobody else has a share.
      if (this.#used > 0 && this.#used + next.amount > this.#capacity) return
      this.#waiters.shift()
      next.grant()
    }
  }
}
