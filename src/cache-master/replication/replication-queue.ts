// Why: which files to look at next, without a list that grows with the namespace. How: a bounded
// set of files that are due now and one of files that are due after the same delay each; when
// either is full, the file is left out and a pass over everything is asked for instead.
import { SkeinError } from '../../base/errors.ts'

export class ReplicationQueue {
  readonly #filesMax: number
  readonly #delayMs: number
  readonly #now = new Set<number>()
  /** In the order in which they become due. */
  readonly #later = new Map<number, number>()
  #overflowed = false

  constructor(options: { readonly filesMax: number; readonly delayMs: number }) {
    if (options.filesMax < 1) throw new SkeinError('invalid_argument', 'a replication queue needs room for a file')
    this.#filesMax = options.filesMax
    this.#delayMs = options.delayMs
  }

  get size(): number {
    return this.#now.size + this.#later.size
  }

  addNow(fileId: number): void {
    if (this.#now.has(fileId)) return
    if (this.#now.size >= this.#filesMax) this.#overflowed = true
    else this.#now.add(fileId)
  }

  /** Due after the delay; a file that waits already keeps its time. */
  addLater(fileId: number, nowMonotonicMs: number): void {
    if (this.#later.has(fileId)) return
    if (this.#later.size >= this.#filesMax) this.#overflowed = true
    else this.#later.set(fileId, nowMonotonicMs + this.#delayMs)
  }

  /** Takes up to `limit` files that are due. */
  take(limit: number, nowMonotonicMs: number): number[] {
    const taken: number[] = []
    for (const fileId of this.#now) {
      if (taken.length >= limit) return taken
      this.#now.delete(fileId)
      taken.push(fileId)
    }
    for (const [fileId, dueMs] of this.#later) {
      if (taken.length >= limit || dueMs > nowMonotonicMs) break
      this.#later.delete(fileId)
      taken.push(fileId)
    }
    return taken
  }

  /** Whether files were left out since this was last asked. */
  takeOverflow(): boolean {
    const overflowed = this.#overflowed
    this.#overflowed = false
    return overflowed
  }
}
