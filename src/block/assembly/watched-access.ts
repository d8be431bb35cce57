// Why: a disk fails while a block is read or written, long after it was opened;
// watched-directory.ts must hear of it. How: a reader and a reservation that pass every call on,
// and its outcome through `note`.
import type { PiecePool } from '../../base/flow/piece-pool.ts'
import type { BlockHeader, BlockPlace, BlockReader, BlockReservation } from '../block-store.ts'

/** Passes an operation's outcome on; what is thrown may be another error by then. */
type Note = <T>(operation: Promise<T>) => Promise<T>

export class WatchedReader implements BlockReader {
  readonly header: BlockHeader
  readonly place: BlockPlace | undefined
  readonly #reader: BlockReader
  readonly #note: Note

  constructor(reader: BlockReader, note: Note) {
    this.header = reader.header
    this.place = reader.place
    this.#reader = reader
    this.#note = note
  }

  read(offset: number, length: number, signal: AbortSignal, pieces?: PiecePool): Promise<Uint8Array> {
    return this.#note(this.#reader.read(offset, length, signal, pieces))
  }

  close(): Promise<void> {
    return this.#reader.close()
  }
}

export class WatchedReservation implements BlockReservation {
  readonly id: string
  readonly header: BlockHeader
  readonly #reservation: BlockReservation
  readonly #note: Note

  constructor(reservation: BlockReservation, note: Note) {
    this.id = reservation.id
    this.header = reservation.header
    this.#reservation = reservation
    this.#note = note
  }

  /** A small block's file is made when it is first asked for. */
  get path(): string {
    return this.#reservation.path
  }

  get ended(): boolean {
    return this.#reservation.ended
  }

  get settledBytes(): number | undefined {
    return this.#reservation.settledBytes
  }

  async written(): Promise<number> {
    return (await this.#reservation.written?.()) ?? 0
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#note(this.#reservation.write(chunk))
  }

  commit(checksums?: readonly number[], length?: number): Promise<void> {
    return this.#note(this.#reservation.commit(checksums, length))
  }

  abort(): Promise<void> {
    return this.#reservation.abort()
  }
}
