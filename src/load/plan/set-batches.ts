// Why: a task costs the same whether it carries one small file or many, so small runs that go to
// the same targets share a set. How: one open set for each tuple of targets and holders, closed
// when its files or bytes are at the limit. Planning, retries and repairs all group with it.
import { pieceBytes, type NewSet, type Piece } from '../load.ts'

export interface BatchLimits {
  /** Files a set of small files may hold. */
  readonly batchFiles: number
  /** Bytes a set of small files may hold. */
  readonly batchBytes: number
}

/** Blocks of one file that go to the same targets. */
export interface BlockRun {
  readonly piece: Piece
  readonly targets: readonly string[]
  /** See NewSet. */
  readonly elsewhere: readonly string[]
}

/** Sets in the making, one a tuple of targets. Also groups retries and repairs. */
export class SetBatches {
  readonly #options: BatchLimits
  readonly #attempt: number
  readonly #notBeforeMs: number
  readonly #open = new Map<string, Omit<BlockRun, 'piece'> & { readonly pieces: Piece[]; bytes: number }>()
  readonly #done: NewSet[] = []

  constructor(options: BatchLimits, attempt: number, notBeforeMs = 0) {
    this.#options = options
    this.#attempt = attempt
    this.#notBeforeMs = notBeforeMs
  }

  add(run: BlockRun): void {
    const bytes = pieceBytes(run.piece)
    const { targets, elsewhere } = run
    const name = `${targets.join(' ')}|${elsewhere.join(' ')}`
    let batch = this.#open.get(name)
    if (
      batch !== undefined &&
      (batch.bytes + bytes > this.#options.batchBytes || batch.pieces.length >= this.#options.batchFiles)
    ) {
      this.#close(batch)
      batch = undefined
    }
    if (batch === undefined) {
      batch = { pieces: [], targets, elsewhere, bytes: 0 }
      this.#open.set(name, batch)
    }
    batch.pieces.push(run.piece)
    batch.bytes += bytes
  }

  finish(): NewSet[] {
    for (const batch of this.#open.values()) this.#close(batch)
    this.#open.clear()
    return this.#done
  }

  #close({ pieces, targets, elsewhere }: Omit<BlockRun, 'piece'> & { readonly pieces: Piece[] }): void {
    const set = { pieces, targets, attempt: this.#attempt, notBeforeMs: this.#notBeforeMs }
    this.#done.push(elsewhere.length > 0 ? { ...set, elsewhere } : set)
  }
}
