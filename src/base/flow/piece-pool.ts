// Why: a load that allocates memory for each half MiB spends more on zeroing pages and garbage
// collection than on the bytes. How: pieces of one size are lent out, and reused after every byte
// was returned. Small objects share a piece, one after the other. A caller that keeps some bytes,
// or drops them after an error, just does not return them; the garbage collector then frees the
// piece.
import { assert } from '../assert.ts'
import type { Clock } from '../clock.ts'
import { alignedOffset, unzeroedBuffer } from './aligned-memory.ts'
import { freeBuffer } from './free-memory.ts'

export interface PiecePoolOptions {
  /** Bytes per piece. */
  readonly pieceBytes: number
  /** Maximum unused pieces that are kept. */
  readonly idleMax: number
  /**
   * Requests up to so many bytes share a piece; others have one each, and waste the rest of it. A
   * part that is kept long keeps all of its piece. Default: a quarter of a piece.
   */
  readonly sharedBytesMax?: number
  readonly clock: Pick<Clock, 'schedule'>
}

/** Requests of more than a piece, up to so many pieces, have memory of their own. */
const ownPieces = 2

/**
 * Pieces that are unused for this long are freed. Left to the garbage collector, those of one load
 * are still there while the next one takes its own.
 */
const idleMs = 5000

export class PiecePool {
  readonly pieceBytes: number
  readonly #options: PiecePoolOptions
  readonly #idle: ArrayBuffer[] = []
  /** Bytes of each piece that were not returned yet. */
  readonly #lent = new WeakMap<ArrayBufferLike, number>()
  /** The piece from which small requests are cut, and how much of it is used. */
  #shared: ArrayBuffer | undefined
  #sharedBytes = 0
  /** The minimum number of unused pieces since the last check. */
  #idleLeast = 0
  #looking = false

  constructor(options: PiecePoolOptions) {
    this.pieceBytes = options.pieceBytes
    this.#options = options
  }

  /** Unused pieces. */
  get idle(): number {
    return this.#idle.length
  }

  /** The most bytes that are lent as one. */
  get wholeBytesMax(): number {
    return this.pieceBytes * ownPieces
  }

  /**
   * Takes this many bytes, at most `wholeBytesMax`. The content is undefined. The bytes belong to
   * the caller until it has returned all of them.
   */
  take(bytes: number): Uint8Array {
    assert(bytes > 0 && bytes <= this.wholeBytesMax, 'no more than may be lent as one')
    if (bytes > this.pieceBytes) {
      const own = unzeroedBuffer(bytes)
      this.#lent.set(own, bytes)
      return new Uint8Array(own, alignedOffset, bytes)
    }
    if (bytes <= (this.#options.sharedBytesMax ?? this.pieceBytes / 4)) return this.#cut(bytes)
    return new Uint8Array(this.#lend(bytes), alignedOffset, bytes)
  }

  #cut(bytes: number): Uint8Array {
    if (this.#shared === undefined || this.#sharedBytes + bytes > this.pieceBytes) {
      if (this.#shared !== undefined) this.#back(this.#shared, this.pieceBytes - this.#sharedBytes)
      this.#shared = this.#lend(this.pieceBytes)
      this.#sharedBytes = 0
    }
    const part = new Uint8Array(this.#shared, alignedOffset + this.#sharedBytes, bytes)
    this.#sharedBytes += bytes
    return part
  }

  #lend(bytes: number): ArrayBuffer {
    const piece = this.#idle.pop() ?? unzeroedBuffer(this.pieceBytes)
    this.#idleLeast = Math.min(this.#idleLeast, this.#idle.length)
    this.#lent.set(piece, bytes)
    return piece
  }

  /**
   * Returns a part of what was taken, each byte once. The caller must not read it afterwards.
   * Memory from elsewhere is ignored.
   */
  giveBack(part: Uint8Array): void {
    if (part.buffer instanceof ArrayBuffer) this.#back(part.buffer, part.length)
  }

  /**
   * Frees what was taken, after a fault: it is not lent again. A piece that others have parts of is
   * left to the garbage collector.
   */
  lose(part: Uint8Array): void {
    const { buffer, length } = part
    if (!(buffer instanceof ArrayBuffer) || this.#lent.get(buffer) !== length || buffer === this.#shared) return
    this.#lent.delete(buffer)
    freeBuffer(buffer)
  }

  #back(piece: ArrayBuffer, bytes: number): void {
    const out = this.#lent.get(piece)
    if (out === undefined) return
    if (out > bytes) {
      this.#lent.set(piece, out - bytes)
      return
    }
    this.#lent.delete(piece)
    const isOwn = piece.byteLength > alignedOffset + this.pieceBytes
    if (isOwn || this.#idle.length >= this.#options.idleMax) {
      freeBuffer(piece)
      return
    }
    this.#idle.push(piece)
    this.#lookLater()
  }

  #lookLater(): void {
    if (this.#looking) return
    this.#looking = true
    this.#idleLeast = this.#idle.length
    this.#options.clock.schedule(idleMs, () => {
      this.#looking = false
      for (const piece of this.#idle.splice(0, this.#idleLeast)) freeBuffer(piece)
      if (this.#idle.length > 0) this.#lookLater()
    })
  }
}
