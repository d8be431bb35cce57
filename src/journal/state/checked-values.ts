// Why: LMDB keeps no checksums, so a damaged page could be served as another file's version or id.
// How: each value is preceded by the CRC-32 (four bytes, little-endian) of its table's name, its
// key and itself, so that a value under the wrong key is detected, too. Numbers are eight bytes.
// Pure.
import { crc32 as textCrc32 } from 'node:zlib'
import { crc32 } from '../../base/checksum/crc32.ts'

const crcBytes = 4
const numberBytes = 8
const scratch = Buffer.alloc(numberBytes)

export type OrderedKey = number | string | (number | string)[]

/** How a table's values are encoded, now and in the previous version. */
export interface Codec<Value> {
  readonly encode: (seed: number, key: OrderedKey | Uint8Array, value: Value) => Buffer
  readonly decode: (seed: number, key: OrderedKey | Uint8Array, bytes: Buffer) => Value | undefined
  readonly old: { readonly encoding: 'binary' | 'ordered-binary' }
}

/** The seed of a table's checksums. */
export function tableSeed(name: string): number {
  return textCrc32(name)
}

export function checkedBytes(seed: number, key: OrderedKey | Uint8Array, value: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(crcBytes + value.length)
  bytes.set(value, crcBytes)
  bytes.writeUInt32LE(crc32(value, keySeed(seed, key)), 0)
  return bytes
}

export function checkedNumber(seed: number, key: OrderedKey | Uint8Array, value: number): Buffer {
  const bytes = Buffer.allocUnsafe(crcBytes + numberBytes)
  bytes.writeDoubleLE(value, crcBytes)
  bytes.writeUInt32LE(crc32(bytes.subarray(crcBytes), keySeed(seed, key)), 0)
  return bytes
}

/** The value as a view of `bytes`; undefined when it does not match its checksum. */
export function valueOf(seed: number, key: OrderedKey | Uint8Array, bytes: Buffer): Buffer | undefined {
  // `length` may be less than the size of the buffer if lmdb lends its own buffer.
  const { length } = bytes
  if (length < crcBytes) return undefined
  const value = bytes.subarray(crcBytes, length)
  return crc32(value, keySeed(seed, key)) === bytes.readUInt32LE(0) ? value : undefined
}

/** See valueOf. */
export function numberOf(seed: number, key: OrderedKey | Uint8Array, bytes: Buffer): number | undefined {
  return bytes.length === crcBytes + numberBytes ? valueOf(seed, key, bytes)?.readDoubleLE(0) : undefined
}

function keySeed(seed: number, key: OrderedKey | Uint8Array): number {
  // lmdb returns a list with one element as the element.
  if (Array.isArray(key) && key.length === 1 && key[0] !== undefined) return keySeed(seed, key[0])
  if (typeof key === 'number') {
    scratch.writeDoubleLE(key, 0)
    return crc32(scratch, seed)
  }
  if (key instanceof Uint8Array) return crc32(key, seed)
  return textCrc32(typeof key === 'string' ? key : JSON.stringify(key), seed)
}
