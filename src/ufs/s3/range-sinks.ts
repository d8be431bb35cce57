// Why: the bytes of a range are read directly into the buffers that the caller receives. How: one
// exact buffer for a small object, large pieces for a stream. A stream that is not read pauses its
// connection.
import { unzeroedBytes } from '../../base/flow/aligned-memory.ts'
import type { SkeinError } from '../../base/errors.ts'
import type { PieceSource, ReadRequest } from '../under-file-system.ts'
import type { RangeSink } from './range-response.ts'

/** Bytes of a stream are read into buffers of this length. */
const freshPieces: PieceSource = { pieceBytes: 512 * 1024, wholeBytesMax: Infinity, take: unzeroedBytes }
/** The minimum length of a chunk, except for the last one. */
const chunkBytesMin = 256 * 1024
/** Unread bytes of one stream after which its connection is paused. */
const unreadBytesMax = 2 * 1024 * 1024

/** Collects a range into one buffer. */
export class WholeSink implements RangeSink {
  readonly #resolve: (bytes: Uint8Array) => void
  readonly #reject: (error: SkeinError) => void
  readonly #length: number
  readonly #pieces: PieceSource
  #bytes: Uint8Array | undefined
  #filled = 0

  constructor(
    { length, pieces }: ReadRequest,
    resolve: (bytes: Uint8Array) => void,
    reject: (error: SkeinError) => void,
  ) {
    this.#length = length
    this.#pieces = pieces !== undefined && length <= pieces.wholeBytesMax ? pieces : freshPieces
    this.#resolve = resolve
    this.#reject = reject
  }

  space(): Uint8Array {
    this.#bytes ??= this.#pieces.take(this.#length)
    return this.#filled === 0 ? this.#bytes : this.#bytes.subarray(this.#filled)
  }

  filled(bytes: number): boolean {
    this.#filled += bytes
    return true
  }

  end(): void {
    this.#resolve(this.#bytes ?? new Uint8Array(0))
  }

  fail(error: SkeinError): void {
    this.#reject(error)
  }
}

/**
 * Collects a range in pieces and holds them until they are taken. Pauses the connection when too
 * many bytes are unread.
 */
export class StreamSink implements RangeSink {
  readonly #full: Uint8Array[] = []
  readonly #pieces: PieceSource
  #piece: Uint8Array = new Uint8Array(0)
  /** Bytes of the piece that were taken, and that have arrived. */
  #taken = 0
  #filled = 0
  /** Bytes that have not arrived yet. */
  #left: number
  #unreadBytes = 0
  #ended = false
  #error: SkeinError | undefined
  #paused = false
  #wake: (() => void) | undefined

  constructor(length: number, pieces: PieceSource = freshPieces) {
    this.#left = length
    this.#pieces = pieces
  }

  space(): Uint8Array {
    if (this.#filled === this.#piece.length) {
      this.#piece = this.#pieces.take(Math.min(this.#pieces.pieceBytes, this.#left))
      this.#taken = 0
      this.#filled = 0
    }
    return this.#piece.subarray(this.#filled)
  }

  filled(bytes: number): boolean {
    this.#filled += bytes
    this.#left -= bytes
    this.#unreadBytes += bytes
    const whole = this.#filled === this.#piece.length
    if (whole) this.#cut()
    if (whole || this.#filled - this.#taken >= chunkBytesMin) this.#wakeUp()
    this.#paused = this.#unreadBytes >= unreadBytesMax
    return !this.#paused
  }

  end(): void {
    this.#ended = true
    this.#wakeUp()
  }

  fail(error: SkeinError): void {
    this.#error = error
    this.#wakeUp()
  }

  /** The next chunk, or undefined when none is available. */
  take(): Uint8Array | undefined {
    if (
      this.#full.length === 0 &&
      (this.#filled - this.#taken >= chunkBytesMin || this.#ended || this.#error !== undefined)
    )
      this.#cut()
    const chunk = this.#full.shift()
    if (chunk !== undefined) this.#unreadBytes -= chunk.length
    return chunk
  }

  /** Returns true once when a paused connection should continue. */
  mayGoOn(): boolean {
    if (!this.#paused || this.#unreadBytes >= unreadBytesMax / 2) return false
    this.#paused = false
    return true
  }

  /**
   * Waits for the next chunk (false) or the end (true).
   * @throws the error, after all chunks before it were taken
   */
  async finished(): Promise<boolean> {
    while (this.#full.length === 0 && this.#filled - this.#taken < chunkBytesMin) {
      if (this.#error !== undefined) throw this.#error
      if (this.#ended) return true
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      if (this.#filled > this.#taken) return false
    }
    return false
  }

  /** Turns the bytes of the piece that arrived and were not taken into a chunk. */
  #cut(): void {
    if (this.#filled > this.#taken) this.#full.push(this.#piece.subarray(this.#taken, this.#filled))
    this.#taken = this.#filled
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
