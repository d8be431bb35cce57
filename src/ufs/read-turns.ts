// Why: one turn of the event loop reads all that has arrived on all connections. At full speed that
// is tens of megabytes, and everything else in the process (calls, readers, heartbeats) waits for
// it. How: each turn has a byte budget. Once the budget is spent, each connection may make one more
// small read and is then paused until the next turn, which begins after all other work.

/** The maximum read once the budget is spent. */
const lateReadBytes = 64 * 1024

export class ReadTurns {
  readonly #turnBytes: number
  #left: number
  #ending = false
  #held: (() => void)[] = []

  constructor(turnBytes = Number.POSITIVE_INFINITY) {
    this.#turnBytes = turnBytes
    this.#left = turnBytes
  }

  /** The maximum bytes of the next read. */
  get readBytesMax(): number {
    return Math.max(lateReadBytes, this.#left)
  }

  /** Counts bytes that were read. Returns false when the budget of the turn is spent. */
  spend(bytes: number): boolean {
    if (this.#turnBytes === Number.POSITIVE_INFINITY) return true
    this.#left -= bytes
    if (!this.#ending) {
      this.#ending = true
      setImmediate(this.#end)
    }
    return this.#left > 0
  }

  /** Calls `goOn` when the next turn begins. */
  next(goOn: () => void): void {
    this.#held.push(goOn)
  }

  readonly #end = (): void => {
    this.#left = this.#turnBytes
    this.#ending = false
    const held = this.#held
    this.#held = []
    for (const goOn of held) goOn()
  }
}
