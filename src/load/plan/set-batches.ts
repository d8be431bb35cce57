// Why: a task costs the same with one small file as with many, so small runs with the same targets
// share a set. How: one open set per tuple of targets and holders. It is closed when it reaches the
// limit of files or bytes. Planning, retries and repairs all use it.
import { pieceBytes, type NewSet, type Piece } from '../load.ts'

export interface BatchLimits {
  /** Maximum number of files in a set of small files. */
  readonly batchFiles: number
  /** Maximum number of bytes in a set of small files. */
  readonly batchBytes: number
}

/** Blocks of one file with the same targets. */
export interface BlockRun {
  readonly piece: Piece
  readonly targets: readonly string[]
  /** See NewSet. */
  readonly elsewhere: readonly string[]
}

/** Sets that are being filled, one per tuple of targets. Also used for retries and repairs. */
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
