// Why: a block that nobody reads rots unseen, and is found out when its other copies have rotted
// too. How: now and then all blocks are read, page by page, below the tiers, so that it counts as
// no touch and holds up no eviction. A page that does not match its checksum takes the same way as
// in a read: the block is dropped and reported (page-reader.ts). No faster than a rate, so that
// readers do not notice.
import { abortReason, type Clock, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError } from '../../base/errors.ts'
import { PiecePool } from '../../base/flow/piece-pool.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { BlockReader, BlockStore } from '../block-store.ts'

/** After the start, so that a worker that just came up serves first. */
const firstRestMs = 60_000
/** From one pass to the next: a small cache is not read all day long. */
const restMs = 60 * 60_000
/** Shorter pauses are saved up. */
const pauseMsMin = 20

export interface BlockScrubOptions {
  readonly stores: readonly BlockStore[]
  /** 0: no scrubbing. */
  readonly bytesPerSecond: number
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
}

export interface ScrubPass {
  readonly blocks: number
  readonly bytes: number
  readonly corrupt: number
}

export class BlockScrub {
  readonly #options: BlockScrubOptions
  /** One page at a time is read. */
  readonly #pieces: PiecePool
  readonly #stopping = new AbortController()
  #running: Promise<void> = Promise.resolve()
  /** When what was read so far may have been read, at the rate. */
  #dueMs = 0

  constructor(options: BlockScrubOptions) {
    this.#options = options
    this.#pieces = new PiecePool({ pieceBytes: pageBytes, idleMax: 1, clock: options.clock })
  }

  /** Begins to go round. Does not wait, does not throw. */
  start(): void {
    if (this.#options.bytesPerSecond > 0) this.#rest(firstRestMs)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#cancel()
    await this.#running
  }

  #cancel: () => void = () => undefined

  #rest(ms: number): void {
    if (this.#stopping.signal.aborted) return
    this.#cancel = this.#options.clock.schedule(ms, () => {
      this.#running = this.#goRound()
    })
  }

  async #goRound(): Promise<void> {
    const { logger } = this.#options
    try {
      const pass = await this.pass(this.#stopping.signal)
      logger[pass.corrupt > 0 ? 'warn' : 'info']('all blocks were read and checked', { ...pass })
    } catch (thrown) {
      if (!this.#stopping.signal.aborted)
        logger.warn('checking the blocks was given up until the next time', { error: thrown })
    }
    this.#rest(restMs)
  }

  /** Reads every block that is there now once. @throws the signal's reason */
  async pass(signal: AbortSignal): Promise<ScrubPass> {
    let [blocks, bytes, corrupt] = [0, 0, 0]
    this.#dueMs = this.#options.clock.monotonicMs()
    for (const store of this.#options.stores) {
      for (const blockId of Array.from(store.list(), (header) => header.blockId)) {
        throwIfAborted(signal)
        try {
          bytes += await this.#check(store, blockId, signal)
          blocks += 1
        } catch (thrown) {
          if (signal.aborted) throw abortReason(signal)
          if (isSkeinError(thrown, 'data_loss')) corrupt += 1
          // Freed or moved meanwhile, or a disk that does not answer: not for the scrub to judge.
        }
      }
    }
    return { blocks, bytes, corrupt }
  }

  /** @returns its bytes @throws SkeinError data_loss (it is dropped by then) */
  async #check(store: BlockStore, blockId: number, signal: AbortSignal): Promise<number> {
    const reader: BlockReader = await store.open(blockId)
    const { length } = reader.header
    try {
      for (let at = 0; at < length; at += pageBytes) {
        const page = Math.min(pageBytes, length - at)
        this.#pieces.giveBack(await reader.read(at, page, signal, this.#pieces))
        this.#options.metrics.add('skein_worker_scrubbed_bytes_total', page)
        await this.#pace(page, signal)
      }
    } finally {
      await reader.close()
    }
    return length
  }

  async #pace(bytes: number, signal: AbortSignal): Promise<void> {
    const { clock, bytesPerSecond } = this.#options
    const nowMs = clock.monotonicMs()
    this.#dueMs = Math.max(this.#dueMs, nowMs - 1000) + (bytes / bytesPerSecond) * 1000
    const aheadMs = this.#dueMs - nowMs
    if (aheadMs >= pauseMsMin) await clock.sleep(aheadMs, signal)
  }
}
