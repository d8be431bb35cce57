// Why: one turn of the event loop takes in all that has arrived on all connections; at full speed
// that is tens of megabytes, and everything else of the process (calls, readers, heartbeats) waits
// for it. How: a turn has a budget of bytes. Once it is spent, each connection takes one more small
// read and is held back; the next turn begins after everything else had its.

/** Of a read once the budget is spent. */
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

  /** The longest read for now. */
  get readBytesMax(): number {
    return Math.max(lateReadBytes, this.#left)
  }

  /** Counts bytes that were read. False: the turn has had enough. */
  spend(bytes: number): boolean {
    if (this.#turnBytes === Number.POSITIVE_INFINITY) return true
    this.#left -= bytes
    if (!this.#ending) {
      this.#ending = true
      setImmediate(this.#end)
    }
    return this.#left > 0
  }

  /** Calls back when the next turn begins. */
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
