// Why: what readers read through this worker stays here for the next one. How: one fill a block at
// a time, joined by whoever wants the block meanwhile; the bytes that fills hold have a bound, and
// a block that has no share of it is read without being kept.
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

  /** The fill of this block that is under way; undefined when there is none. */
  underWay(blockId: number): BlockFill | undefined {
    const fill = this.#fills.get(blockId)
    return fill?.isOpen === true ? fill : undefined
  }

  /**
   * Begins to fill a block that is not in the store and not under way; `origin` gives all its
   * bytes. Somebody must read from it at once: a fill without readers ends. Undefined: there is no
   * memory for it.
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

  /** Ends all fills; nothing half written is left. */
  async close(): Promise<void> {
    this.#closed = true
    for (const fill of this.#fills.values()) fill.stop()
    await Promise.all(this.#running)
  }

  async #run(fill: BlockFill, sink: FillSink): Promise<void> {
    const { blockId } = fill.header
    // Lets its first reader in.
    await Promise.resolve()
    const kept = await fill.run()
    if (this.#fills.get(blockId) === fill) this.#fills.delete(blockId)
    if (!kept && sink.failure !== undefined) {
      const { code, reason, message } = toSkeinError(sink.failure)
      this.#options.logger.debug('a block that was read is not kept', { blockId, code, reason, error: message })
    }
  }
}
