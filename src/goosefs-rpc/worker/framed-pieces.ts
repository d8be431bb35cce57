// Why: bytes of a block are read straight to where they are sent from. How: memory for chunks as
// the client's reading takes it (ChunkMemory), with room for a response's header before each
// chunk. The memory is lent from one limit of all streams.
import type { ChunkMemory, LentPieces } from '../../base/flow/lent-pieces.ts'
import { frameResponse, responseHeaderBytesMax } from './read-response-framing.ts'

/** Before a chunk; half a page of the processor, see base/flow/aligned-memory.ts. */
const roomBytes = 2048
/** Before a small one. */
const smallRoomBytes = responseHeaderBytesMax + 4
const smallBytesMax = 64 * 1024

/** What a piece of the pool must have for a chunk of so many bytes. */
export function framedPieceBytes(chunkBytes: number): number {
  return chunkBytes + roomBytes
}

export class FramedPieces implements ChunkMemory {
  readonly pieceBytes: number
  readonly #lent: LentPieces
  /** By chunk: what was lent for it. */
  readonly #wholes = new Map<Uint8Array, Uint8Array>()

  constructor(lent: LentPieces) {
    this.#lent = lent
    this.pieceBytes = lent.pieceBytes - roomBytes
  }

  async take(bytes: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#cut(await this.#lent.take(bytes + roomOf(bytes), signal), bytes)
  }

  tryTake(bytes: number): Uint8Array | undefined {
    const whole = this.#lent.tryTake(bytes + roomOf(bytes))
    return whole === undefined ? undefined : this.#cut(whole, bytes)
  }

  giveBack(chunk: Uint8Array): void {
    const whole = this.#wholes.get(chunk)
    if (whole === undefined) return
    this.#wholes.delete(chunk)
    this.#lent.giveBack(whole)
  }

  /** Whether a chunk is in memory that was taken here. */
  has(chunk: Uint8Array): boolean {
    return this.#wholes.has(chunk)
  }

  /**
   * The encoded response with a part of a chunk that was taken here. Bytes of the chunk before that
   * part are overwritten.
   */
  response(chunk: Uint8Array, from: number, bytes: number): Uint8Array {
    const whole = this.#wholes.get(chunk) ?? chunk
    return frameResponse(whole, chunk.byteOffset - whole.byteOffset + from, bytes)
  }

  /** What was not given back is left to the garbage collector. */
  end(): void {
    this.#wholes.clear()
    this.#lent.end()
  }

  #cut(whole: Uint8Array, bytes: number): Uint8Array {
    const chunk = whole.subarray(roomOf(bytes))
    this.#wholes.set(chunk, whole)
    return chunk
  }
}

function roomOf(bytes: number): number {
  return bytes > smallBytesMax ? roomBytes : smallRoomBytes
}
