// Why: replicas that the master wants here are fetched from the worker that has them, never from
// the store beneath. How: a bounded list of blocks and a few lanes that empty it: room is reserved
// for what the source says the block is, bytes are written as they come, and only all of them are
// committed. A copy that fails is logged and forgotten: the master tells of it again, and after a
// pause it is tried again. Copies never evict what is cached here.
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockHeader, BlockStore } from '../../block/block-store.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { DataClient } from '../../wire/data/data-client.ts'
import type { CopyBlock } from '../../wire/generated/master.ts'

export interface BlockCopierDependencies {
  readonly store: Pick<BlockStore, 'reserve' | 'has'>
  readonly data: Pick<DataClient, 'readWhole'>
  /** Called for a block that is here already: the master seems not to know. */
  readonly reportAgain: (blockId: number) => void
  readonly clock: Clock
  readonly logger: Logger
  /** Blocks fetched at once, and told of and not yet begun. Default: 4 and 1000. */
  readonly lanesMax?: number
  readonly waitingMax?: number
  /** A block whose copy failed is not tried again for so long. Default: 5 s. */
  readonly failedPauseMs?: number
}

export class BlockCopier {
  readonly #deps: BlockCopierDependencies
  readonly #lanesMax: number
  readonly #waitingMax: number
  readonly #failedPauseMs: number
  readonly #waiting = new Map<number, CopyBlock>()
  readonly #copying = new Set<number>()
  /** Blocks whose copy failed -> when they may be tried again. In that order. */
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
   * Fetches these blocks soon. Does not wait. Blocks that are on their way are passed over, as are
   * those beyond the bound.
   */
  add(copies: readonly CopyBlock[]): void {
    if (this.#closing.signal.aborted) return
    this.#forgetFailures()
    for (const copy of copies) {
      if (this.#copying.has(copy.blockId) || this.#notBeforeMs.has(copy.blockId)) continue
      if (this.#deps.store.has(copy.blockId)) this.#deps.reportAgain(copy.blockId)
      // The source told last is the one that lives.
      else if (this.#waiting.has(copy.blockId) || this.#waiting.size < this.#waitingMax)
        this.#waiting.set(copy.blockId, copy)
    }
    this.#makeLanes()
  }

  /** Ends what is on its way; nothing half written is left. */
  async close(): Promise<void> {
    this.#closing.abort(new SkeinError('cancelled', 'the worker is closing'))
    this.#waiting.clear()
    await Promise.all(this.#lanes)
  }

  #makeLanes(): void {
    while (this.#lanes.size < Math.min(this.#lanesMax, this.#copying.size + this.#waiting.size)) {
      const lane: Promise<void> = this.#empty().finally(() => {
        this.#lanes.delete(lane)
        // A block may have come after the lane's last look, and have counted on it.
        this.#makeLanes()
      })
      this.#lanes.add(lane)
    }
  }

  /** Those whose pause is over, and the oldest beyond the bound. */
  #forgetFailures(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    for (const [blockId, notBeforeMs] of this.#notBeforeMs) {
      if (notBeforeMs > nowMs && this.#notBeforeMs.size <= this.#waitingMax) return
      this.#notBeforeMs.delete(blockId)
    }
  }

  async #empty(): Promise<void> {
    // Lets `add` make its lanes before the first block is taken.
    await Promise.resolve()
    const { logger } = this.#deps
    for (const [blockId, copy] of this.#waiting) {
      this.#waiting.delete(blockId)
      this.#copying.add(blockId)
      try {
        await this.#copy(copy, this.#closing.signal)
      } catch (thrown) {
        const { code, message } = toSkeinError(thrown)
        // Somebody else is writing it, or has: that is what was wanted.
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
      // The source's block may be from before its file was persisted; the master knows what holds
      // now.
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
