// Why: GooseFS's clients hash block ids to workers by murmur3; what chooses workers as they do must
// have the same numbers, fast, for thousands of points a worker. How: MurmurHash3_x64_128 (Austin
// Appleby, public domain) of exactly 12 bytes with seed 0, of which the first half counts; numbers
// of 64 bits are two halves of 32, so that nothing is allocated. Source of the form of the key:
// src/block/murmur3.rs of the Rust client, 0.2.2 (Guava's putLong, putInt, asLong).

/**
 * One hash at a time: `high` (signed) and `low` (unsigned) are the halves of the last one.
 */
export class Murmur3 {
  /** -2^31 to 2^31 - 1. */
  high = 0
  /** 0 to 2^32 - 1. */
  low = 0

  /**
   * Of the 8 bytes of a long and the 4 of an int, each in little-endian order.
   * @param keyHigh upper 32 bits of the long, @param keyLow its lower ones; signs do not matter
   */
  hash(keyHigh: number, keyLow: number, index: number): void {
    // The tail of bytes 8 to 11, which no bytes follow.
    this.#set(0, index)
    this.#multiply(0x4cf5ad43, 0x2745937f)
    this.#rotate(33)
    this.#multiply(0x87c37b91, 0x114253d5)
    const tailHigh = this.high
    const tailLow = this.low ^ length
    this.#set(keyHigh, keyLow)
    this.#multiply(0x87c37b91, 0x114253d5)
    this.#rotate(31)
    this.#multiply(0x4cf5ad43, 0x2745937f)
    this.#set(this.high, this.low ^ length)
    this.#add(tailHigh, tailLow)
    const firstHigh = this.high
    const firstLow = this.low
    this.#add(tailHigh, tailLow)
    this.#mix()
    const secondHigh = this.high
    const secondLow = this.low
    this.#set(firstHigh, firstLow)
    this.#mix()
    this.#add(secondHigh, secondLow)
  }

  #set(high: number, low: number): void {
    this.high = high | 0
    this.low = low >>> 0
  }

  #add(high: number, low: number): void {
    const sum = this.low + (low >>> 0)
    this.#set(this.high + high + (sum > 0xffffffff ? 1 : 0), sum)
  }

  #rotate(bits: number): void {
    const { high, low } = this
    if (bits === 33) this.#set((low << 1) | (high >>> 31), (high << 1) | (low >>> 31))
    else this.#set((high << bits) | (low >>> (32 - bits)), (low << bits) | (high >>> (32 - bits)))
  }

  /** The finalizer; a shift by 33 leaves one bit less than the upper half in the lower one. */
  #mix(): void {
    this.#set(this.high, this.low ^ (this.high >>> 1))
    this.#multiply(0xff51afd7, 0xed558ccd)
    this.#set(this.high, this.low ^ (this.high >>> 1))
    this.#multiply(0xc4ceb9fe, 0x1a85ec53)
    this.#set(this.high, this.low ^ (this.high >>> 1))
  }

  /** Modulo 2^64. */
  #multiply(high: number, low: number): void {
    const a = this.low & 0xffff
    const b = this.low >>> 16
    const c = low & 0xffff
    const d = low >>> 16
    const ac = a * c
    const middle = b * c + (ac >>> 16)
    const carried = a * d + (middle & 0xffff)
    const above = b * d + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000)
    this.#set(
      (above | 0) + Math.imul(this.high, low) + Math.imul(this.low, high),
      ((carried & 0xffff) << 16) | (ac & 0xffff),
    )
  }
}

/** Bytes that are hashed. */
const length = 12
