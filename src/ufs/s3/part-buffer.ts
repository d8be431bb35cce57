// Why: the parts of an upload of unknown length must be few enough for the store, and small while
// the object may be small. How: every 1000 parts their size doubles, up to what a store takes, so
// that 10,000 parts hold more than the largest object. The buffer of a part grows with its bytes:
// a small object needs little memory.

const mebibyte = 1024 * 1024
const firstBytes = 64 * 1024
const partsOfOneSize = 1000
/** The limits of S3 and COS ("Amazon S3 multipart upload limits"). */
export const partBytesMin = 5 * mebibyte
export const partBytesMax = 5 * 1024 * mebibyte
export const partsMax = 10_000

/** Bytes of the part of this index, from 0, of an upload of unknown length. */
export function growingPartBytes(index: number, baseBytes: number): number {
  return Math.min(partBytesMax, Math.max(partBytesMin, Math.floor(baseBytes)) * 2 ** Math.floor(index / partsOfOneSize))
}

export class PartBuffer {
  readonly #limitBytes: number
  #bytes: Buffer
  #length = 0

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(limitBytes, firstBytes))
  }

  get length(): number {
    return this.#length
  }

  get isFull(): boolean {
    return this.#length === this.#limitBytes
  }

  /** Copies as many bytes as there is room for. @returns their number */
  add(chunk: Uint8Array): number {
    const taken = Math.min(chunk.length, this.#limitBytes - this.#length)
    if (this.#length + taken > this.#bytes.length) this.#grow(this.#length + taken)
    this.#bytes.set(chunk.subarray(0, taken), this.#length)
    this.#length += taken
    return taken
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(neededBytes: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#limitBytes, Math.max(neededBytes, 2 * this.#bytes.length)))
    grown.set(this.bytes)
    this.#bytes = grown
  }
}
