// Why: the master may name thousands of blocks to free or to release in one answer, and neither
// heartbeats nor reports may wait for the disk. How: a set of ids and a few lanes that empty it.
import { toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'

const lanesMax = 8

export interface BlockChore {
  /** For the log: a block could not be `what`. */
  readonly what: string
  /** Idempotent; ids that the store does not have are fine. */
  readonly act: (blockId: number) => Promise<unknown>
}

export class BlockChores {
  readonly #chore: BlockChore
  readonly #logger: Logger
  readonly #waiting = new Set<number>()
  readonly #lanes = new Set<Promise<void>>()

  constructor(chore: BlockChore, logger: Logger) {
    this.#chore = chore
    this.#logger = logger
  }

  /** Does it to these blocks soon. Does not wait. */
  add(blockIds: readonly number[]): void {
    for (const blockId of blockIds) this.#waiting.add(blockId)
    this.#makeLanes()
  }

  /** Does it to a block no more, unless it is being done. */
  cancel(blockId: number): void {
    this.#waiting.delete(blockId)
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all(this.#lanes)
  }

  #makeLanes(): void {
    while (this.#lanes.size < Math.min(lanesMax, this.#waiting.size)) {
      const lane: Promise<void> = this.#empty().finally(() => {
        this.#lanes.delete(lane)
        // An id may have come after the lane's last look, and have counted on it.
        this.#makeLanes()
      })
      this.#lanes.add(lane)
    }
  }

  async #empty(): Promise<void> {
    // Lets `add` make its lanes before the first id is taken.
    await Promise.resolve()
    for (const blockId of this.#waiting) {
      this.#waiting.delete(blockId)
      try {
        await this.#chore.act(blockId)
      } catch (thrown) {
        this.#logger.warn(`a block could not be ${this.#chore.what}`, { blockId, error: toSkeinError(thrown).message })
      }
    }
  }
}
