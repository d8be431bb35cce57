// Why: which block is the coldest is the cache's policy, and must be cheap to know at a million
// blocks. How: one contract; each tier has an annotator of its own, and all of a store share one
// logical clock, so that what one says about a block can be handed to another when the block moves
// to another tier.

/** Counts touches: +1 each. The unit of time of every annotator. */
export class TouchClock {
  #now = 0

  get now(): number {
    return this.#now
  }

  tick(): number {
    return (this.#now += 1)
  }
}

/**
 * What is known of a block's past. Only annotators of one kind and one clock understand each
 * other's.
 */
export interface BlockMark {
  /** Reading of the clock at the last touch. */
  readonly touchedAt: number
  /**
   * What earlier touches are still worth; see lrfu-annotator.ts. 0 where only the last one counts.
   */
  readonly earlier: number
}

export interface BlockAnnotator {
  readonly size: number
  /** A new block; counts as a touch. One that is known already is touched. */
  add(blockId: number): void
  /** Of a block that is not known: nothing happens. */
  touch(blockId: number): void
  /** Forgets the block, and returns what was known of it. */
  remove(blockId: number): BlockMark | undefined
  /** A block comes from another annotator, with its past; no touch. It must not be known. */
  adopt(blockId: number, mark: BlockMark): void
  /**
   * The blocks, coldest first, each found when it is asked for: who refuses a victim asks for the
   * next. The annotator must not change while one iterates.
   */
  coldestFirst(): Iterable<number>
}
