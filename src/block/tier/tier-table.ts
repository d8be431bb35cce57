// Why: which tier each block is in, who reads it, and how cold it is: asked at every turn, and
// decided nowhere else. How: pure bookkeeping, one entry a block, one annotator a tier. A block is
// in the table while a reader can find it.
import { assert } from '../../base/assert.ts'
import type { BlockAnnotator } from './order/annotator.ts'
import type { KeptBlock } from '../block-store.ts'
import { type Load, withLoad } from './running-loads.ts'

/** One life of one block. */
export interface TierBlock {
  header: KeptBlock
  /** The loads that wrote it or found it, and count on it while they run. */
  load: Load | undefined
  level: number
  /** Open ones, and those being opened. */
  readers: number
  /** Under way; resolves when it is over, however it ended. */
  move: { readonly to: number; readonly done: Promise<unknown> } | undefined
}

interface TierRow {
  readonly annotator: BlockAnnotator
  bytes: number
}

export class TierTable {
  readonly #rows: readonly TierRow[]
  readonly #blocks = new Map<number, TierBlock>()
  /** Also of blocks that are not here yet. */
  readonly #pinned = new Set<number>()

  constructor(levels: number, makeAnnotator: () => BlockAnnotator) {
    this.#rows = Array.from({ length: levels }, () => ({ annotator: makeAnnotator(), bytes: 0 }))
  }

  get blockCount(): number {
    return this.#blocks.size
  }

  get(blockId: number): TierBlock | undefined {
    return this.#blocks.get(blockId)
  }

  /** Whether this life of the block is still to be found. */
  has(block: TierBlock): boolean {
    return this.#blocks.get(block.header.blockId) === block
  }

  *headers(): IterableIterator<KeptBlock> {
    for (const block of this.#blocks.values()) yield block.header
  }

  /** Of the blocks in a tier. */
  bytes(level: number): number {
    return this.#row(level).bytes
  }

  add(header: KeptBlock, level: number, load?: Load): void {
    assert(!this.#blocks.has(header.blockId), `block ${header.blockId} is in two tiers`)
    this.#blocks.set(header.blockId, { header, load, level, readers: 0, move: undefined })
    const row = this.#row(level)
    row.annotator.add(header.blockId)
    row.bytes += header.length
  }

  drop(block: TierBlock): void {
    const { blockId, length } = block.header
    assert(this.#blocks.delete(blockId), `block ${blockId} is dropped twice`)
    const row = this.#row(block.level)
    row.annotator.remove(blockId)
    row.bytes -= length
  }

  /** The block is found in another tier from now on; its past goes with it. */
  changeLevel(block: TierBlock, to: number): void {
    const { blockId, length } = block.header
    const [from, target] = [this.#row(block.level), this.#row(to)]
    const mark = from.annotator.remove(blockId)
    assert(mark !== undefined, `block ${blockId} is not where it is said to be`)
    target.annotator.adopt(blockId, mark)
    from.bytes -= length
    target.bytes += length
    block.level = to
  }

  /** A load counts on the block from now on. */
  hold(block: TierBlock, load: Load): void {
    block.load = withLoad(block.load, load)
  }

  touch(block: TierBlock): void {
    this.#row(block.level).annotator.touch(block.header.blockId)
  }

  /** A durable block is a usual one from now on. */
  release(block: TierBlock): void {
    block.header = { ...block.header, durable: undefined }
  }

  setPinned(blockId: number, pinned: boolean): void {
    if (pinned) this.#pinned.add(blockId)
    else this.#pinned.delete(blockId)
  }

  isPinned(blockId: number): boolean {
    return this.#pinned.has(blockId)
  }

  /** Whether the block may go down a tier. */
  isMovable({ header, readers, move }: TierBlock): boolean {
    return readers === 0 && move === undefined && header.durable !== true && !this.#pinned.has(header.blockId)
  }

  /** What a running load counts on may be moved, not deleted. */
  isDeletable(block: TierBlock): boolean {
    return this.isMovable(block) && block.load?.isRunning !== true
  }

  /** The blocks of a tier that may be moved, coldest first. The table must not change meanwhile. */
  *movable(level: number): IterableIterator<TierBlock> {
    for (const blockId of this.#row(level).annotator.coldestFirst()) {
      const block = this.#blocks.get(blockId)
      if (block !== undefined && this.isMovable(block)) yield block
    }
  }

  #row(level: number): TierRow {
    const row = this.#rows[level]
    assert(row !== undefined, `there is no tier ${level}`)
    return row
  }
}
