// Why: which blocks a directory has and how many bytes they take, decided in one place without
// waiting, so that two callers can never both get the last bytes or the same block. How: pure
// bookkeeping, no disk.
//
//   (none) --begin--> writing --commit--> committed --beginRemoval--> removing --end--> (none)
//                     writing --end--> (none)
//
// A block's bytes count from `begin` to `end`: reserved + committed + being removed <= quota,
// always. Bytes are the blocks' own, as in GooseFS's quotas, so that a plan that adds up file
// lengths fits exactly; a block's footer (100 to 200 bytes, and 4 for each MiB) and the file
// system's rounding come on top. Who has more than that beside the blocks charges it.
import { assert } from '../../base/assert.ts'
import { SkeinError } from '../../base/errors.ts'
import { checkHeader, type StoredBlock, storedBlock } from '../disk/block-file.ts'
import type { BlockHeader, KeptBlock } from '../block-store.ts'
import type { SegmentPlace } from './segment-file.ts'

/** One life of one block. A block that is freed and written again has a new entry. */
export interface BlockEntry {
  header: StoredBlock
  mode: 'writing' | 'committed' | 'removing' | 'ended'
  /** Resolves when the file is gone; set while `removing`. */
  removal: Promise<void> | undefined
  /** Of a committed block in a segment; undefined for one in a file of its own. */
  place: SegmentPlace | undefined
}

export class BlockLedger {
  readonly quotaBytes: number
  readonly #entries = new Map<number, BlockEntry>()
  #usedBytes = 0
  #reservedBytes = 0
  #overheadBytes = 0
  #committed = 0

  constructor(quotaBytes: number) {
    this.quotaBytes = quotaBytes
  }

  /** Of the blocks. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Of the quota: the blocks, and what had to be charged beside them. */
  get takenBytes(): number {
    return Math.min(this.quotaBytes, this.#usedBytes + this.#overheadBytes)
  }

  /** What is charged beside the blocks' own bytes. */
  charge(overheadBytes: number): void {
    this.#overheadBytes = overheadBytes
  }

  get reservedBytes(): number {
    return this.#reservedBytes
  }

  get freeBytes(): number {
    return this.quotaBytes - this.#usedBytes - this.#overheadBytes
  }

  get committedCount(): number {
    return this.#committed
  }

  get(blockId: number): BlockEntry | undefined {
    return this.#entries.get(blockId)
  }

  /** The entry when the block can be read. */
  committed(blockId: number): BlockEntry | undefined {
    const entry = this.#entries.get(blockId)
    return entry?.mode === 'committed' ? entry : undefined
  }

  /** The committed blocks; the iterator may be used while blocks come and go. */
  *headers(): IterableIterator<KeptBlock> {
    for (const entry of this.#entries.values()) if (entry.mode === 'committed') yield entry.header
  }

  entries(): IterableIterator<BlockEntry> {
    return this.#entries.values()
  }

  /** The removals that are under way. */
  removals(): Promise<void>[] {
    return [...this.#entries.values()].flatMap((entry) => (entry.removal === undefined ? [] : [entry.removal]))
  }

  /**
   * `begin` at once; undefined when the block's last life is still being removed. @throws as
   * checkHeader and begin do
   */
  tryBegin(header: BlockHeader): BlockEntry | undefined {
    checkHeader(header)
    return this.#entries.get(header.blockId)?.mode === 'removing' ? undefined : this.begin(storedBlock(header))
  }

  /**
   * `begin` after the block's last life is removed. @param check called after each wait; what it
   * throws is thrown
   */
  async beginAfterRemoval(header: BlockHeader, check: () => void): Promise<BlockEntry> {
    for (;;) {
      await this.#entries.get(header.blockId)?.removal
      check()
      const entry = this.tryBegin(header)
      if (entry !== undefined) return entry
    }
  }

  /**
   * Takes the block's bytes out of the quota.
   * @throws SkeinError already_exists (`committed` or `being_written`), resource_exhausted
   *   (`no_capacity`)
   */
  begin(header: StoredBlock): BlockEntry {
    const existing = this.#entries.get(header.blockId)
    if (existing !== undefined) throw alreadyExists(existing)
    if (header.length > this.freeBytes) throw noCapacity(header, this.freeBytes)
    const entry: BlockEntry = { header, mode: 'writing', removal: undefined, place: undefined }
    this.#entries.set(header.blockId, entry)
    this.#usedBytes += header.length
    this.#reservedBytes += header.length
    return entry
  }

  /** @param length of the block, where it is shorter than it was begun: the rest is given back */
  commit(entry: BlockEntry, length = entry.header.length): void {
    assert(entry.mode === 'writing', `block ${entry.header.blockId} is committed while ${entry.mode}`)
    const restBytes = entry.header.length - length
    assert(restBytes >= 0, `block ${entry.header.blockId} is longer than it was begun`)
    entry.mode = 'committed'
    this.#reservedBytes -= entry.header.length
    this.#usedBytes -= restBytes
    if (restBytes > 0) entry.header = { ...entry.header, length }
    this.#committed += 1
  }

  /** A durable block is a usual one from now on. */
  release(entry: BlockEntry): void {
    entry.header = { ...entry.header, durable: undefined }
  }

  /** The block is not to be found any more; `removal` resolves when its file is gone. */
  beginRemoval(entry: BlockEntry, removal: Promise<void>): void {
    assert(entry.mode === 'committed', `block ${entry.header.blockId} is removed while ${entry.mode}`)
    entry.mode = 'removing'
    entry.removal = removal
    this.#committed -= 1
  }

  /** Gives the bytes back: an aborted write, or a removal that is done. */
  end(entry: BlockEntry): void {
    assert(
      entry.mode === 'writing' || entry.mode === 'removing',
      `block ${entry.header.blockId} ends while ${entry.mode}`,
    )
    if (entry.mode === 'writing') this.#reservedBytes -= entry.header.length
    entry.mode = 'ended'
    this.#entries.delete(entry.header.blockId)
    this.#usedBytes -= entry.header.length
  }
}

/**
 * The error of a second writer of one block. `being_written` may pass (the first writer may give
 * up), `committed` does not.
 */
export function alreadyExists(entry: {
  readonly header: Pick<KeptBlock, 'blockId'>
  readonly mode: BlockEntry['mode']
}): SkeinError {
  const { blockId } = entry.header
  if (entry.mode === 'committed')
    return new SkeinError('already_exists', `block ${blockId} is in the store already`, { reason: 'committed' })
  return new SkeinError('already_exists', `block ${blockId} is being written`, {
    reason: 'being_written',
    retryable: true,
  })
}

/** The error of a block that finds no room; the message says how many bytes are missing. */
export function noCapacity(header: Pick<KeptBlock, 'blockId' | 'length'>, freeBytes: number): SkeinError {
  const missingBytes = header.length - Math.max(0, freeBytes)
  return new SkeinError(
    'resource_exhausted',
    `no room for block ${header.blockId}: ${missingBytes} bytes are missing; free files or raise the quota`,
    { reason: 'no_capacity' },
  )
}

/** The error of a reader of a block that cannot be read. */
export function blockNotFound(blockId: number): SkeinError {
  return new SkeinError('not_found', `block ${blockId} is not in the store`)
}
