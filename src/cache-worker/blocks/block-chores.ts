// Why: one answer of the master can name thousands of blocks to free or to release, and neither
// heartbeats nor reports may wait for the disk. How: a set of block ids and a few lanes that work
// it off in the background.
import { toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'

const lanesMax = 8

export interface BlockChore {
  /** Completes the log message "a block could not be ...". */
  readonly what: string
  /** Idempotent. Ids that the store does not have are allowed. */
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

  /** Queues these blocks. Does not wait. */
  add(blockIds: readonly number[]): void {
    for (const blockId of blockIds) this.#waiting.add(blockId)
    this.#makeLanes()
  }

  /** Removes a block from the queue. A block that is already being processed is not stopped. */
  cancel(blockId: number): void {
    this.#waiting.delete(blockId)
  }

  /** Resolves when the queue is empty. */
  async idle(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all(this.#lanes)
  }

  #makeLanes(): void {
    while (this.#lanes.size < Math.min(lanesMax, this.#waiting.size)) {
      const lane: Promise<void> = this.#empty().finally(() => {
        this.#lanes.delete(lane)
        // An id that was added after the lane's last check still needs a lane.
        this.#makeLanes()
      })
      this.#lanes.add(lane)
    }
  }

  async #empty(): Promise<void> {
    // Lets `add` start all lanes before the first id is taken.
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
