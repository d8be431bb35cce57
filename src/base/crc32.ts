// Why: a metadata snapshot has checksums of many short keys and values, for which the call into
// zlib costs more than the checksum. How: the same CRC-32 in JavaScript, with eight tables, so that
// eight bytes take eight independent look-ups. Long inputs use zlib, which is faster there.
// Measured: 4.5 times as fast as zlib for 8 bytes, 2.4 times for 64 bytes, 1.2 times for 128 bytes
// [M].
import { crc32 as zlibCrc32 } from 'node:zlib'

const polynomial = 0xedb88320
const shortBytesMax = 96
const words = tables()

/** Same as crc32 of node:zlib. @param seed the checksum of the preceding bytes */
export function crc32(bytes: Uint8Array, seed = 0): number {
  const { length } = bytes
  if (length > shortBytesMax) return zlibCrc32(bytes, seed)
  let crc = ~seed
  let at = 0
  for (const end = length - 7; at < end; at += 8) {
    const a =
      crc ^ (byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24))
    crc =
      word(1792 + (a & 255)) ^
      word(1536 + ((a >>> 8) & 255)) ^
      word(1280 + ((a >>> 16) & 255)) ^
      word(1024 + (a >>> 24))
    crc ^=
      word(768 + byte(bytes, at + 4)) ^
      word(512 + byte(bytes, at + 5)) ^
      word(256 + byte(bytes, at + 6)) ^
      word(byte(bytes, at + 7))
  }
  for (; at < length; at += 1) crc = (crc >>> 8) ^ word((crc ^ byte(bytes, at)) & 255)
  return ~crc >>> 0
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

function word(at: number): number {
  return words[at] ?? 0
}

/** Entry 256 k + b: the effect of byte b when k more bytes follow. */
function tables(): Int32Array {
  const table = new Int32Array(8 * 256)
  for (let index = 0; index < 256; index += 1) {
    let crc = index
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    table[index] = crc
  }
  for (let at = 256; at < table.length; at += 1) {
    const before = table[at - 256] ?? 0
    table[at] = (before >>> 8) ^ (table[before & 255] ?? 0)
  }
  return table
}
