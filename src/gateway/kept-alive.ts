// Why: a request that takes minutes is given up by clients and proxies if nothing is heard of it.
// How: blanks are sent, which both XML and JSON allow before a document. With the first one the
// status is sent, too, so what fails then can be told in the document only, or not at all.
import type { ServerResponse } from 'node:http'
import type { Clock } from '../base/clock.ts'

/** Sends signs of life until it is ended. */
export class KeptAlive {
  readonly #response: ServerResponse
  readonly #begin: () => void
  readonly #clock: Pick<Clock, 'schedule'>
  readonly #intervalMs: number
  #cancel: () => void
  #hasBegun = false

  /** @param begin sends the head of the answer; called before the first blank */
  constructor(response: ServerResponse, begin: () => void, clock: Pick<Clock, 'schedule'>, intervalMs: number) {
    this.#response = response
    this.#begin = begin
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#cancel = this.#arm()
  }

  /** Whether the head of the answer was sent. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  end(): void {
    this.#cancel()
  }

  #arm(): () => void {
    return this.#clock.schedule(this.#intervalMs, () => {
      if (this.#response.destroyed) return
      if (!this.#hasBegun) {
        this.#hasBegun = true
        this.#begin()
      }
      this.#response.write(' ')
      this.#cancel = this.#arm()
    })
  }
}
