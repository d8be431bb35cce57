// Why: a block that was freed, or found rotten, must not come back with a restart, also when the
// disk was full just then. How: it is out of sight at once; a tombstone is appended for it, and
// then its bytes are given back. A tombstone that could not be written is owed, and written after a
// later write that succeeds.
import type { BlockEntry, BlockLedger } from './block-ledger.ts'
import type { DirectoryStoreDependencies } from '../disk/directory-options.ts'
import { encodeTombstone } from './segment-record.ts'
import type { SegmentRoom } from './segment-room.ts'
import type { SegmentTable } from './segment-table.ts'
import type { SegmentWriter } from './segment-writer.ts'

interface BlockRemovalsDependencies extends Pick<DirectoryStoreDependencies, 'events' | 'logger' | 'metrics'> {
  readonly ledger: Pick<BlockLedger, 'beginRemoval' | 'end' | 'get'>
  readonly table: SegmentTable
  readonly writer: SegmentWriter
  readonly room: Pick<SegmentRoom, 'chargeHeads'>
  /** Of the directory, for the log. */
  readonly path: string
  readonly isClosed: () => boolean
}

export class BlockRemovals {
  readonly #deps: BlockRemovalsDependencies
  /** Removed blocks whose tombstone could not be written. */
  readonly #owed = new Set<number>()

  constructor(deps: BlockRemovalsDependencies) {
    this.#deps = deps
  }

  /**
   * Out of sight at once; resolves when a restart will not find it and its bytes are given back.
   * Does not throw.
   */
  remove(entry: BlockEntry, why: 'freed' | 'corrupt'): Promise<void> {
    const { blockId } = entry.header
    if (entry.place !== undefined) {
      this.#deps.table.addDead(entry.place, blockId, true)
      this.#deps.room.chargeHeads(entry.header.length - entry.place.bytes)
    }
    const removal = this.bury(blockId)
      .catch((thrown: unknown) => {
        this.owe(blockId)
        this.#deps.logger.warn('a freed block could not be marked as such; trying again with the next write', {
          blockId,
          error: thrown,
        })
      })
      .then(() => this.#deps.ledger.end(entry))
    this.#deps.ledger.beginRemoval(entry, removal)
    this.#deps.events.removed(blockId, why)
    return removal
  }

  /** Drops a block whose record is rotten. @param key of the bytes that were asked for */
  async dropBroken(entry: BlockEntry, key?: string): Promise<void> {
    // The reader may be older than the block, and after close the directory may be a successor's.
    if (entry.mode !== 'committed' || this.#deps.isClosed()) return
    const { logger, metrics, path } = this.#deps
    logger.warn('a broken block was dropped', {
      blockId: entry.header.blockId,
      key,
      path,
      why: 'corrupt',
    })
    metrics.add('skein_worker_blocks_removed_total', 1, { reason: 'corrupt' })
    await this.remove(entry, 'corrupt')
  }

  /** Writes a tombstone. */
  bury(blockId: number): Promise<void> {
    const sequence = this.#deps.table.nextSequence()
    const head = encodeTombstone(sequence, blockId)
    return new Promise((resolve, reject) => {
      this.#deps.writer.append({
        head,
        data: [],
        bytes: head.length,
        written: ({ segment }) => {
          this.#deps.table.addTombstone(segment, blockId, sequence, false, head.length)
          resolve()
        },
        failed: reject,
      })
    })
  }

  /** It could not be written now: `writeOwed` tries again. */
  owe(blockId: number): void {
    this.#owed.add(blockId)
  }

  /** Writes those that are owed. */
  writeOwed(): void {
    for (const blockId of this.#owed) {
      this.#owed.delete(blockId)
      // A block that was written again since has a higher number than any record that the tombstone
      // was for.
      if (this.#deps.ledger.get(blockId) === undefined) this.bury(blockId).catch(() => this.#owed.add(blockId))
    }
  }
}
