// Why: a worker may fail in the middle of a block, and its writer has the bytes only once. How: the
// chunks that a worker took are kept until the block is committed, as long as the memory for it
// lasts: `keptBytesMax` for one block, and one budget for all blocks of a client. A block that does
// not fit is not kept from then on.
import type { Budget, Share } from '../../base/flow/budget.ts'

/** Of one block: one of the default size (`goosefs.user.block.size.bytes.default`). */
export const keptBytesMax = 128 * 1024 * 1024

export class KeptChunks {
  readonly #budget: Budget
  readonly #bytesMax: number
  #chunks: Uint8Array[] | undefined = []
  #shares: Share[] = []
  #bytes = 0

  constructor(budget: Budget, bytesMax = keptBytesMax) {
    this.#budget = budget
    this.#bytesMax = bytesMax
  }

  /** Keeps a chunk and its memory, or nothing any more. */
  add(chunk: Uint8Array): void {
    if (this.#chunks === undefined || chunk.length === 0) return
    const fits = this.#bytes + chunk.length <= Math.min(this.#bytesMax, this.#budget.capacity)
    const share = fits ? this.#budget.tryAcquire(chunk.length) : undefined
    if (share === undefined) {
      this.drop()
      return
    }
    this.#chunks.push(chunk)
    this.#shares.push(share)
    this.#bytes += chunk.length
  }

  /** Whether all that was added is kept. */
  get isKeeping(): boolean {
    return this.#chunks !== undefined
  }

  /** Everything that was added, no longer kept; undefined when that was too much. */
  take(): Uint8Array[] | undefined {
    const chunks = this.#chunks
    this.drop()
    if (chunks !== undefined) this.#chunks = []
    return chunks
  }

  /** Keeps nothing of this block any more. */
  drop(): void {
    for (const share of this.#shares) share.release()
    this.#shares = []
    this.#chunks = undefined
    this.#bytes = 0
  }
}
