// Why: a small block that is read again and again costs three trips to the thread pool of its
// worker, and a request where the worker is another process: much more than its bytes. How: blocks
// that were read twice within a short time are kept in memory, the least recently used one goes
// first. A block id names one version of some bytes for ever, and is asked for only after the
// master said that a worker has it; what is expected of the block must be the same, too. The
// checksum of the bytes is compared at each read. After a short time a block is read from its
// worker again: so the worker hears which blocks are in use, and does not evict them.
import { throwIfAborted, type Clock } from '../../base/clock.ts'
import { crc32 } from '../../base/checksum/crc32.ts'
import type { ExpectedBlock } from '../../base/expected-block.ts'
import type { ByteRange, DataClient } from '../../wire/data/data-client.ts'

/** Larger blocks are not kept. */
const blockBytesMax = 128 * 1024
/** After this time a block is read from its worker again. */
const keepMs = 10_000
/** Blocks whose last read is remembered. */
const seenBlocksMax = 20_000

export interface SmallBlockCacheOptions {
  readonly data: Pick<DataClient, 'read'>
  readonly clock: Pick<Clock, 'monotonicMs'>
  /** Memory of all blocks. 0: none are kept. */
  readonly bytesMax: number
}

interface KeptBlock {
  readonly bytes: Uint8Array
  readonly checksum: number
  readonly expected: ExpectedBlock
  readonly readMs: number
}

export class SmallBlockCache implements Pick<DataClient, 'read'> {
  readonly #options: SmallBlockCacheOptions
  /** In the order of their last use. */
  readonly #blocks = new Map<number, KeptBlock>()
  #bytes = 0
  /** When blocks were read from their workers, the oldest read first. */
  readonly #seenMs = new Map<number, number>()

  constructor(options: SmallBlockCacheOptions) {
    this.#options = options
  }

  get usedBytes(): number {
    return this.#bytes
  }

  /**
   * The bytes of a range of a block that is in memory, which must not be changed. Undefined: read
   * them.
   */
  kept(blockId: number, expected: ExpectedBlock, { offset, length }: ByteRange): Uint8Array | undefined {
    if (expected.length > blockBytesMax) return undefined
    const kept = this.#kept(blockId, expected)
    const isInside = kept !== undefined && offset >= 0 && length > 0 && offset + length <= kept.length
    return isInside ? kept.subarray(offset, offset + length) : undefined
  }

  /** See DataClient.read. */
  async *read(
    address: string,
    blockId: number,
    range: ByteRange,
    signal: AbortSignal,
    expected?: ExpectedBlock,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { data, bytesMax } = this.#options
    const read = data.read(address, blockId, range, signal, expected)
    if (expected === undefined || expected.length > Math.min(blockBytesMax, bytesMax)) return yield* read
    const { offset, length } = range
    const kept = this.kept(blockId, expected, range)
    if (kept !== undefined) {
      throwIfAborted(signal)
      // Chunks are the reader's.
      yield kept.slice()
      return
    }
    const isWanted = offset === 0 && length === expected.length && this.#isSeenAgain(blockId)
    if (!isWanted) return yield* read
    const bytes = new Uint8Array(length)
    let at = 0
    for await (const chunk of read) {
      if (chunk.length <= length - at) bytes.set(chunk, at)
      at += chunk.length
      yield chunk
    }
    if (at === length) this.#keep(blockId, bytes, expected)
  }

  #kept(blockId: number, expected: ExpectedBlock): Uint8Array | undefined {
    const block = this.#blocks.get(blockId)
    if (block === undefined) return undefined
    const isOld = this.#options.clock.monotonicMs() - block.readMs >= keepMs
    if (isOld || !isSame(block.expected, expected) || crc32(block.bytes) !== block.checksum) {
      this.#drop(blockId, block)
      return undefined
    }
    this.#blocks.delete(blockId)
    this.#blocks.set(blockId, block)
    return block.bytes
  }

  /** Whether the block was read a short time ago; notes this read. */
  #isSeenAgain(blockId: number): boolean {
    const nowMs = this.#options.clock.monotonicMs()
    const seenMs = this.#seenMs.get(blockId)
    this.#seenMs.delete(blockId)
    this.#seenMs.set(blockId, nowMs)
    const [oldest] = this.#seenMs.keys()
    if (this.#seenMs.size > seenBlocksMax && oldest !== undefined) this.#seenMs.delete(oldest)
    return seenMs !== undefined && nowMs - seenMs < 6 * keepMs
  }

  #keep(blockId: number, bytes: Uint8Array, expected: ExpectedBlock): void {
    const before = this.#blocks.get(blockId)
    if (before !== undefined) this.#drop(blockId, before)
    const readMs = this.#options.clock.monotonicMs()
    this.#blocks.set(blockId, { bytes, checksum: crc32(bytes), expected: { ...expected }, readMs })
    this.#bytes += bytes.length
    for (const [other, block] of this.#blocks) {
      if (this.#bytes <= this.#options.bytesMax) return
      this.#drop(other, block)
    }
  }

  #drop(blockId: number, block: KeptBlock): void {
    this.#blocks.delete(blockId)
    this.#bytes -= block.bytes.length
  }
}

function isSame(one: ExpectedBlock, other: ExpectedBlock): boolean {
  return (
    one.namespaceId === other.namespaceId &&
    one.key === other.key &&
    one.etag === other.etag &&
    one.length === other.length &&
    one.offset === other.offset
  )
}
