// Why: the master may name thousands of blocks to free in one answer, and neither heartbeats nor reports may wait for the
// disk. How: a set of ids and a few lanes that empty it.
import { toSkeinError } from '../base/errors.ts'
import type { BlockStore } from '../block/block-store.ts'
import type { Logger } from '../telemetry/logger.ts'

const lanesMax = 8

export class BlockFreer {
  readonly #store: Pick<BlockStore, 'free'>
  readonly #logger: Logger
  readonly #waiting = new Set<number>()
  readonly #lanes = new Set<Promise<void>>()

  constructor(store: Pick<BlockStore, 'free'>, logger: Logger) {
    this.#store = store
    this.#logger = logger
  }

  /** Frees these blocks soon; ids that the store does not have are fine. Does not wait. */
  add(blockIds: readonly number[]): void {
    for (const blockId of blockIds) this.#waiting.add(blockId)
    while (this.#lanes.size < Math.min(lanesMax, this.#waiting.size)) {
      const lane: Promise<void> = this.#empty().finally(() => this.#lanes.delete(lane))
      this.#lanes.add(lane)
    }
  }

  /** Resolves when nothing is left to free. */
  async idle(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all(this.#lanes)
  }

  async #empty(): Promise<void> {
    // Lets `add` make its lanes before the first id is taken.
    await Promise.resolve()
    for (const blockId of this.#waiting) {
      this.#waiting.delete(blockId)
      try {
        await this.#store.free(blockId)
      } catch (thrown) {
        this.#logger.warn('a block could not be freed', { blockId, error: toSkeinError(thrown).message })
      }
    }
  }
}
