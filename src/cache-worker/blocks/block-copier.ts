// Why: replicas that the master wants here are copied from a worker that has them, never read from
// the under file system. How: a bounded queue of blocks and a few lanes. A copy reserves the length
// that the source reports, writes the bytes as they arrive, and commits only a complete block. A
// failed copy is logged and dropped: the master orders it again, and it is retried after a pause.
// Copies never evict cached blocks.
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockHeader, BlockStore } from '../../block/block-store.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { DataClient } from '../../wire/data/data-client.ts'
import type { CopyBlock } from '../../wire/generated/master.ts'

export interface BlockCopierDependencies {
  readonly store: Pick<BlockStore, 'reserve' | 'has'>
  readonly data: Pick<DataClient, 'readWhole'>
  /** Called for a block that is already here, because the master seems not to know it. */
  readonly reportAgain: (blockId: number) => void
  readonly clock: Clock
  readonly logger: Logger
  /** Blocks copied at once, and blocks that wait. Default: 4 and 1000. */
  readonly lanesMax?: number
  readonly waitingMax?: number
  /** How long a block whose copy failed is not retried. Default: 5 s. */
  readonly failedPauseMs?: number
}

export class BlockCopier {
  readonly #deps: BlockCopierDependencies
  readonly #lanesMax: number
  readonly #waitingMax: number
  readonly #failedPauseMs: number
  readonly #waiting = new Map<number, CopyBlock>()
  readonly #copying = new Set<number>()
  /** Blocks whose copy failed -> earliest time of the next try, in that order. */
  readonly #notBeforeMs = new Map<number, number>()
  readonly #lanes = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  constructor(deps: BlockCopierDependencies) {
    this.#deps = deps
    this.#lanesMax = deps.lanesMax ?? 4
    this.#waitingMax = deps.waitingMax ?? 1000
    this.#failedPauseMs = deps.failedPauseMs ?? 5000
  }

  /**
   * Queues these blocks. Does not wait. Blocks that are already queued or being copied are skipped,
   * and so are blocks beyond the bound.
   */
  add(copies: readonly CopyBlock[]): void {
    if (this.#closing.signal.aborted) return
    this.#forgetFailures()
    for (const copy of copies) {
      if (this.#copying.has(copy.blockId) || this.#notBeforeMs.has(copy.blockId)) continue
      if (this.#deps.store.has(copy.blockId)) this.#deps.reportAgain(copy.blockId)
      // A new order for a waiting block may name a newer source, so it replaces the old one.
      else if (this.#waiting.has(copy.blockId) || this.#waiting.size < this.#waitingMax)
        this.#waiting.set(copy.blockId, copy)
    }
    this.#makeLanes()
  }

  /** Aborts copies in progress. No partial block remains. */
  async close(): Promise<void> {
    this.#closing.abort(new SkeinError('cancelled', 'the worker is closing'))
    this.#waiting.clear()
    await Promise.all(this.#lanes)
  }

  #makeLanes(): void {
    while (this.#lanes.size < Math.min(this.#lanesMax, this.#copying.size + this.#waiting.size)) {
      const lane: Promise<void> = this.#empty().finally(() => {
        this.#lanes.delete(lane)
        // A block that was added after the lane's last check still needs a lane.
        this.#makeLanes()
      })
      this.#lanes.add(lane)
    }
  }

  /** Forgets failures whose pause is over, and the oldest ones beyond the bound. */
  #forgetFailures(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const [blockId, notBeforeMs] of this.#notBeforeMs) {
      if (notBeforeMs > nowMs && this.#notBeforeMs.size <= this.#waitingMax) return
      this.#notBeforeMs.delete(blockId)
    }
  }

  async #empty(): Promise<void> {
    // Lets `add` start all lanes before the first block is taken.
    await Promise.resolve()
    const { logger } = this.#deps
    for (const [blockId, copy] of this.#waiting) {
      this.#waiting.delete(blockId)
      this.#copying.add(blockId)
      try {
        await this.#copy(copy, this.#closing.signal)
      } catch (thrown) {
        const { code, message } = toSkeinError(thrown)
        // Another writer is writing the block or has written it, which is as good as a copy.
        if (code === 'already_exists' || this.#closing.signal.aborted) continue
        this.#notBeforeMs.set(blockId, this.#deps.clock.monotonicMs() + this.#failedPauseMs)
        logger.warn('a replica could not be copied', { blockId, from: copy.sourceDataAddress, code, error: message })
      } finally {
        this.#copying.delete(blockId)
      }
    }
  }

  async #copy({ blockId, sourceDataAddress, durable, of }: CopyBlock, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal)
    const download = await this.#deps.data.readWhole(sourceDataAddress, blockId, signal, of)
    try {
      // The source's copy may be older than the persisting of its file. The master knows whether
      // the block is still durable.
      const { durable: _before, ...told } = download.header
      const header: BlockHeader = durable ? { ...told, durable } : told
      const reservation = await this.#deps.store.reserve(header)
      try {
        for await (const chunk of download.chunks) {
          throwIfAborted(signal)
          await reservation.write(chunk)
        }
        throwIfAborted(signal)
        await reservation.commit()
      } catch (thrown) {
        await reservation.abort()
        throw thrown
      }
    } finally {
      download.close()
    }
  }
}
