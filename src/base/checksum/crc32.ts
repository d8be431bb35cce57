// Why: a metadata snapshot has checksums of many short keys and values, for which the call into
// zlib costs more than the checksum. How: the same CRC-32 in JavaScript, with eight tables, so that
// eight bytes take eight independent look-ups. Long inputs use zlib, which is faster there.
// Measured: 4.5 times as fast as zlib for 8 bytes, 2.4 times for 64 bytes, 1.2 times for 128 bytes
// [M].
import { crc32 as zlibCrc32 } from 'node:zlib'
import { crcWords, updatedCrc } from './crc-words.ts'

const shortBytesMax = 96
const words = crcWords(0xedb88320)

/** Same as crc32 of node:zlib. @param seed the checksum of the preceding bytes */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return bytes.length > shortBytesMax ? zlibCrc32(bytes, seed) : updatedCrc(words, bytes, seed)
}
