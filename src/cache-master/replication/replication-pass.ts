// Why: what no event named is found by looking at every file with a replica, now and then, a piece
// at a time. How: one iterator over the block map that stays open between the pieces, so that a
// pass costs no memory of its own.
import type { BlockMap } from '../../meta/block-map.ts'

export class ReplicationPass {
  readonly #blocks: Pick<BlockMap, 'fileIds'>
  readonly #intervalMs: number
  #files: Iterator<number> | undefined
  #dueMs: number
  /** Asked for while a pass was on its way: that one has been past some files already. */
  #againMs: number | undefined

  constructor(blocks: Pick<BlockMap, 'fileIds'>, options: { readonly intervalMs: number; readonly firstMs: number }) {
    this.#blocks = blocks
    this.#intervalMs = options.intervalMs
    this.#dueMs = options.firstMs
  }

  /** A pass shall begin at this time at the latest. */
  dueBy(monotonicMs: number): void {
    if (this.#files === undefined) this.#dueMs = Math.min(this.#dueMs, monotonicMs)
    else this.#againMs = Math.min(this.#againMs ?? monotonicMs, monotonicMs)
  }

  /** The next files of the pass that is due; none when none is. */
  take(limit: number, nowMonotonicMs: number): number[] {
    if (this.#files === undefined) {
      if (nowMonotonicMs < this.#dueMs) return []
      this.#files = this.#blocks.fileIds()[Symbol.iterator]()
    }
    const taken: number[] = []
    while (taken.length < limit) {
      const next = this.#files.next()
      if (next.done === true) {
        this.#files = undefined
        this.#dueMs = Math.min(nowMonotonicMs + this.#intervalMs, this.#againMs ?? Number.POSITIVE_INFINITY)
        this.#againMs = undefined
        break
      }
      taken.push(next.value)
    }
    return taken
  }
}
