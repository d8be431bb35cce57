// Why: a client may send its bytes in messages of a few bytes, and each would hold on to what the
// network gave with it. How: short ones are copied together; long ones pass as they are.

const pieceBytes = 256 * 1024
const longBytes = 64 * 1024

export class GatheredBytes {
  #piece = new Uint8Array()
  #used = 0

  /** @returns what is ready to be written, in order: it belongs to the caller */
  add(bytes: Uint8Array): Uint8Array[] {
    if (bytes.length >= longBytes) return [...this.take(), bytes]
    const ready = this.#used + bytes.length > this.#piece.length ? this.take() : []
    if (this.#piece.length === 0) this.#piece = Buffer.allocUnsafeSlow(pieceBytes)
    this.#piece.set(bytes, this.#used)
    this.#used += bytes.length
    return ready
  }

  /** What was gathered. */
  take(): Uint8Array[] {
    if (this.#used === 0) return []
    const piece = this.#piece.subarray(0, this.#used)
    this.#piece = new Uint8Array()
    this.#used = 0
    return [piece]
  }
}
