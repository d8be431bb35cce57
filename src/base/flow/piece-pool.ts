// Why: a load that takes fresh memory for each half MiB that arrives spends more on zeroed pages
// and on the garbage collector than on the bytes. How: pieces of one size are lent out, and lent
// again once every byte of one was given back. Small objects share pieces, one behind the other.
// Whoever keeps some bytes, or drops them after an error, simply does not give them back: such a
// piece is the collector's.
import { assert } from '../assert.ts'
import type { Clock } from '../clock.ts'

export interface PiecePoolOptions {
  /** Bytes of a piece. */
  readonly pieceBytes: number
  /** Pieces that may lie here unused. */
  readonly idleMax: number
  readonly clock: Pick<Clock, 'schedule'>
}

/** What is no longer than this part of a piece shares one. */
const sharedPart = 1 / 4

/** Pieces that were not needed for so long go. */
const idleMs = 5000

export class PiecePool {
  readonly pieceBytes: number
  readonly #options: PiecePoolOptions
  readonly #idle: ArrayBuffer[] = []
  /** Bytes that are still out, of each piece that is. */
  readonly #lent = new WeakMap<ArrayBufferLike, number>()
  /** Where small ones are cut from: the piece, and how much of it is cut. */
  #shared: ArrayBuffer | undefined
  #sharedBytes = 0
  /** The fewest that lay here since the last look. */
  #idleLeast = 0
  #looking = false

  constructor(options: PiecePoolOptions) {
    this.pieceBytes = options.pieceBytes
    this.#options = options
  }

  /** Pieces that lie here unused. */
  get idle(): number {
    return this.#idle.length
  }

  /**
   * So many bytes, at most a piece; what is in them is left over from others. They are the caller's
   * until it gives all of them back.
   */
  take(bytes: number): Uint8Array {
    assert(bytes > 0 && bytes <= this.pieceBytes, 'no more than a piece')
    if (bytes <= this.pieceBytes * sharedPart) return this.#cut(bytes)
    return new Uint8Array(this.#lend(bytes), 0, bytes)
  }

  #cut(bytes: number): Uint8Array {
    if (this.#shared === undefined || this.#sharedBytes + bytes > this.pieceBytes) {
      if (this.#shared !== undefined) this.#back(this.#shared, this.pieceBytes - this.#sharedBytes)
      this.#shared = this.#lend(this.pieceBytes)
      this.#sharedBytes = 0
    }
    const part = new Uint8Array(this.#shared, this.#sharedBytes, bytes)
    this.#sharedBytes += bytes
    return part
  }

  #lend(bytes: number): ArrayBuffer {
    const piece = this.#idle.pop() ?? unzeroed(this.pieceBytes)
    this.#idleLeast = Math.min(this.#idleLeast, this.#idle.length)
    this.#lent.set(piece, bytes)
    return piece
  }

  /**
   * A part of what was taken, each byte once; nobody may read it any more. Bytes of elsewhere are
   * let go.
   */
  giveBack(part: Uint8Array): void {
    if (part.buffer instanceof ArrayBuffer) this.#back(part.buffer, part.length)
  }

  #back(piece: ArrayBuffer, bytes: number): void {
    const out = this.#lent.get(piece)
    if (out === undefined) return
    if (out > bytes) {
      this.#lent.set(piece, out - bytes)
      return
    }
    this.#lent.delete(piece)
    if (this.#idle.length >= this.#options.idleMax) return
    this.#idle.push(piece)
    this.#lookLater()
  }

  #lookLater(): void {
    if (this.#looking) return
    this.#looking = true
    this.#idleLeast = this.#idle.length
    this.#options.clock.schedule(idleMs, () => {
      this.#looking = false
      this.#idle.splice(0, this.#idleLeast)
      if (this.#idle.length > 0) this.#lookLater()
    })
  }
}

function unzeroed(bytes: number): ArrayBuffer {
  return Buffer.allocUnsafeSlow(bytes).buffer
}
