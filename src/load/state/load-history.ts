// Why: what is remembered of ended loads takes disk, and page cache, for each of their files; a
// bound on the number of loads alone bounds nothing. How: follows the table of ended loads in the
// order in which they ended and sums their files, so that a look costs what has changed since the
// last one.
import type { Tables } from './load-tables.ts'

const rowsAtOnce = 256

export interface HistoryLimits {
  /** Ended loads. */
  readonly loadsMax: number
  /** Files of all ended loads together. The load that ended last is kept, however many it has. */
  readonly filesMax: number
  /** Unix time in ms; loads that ended before it go. */
  readonly endedBeforeMs: number
}

export class LoadHistory {
  readonly #tables: Tables
  /** In the order in which they ended; `id` is the number of the end. */
  readonly #ended: { readonly id: number; readonly files: number }[] = []
  #files = 0
  #nextId = 0

  constructor(tables: Tables) {
    this.#tables = tables
  }

  /**
   * The load to delete next; undefined when there is none. One that began to be deleted goes in
   * full.
   */
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
