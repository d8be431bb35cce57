// Why: each answer has an id by which its lines in a log are found, as at S3. How: one random start
// for a process and a count, since a random number for each request costs more than the rest of its
// head.
import { randomBytes } from 'node:crypto'

const countHexDigits = 8
const countMax = 2 ** 32

export class RequestIds {
  readonly #start = randomBytes(4).toString('hex').toUpperCase()
  #count = randomBytes(4).readUInt32LE()

  /** 16 hexadecimal digits. */
  next(): string {
    this.#count = (this.#count + 1) % countMax
    return this.#start + this.#count.toString(16).toUpperCase().padStart(countHexDigits, '0')
  }
}
