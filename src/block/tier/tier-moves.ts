// Why: a block changes its tier without ever being out of sight. How: within the contract of both
// stores: it is read, checked page by page, reserved and written in the new tier, committed there,
// and only then freed in the old one.
//
// The commit is the turning point: the store turns readers to the new copy in the same instant,
// without waiting. A reader of the old copy reads on. A crash leaves the old copy alone, or two
// equal ones, of which the next start keeps the upper. A block that is freed meanwhile goes in both
// tiers; no new life of it begins before the move is over.
import { assert } from '../../base/assert.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { BlockReader, BlockStore } from '../block-store.ts'
import type { TierBlock, TierTable } from './tier-table.ts'

/** Blocks up to this size are written in one piece. */
const putBytesMax = 1024 * 1024

export interface TierMoverOptions {
  readonly tiers: readonly BlockStore[]
  readonly table: TierTable
  /** Ends the moves at their next page. */
  readonly signal: AbortSignal
  /** A move found the disk of this tier full. */
  readonly diskWasFull: (level: number) => void
  readonly logger: Logger
}

export class TierMover {
  readonly #options: TierMoverOptions
  readonly #moves = new Set<Promise<boolean>>()

  constructor(options: TierMoverOptions) {
    this.#options = options
  }

  /**
   * Moves a block that nothing else is done with. False: it stays where it was, or is gone. Does
   * not throw.
   */
  move(block: TierBlock, to: number): Promise<boolean> {
    assert(block.move === undefined && block.level !== to, `block ${block.header.blockId} is moved twice`)
    const { promise: over, resolve } = Promise.withResolvers<boolean>()
    block.move = { to, done: over }
    this.#moves.add(over)
    void this.#move(block, to).then((moved) => {
      block.move = undefined
      this.#moves.delete(over)
      resolve(moved)
    })
    return over
  }

  /** Moves that are not over. */
  get underWay(): number {
    return this.#moves.size
  }

  /** Resolves when one of them is. */
  async oneDone(): Promise<void> {
    await Promise.race(this.#moves)
  }

  async #move(block: TierBlock, to: number): Promise<boolean> {
    const { table, logger } = this.#options
    const { blockId } = block.header
    const from = block.level
    try {
      const reader = await this.#tier(from).open(blockId)
      try {
        await this.#copy(block, reader, this.#tier(to))
      } finally {
        await reader.close()
      }
      if (table.has(block)) {
        // The new directory may have failed in the very same moment.
        if (block.level !== to) return false
        await this.#tier(from).free(blockId)
        return true
      }
      await Promise.all([this.#tier(from).free(blockId), this.#tier(to).free(blockId)])
    } catch (thrown) {
      const { code, reason, message } = toSkeinError(thrown)
      if (reason === 'disk_full') this.#options.diskWasFull(to)
      logger.debug('a block stays in its tier', { blockId, from, to, code, reason, message })
    }
    return false
  }

  async #copy(block: TierBlock, reader: BlockReader, target: BlockStore): Promise<void> {
    const header = { ...reader.header, durable: block.header.durable }
    const { signal } = this.#options
    if (header.length <= putBytesMax) {
      const bytes = await reader.read(0, header.length, signal)
      this.#mustBeWanted(block)
      await target.put(header, bytes)
      return
    }
    const reservation = await target.reserve(header)
    try {
      for (let at = 0; at < header.length; at += pageBytes) {
        const page = await reader.read(at, Math.min(pageBytes, header.length - at), signal)
        this.#mustBeWanted(block)
        await reservation.write(page)
      }
      this.#mustBeWanted(block)
      await reservation.commit()
    } catch (thrown) {
      await reservation.abort()
      throw thrown
    }
  }

  #mustBeWanted(block: TierBlock): void {
    if (!this.#options.table.has(block))
      throw new SkeinError('aborted', `block ${block.header.blockId} was freed while it was moved`)
  }

  #tier(level: number): BlockStore {
    const tier = this.#options.tiers[level]
    assert(tier !== undefined, `there is no tier ${level}`)
    return tier
  }
}
