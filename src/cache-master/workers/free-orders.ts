// Why: a worker learns from its heartbeats which blocks it should delete, and an answer may get
// lost. How: each block is told with several heartbeats, until a report of the worker names it or
// it was told often enough; a long list goes round.
const freeBlocksPerHeartbeatMax = 10_000
/** Until the worker says that it is gone; the bound is for one that never does. */
const freeTellings = 60
/**
 * To a worker that does not number its reports: telling for long would delete what was loaded
 * again.
 */
const freeTellingsUnnumbered = 3

/** Of one worker. */
export class FreeOrders {
  /** Blocks it should delete -> how often it may still be told. */
  readonly #left = new Map<number, number>()

  get size(): number {
    return this.#left.size
  }

  add(blockId: number): void {
    this.#left.set(blockId, freeTellings)
  }

  /** A report named the block. */
  done(blockId: number): void {
    this.#left.delete(blockId)
  }

  /** What one heartbeat is answered. @param isNumbered whether the worker numbers its reports */
  tell(isNumbered: boolean): number[] {
    const told: [blockId: number, tellings: number][] = []
    for (const entry of this.#left) {
      if (told.length === freeBlocksPerHeartbeatMax) break
      told.push(entry)
    }
    for (const [blockId, tellings] of told) {
      // Set anew behind the others, so that a long list goes round.
      this.#left.delete(blockId)
      const left = (isNumbered ? tellings : Math.min(tellings, freeTellingsUnnumbered)) - 1
      if (left > 0) this.#left.set(blockId, left)
    }
    return told.map(([blockId]) => blockId)
  }
}
