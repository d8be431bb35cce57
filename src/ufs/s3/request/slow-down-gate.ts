// Why: SlowDown concerns the whole bucket. If only the refused request backs off, the others keep
// up the pressure. How: one gate per bucket. A SlowDown response closes it for a pause that doubles
// with each further round of SlowDown. All requests wait at the gate, and restart spread over time
// instead of all at once.
import type { Clock, Random } from '../../../base/clock.ts'
import type { SkeinError } from '../../../base/errors.ts'
import { proxyFailedReason } from '../../trust/connection-errors.ts'
import { slowDownReason } from '../../trust/s3-errors.ts'

const initialMs = 100
const levelMax = 8
/** The part of a level that one success removes. */
const workedOff = 0.1
/** A round with at most this many requests counts as small. */
const fewRequests = 2 / workedOff

export class SlowDownGate {
  readonly #clock: Clock
  readonly #random: Random
  readonly #pauseMaxMs: number
  #level = 0
  #openAtMs = 0
  /** Requests that waited and passed when the gate last opened, and how many of them succeeded. */
  #let = 0
  #didWell = 0
  #closed = false
  #slowDowns = 0

  constructor(clock: Clock, random: Random, pauseMaxMs = 20_000) {
    this.#clock = clock
    this.#random = random
    this.#pauseMaxMs = pauseMaxMs
  }

  /** Whether requests have to wait now. Cheap, for the normal path. */
  get closed(): boolean {
    return this.#closed
  }

  get isSlow(): boolean {
    return this.#closed || this.#level > 0
  }

  /** The number of SlowDown rounds that successes have not yet offset; 0 in normal operation. */
  get level(): number {
    return this.#level
  }

  /** The number of SlowDown responses. */
  get slowDowns(): number {
    return this.#slowDowns
  }

  /**
   * Closes the gate. Responses to requests that were sent before it closed belong to the same
   * round.
   */
  slowDown(): void {
    this.#slowDowns += 1
    const now = this.#clock.monotonicMs()
    if (this.#closed && now < this.#openAtMs) return
    this.#level = Math.min(this.#level + 1, levelMax)
    this.#closed = true
    this.#openAtMs = now + this.#pauseMs() * (0.5 + this.#random() / 2)
  }

  /**
   * Reports a failed request. A bad response or a final refusal does not ask for a lower rate, so
   * it counts as a success. A store that is unavailable tells nothing.
   */
  failed({ code, reason, retryable }: SkeinError): void {
    if (reason === slowDownReason) this.slowDown()
    else if (code === 'cancelled' || reason === proxyFailedReason) return
    else if (!retryable || reason !== undefined) this.succeeded()
  }

  /**
   * Reports a success. Each success of an open gate lowers the level a little. In a round of few
   * requests, successes of half of them offset a whole level; otherwise a store that refuses some
   * of them would be asked less and less often.
   */
  succeeded(): void {
    if (this.#level === 0) return
    const isOfFew = this.#didWell < this.#let && this.#let <= fewRequests
    if (isOfFew) this.#didWell += 1
    else if (this.#closed) return
    this.#level = Math.max(0, this.#level - (isOfFew ? Math.min(1, 2 / this.#let) : workedOff))
  }

  /** Resolves when the gate is open. @throws the signal's reason */
  async wait(signal: AbortSignal): Promise<void> {
    while (this.#closed) {
      const left = this.#openAtMs - this.#clock.monotonicMs()
      if (left <= 0) {
        this.#closed = false
        this.#let = 0
        this.#didWell = 0
        break
      }
      await this.#clock.sleep(left + this.#random() * this.#pauseMs() * 0.25, signal)
    }
    this.#let += 1
  }

  #pauseMs(): number {
    return Math.min(this.#pauseMaxMs, initialMs * 2 ** Math.max(0, Math.ceil(this.#level) - 1))
  }
}
