// Why: a rate is accurate over seconds only if each request waits for its turn, and a large request
// must not wait forever. How: a balance in bytes grows at the rate, up to half a second's worth, so
// that a busy machine loses nothing. The first request in line proceeds as soon as the balance is
// not negative, and may overdraw it. The next one waits until the balance has recovered. So the
// rate is accurate for requests of any size, and it may change at any time.
import { abortReason, type Clock } from '../clock.ts'

interface Waiter {
  readonly amount: number
  readonly grant: () => void
}

/** Maximum savings. Allows at most a twentieth more in any ten seconds. */
const savedSeconds = 0.5

/** First come, first served. */
export class TokenBucket {
  readonly #clock: Clock
  readonly #waiters: Waiter[] = []
  #perSecond: number
  #balance = 0
  #filledMs: number
  #cancelTimer: (() => void) | undefined

  /** `perSecond`: Infinity means no limit. */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock
    this.#perSecond = perSecond
    this.#filledMs = clock.monotonicMs()
  }

  get perSecond(): number {
    return this.#perSecond
  }

  get waiting(): number {
    return this.#waiters.length
  }

  /** Sets the rate from now on. Amounts that were already taken are not recomputed. */
  setRate(perSecond: number): void {
    if (perSecond === this.#perSecond) return
    this.#fill()
    this.#perSecond = perSecond
    this.#balance = Math.min(this.#balance, this.#savedMax())
    this.#grantDue()
  }

  /** Takes the amount at once, or returns false. */
  tryTake(amount: number): boolean {
    if (this.#waiters.length > 0) return false
    this.#fill()
    if (this.#balance < 0) return false
    this.#spend(amount)
    return true
  }

  /**
   * Takes the amount when it is this caller's turn. @throws the signal's reason when it aborts
   * first
   */
  take(amount: number, signal: AbortSignal): Promise<void> {
    if (this.tryTake(amount)) return Promise.resolve()
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortReason(signal))
        return
      }
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(abortReason(signal))
        this.#grantDue()
      }
      const waiter: Waiter = {
        amount,
        grant: () => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
      this.#grantDue()
    })
  }

  #savedMax(): number {
    return this.#perSecond * savedSeconds
  }

  #spend(amount: number): void {
    if (this.#perSecond !== Number.POSITIVE_INFINITY) this.#balance -= amount
  }

  #fill(): void {
    const now = this.#clock.monotonicMs()
    const seconds = (now - this.#filledMs) / 1000
    this.#filledMs = now
    if (this.#perSecond === Number.POSITIVE_INFINITY) this.#balance = 0
    else this.#balance = Math.min(this.#balance + seconds * this.#perSecond, this.#savedMax())
  }

  #grantDue(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#fill()
    for (let next = this.#waiters[0]; next !== undefined && this.#balance >= 0; next = this.#waiters[0]) {
      this.#waiters.shift()
      this.#spend(next.amount)
      next.grant()
    }
    if (this.#waiters.length === 0 || this.#perSecond <= 0) return
    // A timer may fire slightly early, so wait for at least a millisecond.
    const waitMs = Math.max(1, Math.ceil((-this.#balance / this.#perSecond) * 1000))
    this.#cancelTimer = this.#clock.schedule(waitMs, () => this.#grantDue())
  }
}
