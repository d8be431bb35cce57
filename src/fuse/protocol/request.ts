// Why: requests of the kernel become values. How: one reader over the bytes of a request; what is
// asked for is read in the order of the protocol's structures (include/uapi/linux/fuse.h). Bytes
// that are not there are an error of the kernel or of this file, so they end the request. Pure.
import { SkeinError } from '../../base/errors.ts'
import { requestHeaderBytes } from './wire-numbers.ts'

export interface RequestHeader {
  readonly operation: number
  /** Names the request in its answer. */
  readonly unique: number
  readonly nodeId: number
  readonly userId: number
  readonly groupId: number
  /** The thread that asks; 0: it cannot be seen from here. */
  readonly threadId: number
}

/** Reads the structures of one request from its start to its end. */
export class RequestReader {
  readonly header: RequestHeader
  readonly #bytes: Buffer
  #at = requestHeaderBytes

  /** @throws SkeinError invalid_argument for a request that is cut short */
  constructor(bytes: Buffer) {
    if (bytes.length < requestHeaderBytes || bytes.readUInt32LE(0) !== bytes.length)
      throw new SkeinError('invalid_argument', `a request of the kernel has ${bytes.length} bytes, not what it says`)
    this.#bytes = bytes
    this.header = {
      operation: bytes.readUInt32LE(4),
      unique: wideAt(bytes, 8),
      nodeId: wideAt(bytes, 16),
      userId: bytes.readUInt32LE(24),
      groupId: bytes.readUInt32LE(28),
      threadId: bytes.readUInt32LE(32),
    }
  }

  word(): number {
    const value = this.#bytes.readUInt32LE(this.#checked(4))
    this.#at += 4
    return value
  }

  /** @throws SkeinError invalid_argument for a number that is not exact here */
  wide(): number {
    const value = wideAt(this.#bytes, this.#checked(8))
    if (!Number.isSafeInteger(value)) throw new SkeinError('invalid_argument', `a number of ${value} is too large`)
    this.#at += 8
    return value
  }

  /** The same of a number that may be negative. */
  signedWide(): number {
    const at = this.#checked(8)
    const value = this.#bytes.readUInt32LE(at) + this.#bytes.readInt32LE(at + 4) * 2 ** 32
    if (!Number.isSafeInteger(value)) throw new SkeinError('invalid_argument', `a number of ${value} is too large`)
    this.#at += 8
    return value
  }

  /** A number whose value does not count. */
  skip(bytes: number): void {
    this.#checked(bytes)
    this.#at += bytes
  }

  /** Text that ends with a zero. The bytes must be UTF-8: paths of a cluster are. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end < 0) throw new SkeinError('invalid_argument', 'a name of the kernel has no end')
    const bytes = this.#bytes.subarray(this.#at, end)
    const text = bytes.toString('utf8')
    if (text.includes('\u{fffd}') && !Buffer.from(text).equals(bytes))
      throw new SkeinError('invalid_argument', 'a name is not UTF-8', { reason: 'name_not_utf8' })
    this.#at = end + 1
    return text
  }

  /** The rest, in the memory of the request. */
  rest(length: number): Buffer {
    const from = this.#checked(length)
    this.#at += length
    return this.#bytes.subarray(from, from + length)
  }

  #checked(bytes: number): number {
    if (this.#at + bytes > this.#bytes.length)
      throw new SkeinError('invalid_argument', 'a request of the kernel is cut short')
    return this.#at
  }
}

function wideAt(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * 2 ** 32
}
