// Why: before a set is dispatched, the sets in flight of other loads with blocks of the same files
// must be found. Checking thousands of sets file by file would delay the dispatcher. How: an index
// of the sets in flight by file. A set that came back is removed when a lookup meets it, and all
// such sets are removed when the index has doubled.
import type { Piece, SetRecord } from '../../load/load.ts'
import type { OutSet } from './outstanding.ts'

interface Entry {
  readonly out: OutSet
  readonly pieces: readonly Piece[]
}

/** Below this number of entries there is no sweep. */
const sweepMin = 4096

export class OutsByFile {
  readonly #recordOf: (out: OutSet) => SetRecord | undefined
  readonly #isOut: (out: OutSet) => boolean
  readonly #entries = new Map<number, Entry[]>()
  #size = 0
  #sweepAt = sweepMin

  constructor(recordOf: (out: OutSet) => SetRecord | undefined, isOut: (out: OutSet) => boolean) {
    this.#recordOf = recordOf
    this.#isOut = isOut
  }

  /** Number of entries, including sets that came back. */
  get size(): number {
    return this.#size
  }

  add(out: OutSet): void {
    const record = this.#recordOf(out)
    if (record === undefined || record.verify === true) return
    for (const [fileId, pieces] of Map.groupBy(record.pieces, (piece) => piece.fileId)) {
      const entries = this.#entries.get(fileId) ?? []
      entries.push({ out, pieces })
      this.#entries.set(fileId, entries)
      this.#size += 1
    }
    if (this.#size >= this.#sweepAt) this.#sweep()
  }

  /** Sets in flight with a block of these pieces. */
  find(pieces: readonly Piece[]): Set<OutSet> {
    const found = new Set<OutSet>()
    for (const piece of pieces) {
      const entries = this.#entries.get(piece.fileId)
      if (entries === undefined) continue
      for (const { out, pieces: others } of this.#kept(piece.fileId, entries))
        if (others.some((other) => haveCommon(piece, other))) found.add(out)
    }
    return found
  }

  clear(): void {
    this.#entries.clear()
    this.#size = 0
    this.#sweepAt = sweepMin
  }

  #kept(fileId: number, entries: readonly Entry[]): readonly Entry[] {
    const kept = entries.filter(({ out }) => this.#isOut(out))
    if (kept.length === entries.length) return entries
    this.#size -= entries.length - kept.length
    if (kept.length > 0) this.#entries.set(fileId, kept)
    else this.#entries.delete(fileId)
    return kept
  }

  #sweep(): void {
    for (const [fileId, entries] of this.#entries) this.#kept(fileId, entries)
    this.#sweepAt = Math.max(sweepMin, this.#size * 2)
  }
}

function haveCommon(one: Piece, other: Piece): boolean {
  return one.firstBlock < other.firstBlock + other.blockCount && other.firstBlock < one.firstBlock + one.blockCount
}
