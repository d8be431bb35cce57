// Why: a store that gives a byte a second is never silent and never done. How: bytes are counted
// over windows of time in which somebody wants them; a window that brought too few says so. Time in
// which the reader holds the connection back does not count. Pure: the caller has the clock.

export interface LeastRateOptions {
  /** 0: any rate will do. */
  readonly bytesPerSecond: number
  readonly windowMs: number
}

export class LeastRate {
  readonly #bytesMin: number
  readonly #windowMs: number
  #sinceMs = 0
  #bytes = 0
  #heldSinceMs: number | undefined

  constructor({ bytesPerSecond, windowMs }: LeastRateOptions) {
    this.#bytesMin = (bytesPerSecond * windowMs) / 1000
    this.#windowMs = windowMs
  }

  /** A body begins. */
  begin(nowMs: number): void {
    this.#sinceMs = nowMs
    this.#bytes = 0
    this.#heldSinceMs = undefined
  }

  /** Bytes came. False: too few in the window that ends now. */
  came(bytes: number, nowMs: number): boolean {
    this.#bytes += bytes
    if (this.#heldSinceMs !== undefined || nowMs - this.#sinceMs < this.#windowMs) return true
    const isEnough = this.#bytes >= this.#bytesMin
    this.begin(nowMs)
    return isEnough
  }

  /** The reader wants nothing more for now. */
  hold(nowMs: number): void {
    this.#heldSinceMs ??= nowMs
  }

  goOn(nowMs: number): void {
    if (this.#heldSinceMs !== undefined) this.#sinceMs += nowMs - this.#heldSinceMs
    this.#heldSinceMs = undefined
  }
}
