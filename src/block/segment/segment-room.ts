// Why: segments take more of a disk than the blocks in them: dead records, heads, what is compacted
// just now. That must stay bounded (segment-limits.ts). How: it is counted from the ledger and the
// table; heads above their share are charged to the quota, and beyond the bound writers wait for
// compaction.
import type { BlockLedger } from './block-ledger.ts'
import type { SegmentCompaction } from './segment-compaction.ts'
import type { SegmentLimits } from './segment-limits.ts'
import type { SegmentTable } from './segment-table.ts'

interface SegmentRoomDependencies {
  readonly ledger: BlockLedger
  readonly table: Pick<SegmentTable, 'wastedBytes'>
  readonly compaction: Pick<SegmentCompaction, 'movedBytes' | 'next'>
  readonly limits: SegmentLimits
  readonly isClosed: () => boolean
}

export class SegmentRoom {
  readonly #deps: SegmentRoomDependencies
  /** Of all blocks that can be read. */
  #headBytes = 0

  constructor(deps: SegmentRoomDependencies) {
    this.#deps = deps
  }

  /** Compaction should not rest. */
  get isUrgent(): boolean {
    return this.#excessBytes() > this.#deps.limits.excessBytes
  }

  /**
   * Undefined: what is reserved has room on the disk. Else resolves when it has, or when compaction
   * can give no more. Never fails.
   */
  untilRoom(): Promise<void> | undefined {
    return this.#isBeyond() ? this.#makeRoom() : undefined
  }

  /** Heads of blocks that came, or (less than 0) went. */
  chargeHeads(moreBytes: number): void {
    // Also in the file beside the segment.
    this.#headBytes += 2 * moreBytes
    this.#deps.ledger.charge(Math.max(0, this.#headBytes - this.#deps.limits.freeHeadBytes))
  }

  #isBeyond(): boolean {
    return this.#excessBytes() > 2 * this.#deps.limits.excessBytes
  }

  /**
   * What is on the disk, or is about to be, above the quota. Of blocks that are compacted one copy
   * counts.
   */
  #excessBytes(): number {
    return (
      this.#deps.ledger.usedBytes +
      this.#deps.table.wastedBytes -
      this.#deps.compaction.movedBytes -
      this.#deps.ledger.quotaBytes
    )
  }

  async #makeRoom(): Promise<void> {
    while (!this.#deps.isClosed() && this.#isBeyond()) if (!(await this.#deps.compaction.next())) return
  }
}
