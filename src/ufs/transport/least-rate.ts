// Why: a store that sends a byte per second is never silent and never finishes. How: bytes are
// counted over windows of time in which the reader wants them, and a window with too few bytes is
// reported. Time in which the reader pauses the connection does not count. Pure: the caller has the
// clock.

export interface LeastRateOptions {
  /** 0: no minimum. */
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

  /** Counts bytes. Returns false when the window that ends now had too few. */
  came(bytes: number, nowMs: number): boolean {
    this.#bytes += bytes
    if (this.#heldSinceMs !== undefined || nowMs - this.#sinceMs < this.#windowMs) return true
    const isEnough = this.#bytes >= this.#bytesMin
    this.begin(nowMs)
    return isEnough
  }

  /** The reader pauses. */
  hold(nowMs: number): void {
    this.#heldSinceMs ??= nowMs
  }

  goOn(nowMs: number): void {
    if (this.#heldSinceMs !== undefined) this.#sinceMs += nowMs - this.#heldSinceMs
    this.#heldSinceMs = undefined
  }
}
