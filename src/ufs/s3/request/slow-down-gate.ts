// Why: a bucket that says SlowDown means everyone, and a request that backs off alone leaves the
// others pushing. How: one gate per bucket. An answer of SlowDown closes it for a while that
// doubles with each round in which it is said again; everyone waits at the gate, and they start
// again spread over time rather than all at once.
import type { Clock, Random } from '../../../base/clock.ts'
import type { SkeinError } from '../../../base/errors.ts'
import { slowDownReason } from '../../trust/s3-errors.ts'

const initialMs = 100
const levelMax = 8
/** Of a round, by one success. */
const workedOff = 0.1
/** With more, the first answers of a round say enough. */
const fewRequests = 2 / workedOff

export class SlowDownGate {
  readonly #clock: Clock
  readonly #random: Random
  readonly #pauseMaxMs: number
  #level = 0
  #openAtMs = 0
  /** Those that waited and were let through when it opened last, and how many of them did well. */
  #let = 0
  #didWell = 0
  #closed = false
  #slowDowns = 0

  constructor(clock: Clock, random: Random, pauseMaxMs = 20_000) {
    this.#clock = clock
    this.#random = random
    this.#pauseMaxMs = pauseMaxMs
  }

  /** Whether requests have to wait now. Cheap: for the path where nothing is wrong. */
  get closed(): boolean {
    return this.#closed
  }

  get isSlow(): boolean {
    return this.#level > 0
  }

  /** Rounds of SlowDown that have not been worked off; 0 when all is well. */
  get level(): number {
    return this.#level
  }

  /** How often the bucket has said it. */
  get slowDowns(): number {
    return this.#slowDowns
  }

  /**
   * Closes the gate. Answers to requests that were sent before it closed belong to the same round.
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
   * Tells the gate what came of a request that failed: an answer that is wrong otherwise, or a
   * refusal for good, is no wish for less; of a store that is not well nobody knows.
   */
  failed({ code, reason, retryable }: SkeinError): void {
    if (reason === slowDownReason) this.slowDown()
    else if ((!retryable || reason !== undefined) && code !== 'cancelled') this.succeeded()
  }

  /**
   * Tells the gate that the bucket answered well; each success of an open gate works a little of
   * the rounds off. Of a round of few requests half the answers do: a store that refuses some of
   * them would else be asked more and more rarely.
   */
  succeeded(): void {
    if (this.#level === 0) return
    const isOfFew = this.#didWell < this.#let && this.#let <= fewRequests
    if (isOfFew) this.#didWell += 1
    else if (this.#closed) return
    this.#level = Math.max(0, this.#level - (isOfFew ? 2 / this.#let : workedOff))
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
