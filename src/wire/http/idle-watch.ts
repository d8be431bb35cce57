// Why: a peer that stops in the middle of a body must not block a task or a connection forever, and
// a slow consumer on our side must not count as a silent peer. How: the owner marks when it waits
// for the peer. One timer is enough, instead of one per chunk, and none for who never waits.
import type { Clock } from '../../base/clock.ts'

/** Calls `onIdle` once when a wait between `begin` and `end` lasts `idleMs`. */
export class IdleWatch {
  readonly #clock: Clock
  readonly #idleMs: number
  readonly #onIdle: () => void
  #waitingSinceMs: number | undefined
  #movedBytes = 0
  #cancelTimer: (() => void) | undefined
  #isStopped = false

  constructor(clock: Clock, idleMs: number, onIdle: () => void) {
    this.#clock = clock
    this.#idleMs = idleMs
    this.#onIdle = onIdle
  }

  begin(): void {
    this.#waitingSinceMs = this.#clock.monotonicMs()
    if (!this.#isStopped) this.#cancelTimer ??= this.#arm(this.#idleMs)
  }

  end(): void {
    this.#waitingSinceMs = undefined
  }

  /** Whether the owner is waiting for the peer now. */
  get isWaiting(): boolean {
    return this.#waitingSinceMs !== undefined
  }

  /** Bytes received from or sent to the peer so far. */
  get movedBytes(): number {
    return this.#movedBytes
  }

  moved(bytes: number): void {
    this.#movedBytes += bytes
  }

  /** Stops the watch permanently. */
  stop(): void {
    this.#isStopped = true
    this.#cancelTimer?.()
  }

  #arm(ms: number): () => void {
    return this.#clock.schedule(ms, () => {
      const leftMs =
        this.#waitingSinceMs === undefined
          ? this.#idleMs
          : this.#waitingSinceMs + this.#idleMs - this.#clock.monotonicMs()
      if (leftMs <= 0) this.#onIdle()
      else this.#cancelTimer = this.#arm(Math.ceil(leftMs))
    })
  }
}
