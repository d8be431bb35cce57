// Why: the history of ended loads takes disk space and page cache for each of their files, so
// limiting only the number of loads is not enough. How: follows the table of ended loads in order
// and sums their files. A check costs only what has changed since the last one.
import type { Tables } from './load-tables.ts'

const rowsAtOnce = 256

export interface HistoryLimits {
  /** Ended loads. */
  readonly loadsMax: number
  /** Files of all ended loads together. The most recent load is always kept. */
  readonly filesMax: number
  /** Unix time in ms. Loads that ended before this time are deleted. */
  readonly endedBeforeMs: number
}

export class LoadHistory {
  readonly #tables: Tables
  /** In the order in which they ended. `id` is the number of the end. */
  readonly #ended: { readonly id: number; readonly files: number }[] = []
  #files = 0
  #nextId = 0

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /** Returns the load to delete next. Undefined: none. A deletion that has started is completed. */
  loadToExpire({ loadsMax, filesMax, endedBeforeMs }: HistoryLimits): number | undefined {
    const { ended, loads, counters } = this.#tables
    const [first] = ended.scan([], 0, 1)
    if (first === undefined) return undefined
    this.#follow(first.id)
    const last = counters.get(['ended']) ?? 0
    const { expiring = false, endedMs = 0 } = loads.get([first.value]) ?? {}
    const tooMany = last - first.id + 1 > loadsMax || (this.#files > filesMax && first.id < last)
    return tooMany || expiring || endedMs < endedBeforeMs ? first.value : undefined
  }

  #follow(firstId: number): void {
    for (let oldest = this.#ended[0]; oldest !== undefined && oldest.id < firstId; oldest = this.#ended[0]) {
      this.#files -= oldest.files
      this.#ended.shift()
    }
    for (;;) {
      const rows = this.#tables.ended.scan([], Math.max(this.#nextId, firstId), rowsAtOnce)
      for (const { id, value } of rows) {
        const files = this.#tables.loads.get([value])?.counts.files ?? 0
        this.#ended.push({ id, files })
        this.#files += files
        this.#nextId = id + 1
      }
      if (rows.length < rowsAtOnce) return
    }
  }
}
