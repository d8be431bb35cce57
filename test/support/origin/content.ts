// Why: an origin with gigabytes of data that needs no disk and no memory for them, and whose every
// byte a test can tell. How: one block of noise, its length prime so that no two block-aligned
// places of an object look alike; an object begins at a place in it that its key, size and version
// decide, and goes round.
import { createCipheriv, hash } from 'node:crypto'

/** A prime above 4 MiB. */
const noiseBytes = 4_194_319

export class Noise {
  readonly #bytes: Buffer
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
    const key = Buffer.from(hash('sha256', `noise ${seed}`), 'hex')
    this.#bytes = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(noiseBytes))
  }

  /** The bytes [offset, offset + length) of an object, as views of the noise. */
  *slices(identity: string, offset: number, length: number): Generator<Buffer> {
    const start = Number.parseInt(hash('md5', `${this.#seed} ${identity}`).slice(0, 12), 16)
    let at = (start + offset) % noiseBytes
    for (let left = length; left > 0;) {
      const take = Math.min(left, noiseBytes - at)
      yield this.#bytes.subarray(at, at + take)
      left -= take
      at = 0
    }
  }
}

const [tableHigh, tableLow] = crc64Tables()

/** CRC-64/XZ (ECMA-182 polynomial, reflected), in decimal as `x-cos-hash-crc64ecma` has it. */
export function crc64(chunks: Iterable<Uint8Array>): string {
  let high = 0xffffffff
  let low = 0xffffffff
  for (const chunk of chunks) {
    for (const byte of chunk) {
      const index = (low ^ byte) & 0xff
      low = ((low >>> 8) | (high << 24)) ^ tableLow[index]!
      high = (high >>> 8) ^ tableHigh[index]!
    }
  }
  return ((BigInt(~high >>> 0) << 32n) | BigInt(~low >>> 0)).toString()
}

function crc64Tables(): readonly [Uint32Array, Uint32Array] {
  const high = new Uint32Array(256)
  const low = new Uint32Array(256)
  for (let index = 0; index < 256; index += 1) {
    let crc = BigInt(index)
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ 0xc96c5795d7870f42n : crc >> 1n
    high[index] = Number(crc >> 32n)
    low[index] = Number(crc & 0xffffffffn)
  }
  return [high, low]
}
