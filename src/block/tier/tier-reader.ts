// Why: a block that is read is no victim, and moves up once nobody reads it any more; its tier
// knows nothing of that. How: a reader of the tier that says, once, when it is closed.
import type { PiecePool } from '../../base/flow/piece-pool.ts'
import type { BlockHeader, BlockPlace, BlockReader } from '../block-store.ts'

export class TierReader implements BlockReader {
  readonly header: BlockHeader
  readonly place: BlockPlace | undefined
  readonly #reader: BlockReader
  readonly #onClose: () => void
  #closed = false

  constructor(reader: BlockReader, onClose: () => void) {
    this.header = reader.header
    this.place = reader.place
    this.#reader = reader
    this.#onClose = onClose
  }

  read(offset: number, length: number, signal: AbortSignal, pieces?: PiecePool): Promise<Uint8Array> {
    return this.#reader.read(offset, length, signal, pieces)
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#onClose()
    }
    return this.#reader.close()
  }
}
