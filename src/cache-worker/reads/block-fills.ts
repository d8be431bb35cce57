// Why: bytes that are read through this worker are cached for the next reader. How: one fill per
// block at a time; further readers of the block join it. All fills share a memory budget. A block
// that gets no share of it is read without being cached.
import { Budget } from '../../base/flow/budget.ts'
import type { Clock } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { BlockHeader, BlockStore } from '../../block/block-store.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { BlockFill } from './block-fill.ts'
import { FillSink } from './fill-sink.ts'

export interface BlockFillsOptions {
  readonly store: Pick<BlockStore, 'reserve' | 'put'>
  readonly clock: Clock
  readonly logger: Logger
  /** Bytes that one fill may hold. Default: 16 MiB. */
  readonly windowBytes?: number
  /** Bytes that all fills together may hold. Default: 128 MiB. */
  readonly bytesMax?: number
  /** See BlockFillOptions. Default: 10 s. */
  readonly patienceMs?: number
}

export class BlockFills {
  readonly #options: BlockFillsOptions
  readonly #windowBytes: number
  readonly #bytes: Budget
  readonly #fills = new Map<number, BlockFill>()
  readonly #running = new Set<Promise<void>>()
  #closed = false

  constructor(options: BlockFillsOptions) {
    this.#options = options
    this.#windowBytes = options.windowBytes ?? 16 * 1024 * 1024
    this.#bytes = new Budget('bytes of blocks being filled', options.bytesMax ?? 128 * 1024 * 1024)
  }

  /** The fill of this block that is in progress, if any. */
  underWay(blockId: number): BlockFill | undefined {
    const fill = this.#fills.get(blockId)
    return fill?.isOpen === true ? fill : undefined
  }

  /**
   * Starts to fill a block that is not in the store and not being filled. `origin` reads all its
   * bytes. The caller must read from the fill at once: a fill without readers ends. Undefined:
   * there is no memory for the fill.
   */
  begin(header: BlockHeader, origin: (signal: AbortSignal) => AsyncIterable<Uint8Array>): BlockFill | undefined {
    const share = this.#closed ? undefined : this.#bytes.tryAcquire(Math.min(header.length, this.#windowBytes))
    if (share === undefined) return undefined
    const { store, clock, patienceMs = 10_000 } = this.#options
    const windowBytes = this.#windowBytes
    const sink = new FillSink(store, header, windowBytes)
    const fill = new BlockFill({
      header,
      origin,
      sink,
      windowBytes,
      patienceMs,
      clock,
      released: () => share.release(),
    })
    this.#fills.set(header.blockId, fill)
    const running: Promise<void> = this.#run(fill, sink).finally(() => this.#running.delete(running))
    this.#running.add(running)
    return fill
  }

  /** Ends all fills. No partial block remains. */
  async close(): Promise<void> {
    this.#closed = true
    for (const fill of this.#fills.values()) fill.stop()
    await Promise.all(this.#running)
  }

  async #run(fill: BlockFill, sink: FillSink): Promise<void> {
    const { blockId } = fill.header
    // Lets the first reader join.
    await Promise.resolve()
    const kept = await fill.run()
    if (this.#fills.get(blockId) === fill) this.#fills.delete(blockId)
    if (!kept && sink.failure !== undefined) {
      const { code, reason, message } = toSkeinError(sink.failure)
      this.#options.logger.debug('a block was read but not cached', { blockId, code, reason, error: message })
    }
  }
}
