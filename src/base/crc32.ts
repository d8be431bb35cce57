// Why: a state has checksums of very many short keys and values, and a call of zlib costs more than
// the bytes do. How: the same CRC-32 here, with eight tables, so that eight bytes cost eight
// look-ups that do not wait for each other; zlib for the long ones, where it is faster. 8 bytes:
// 4.5 times as fast as zlib, 64 bytes: 2.4 times, 128 bytes: 1.2 times [M].
import { crc32 as zlibCrc32 } from 'node:zlib'

const polynomial = 0xedb88320
const shortBytesMax = 96
const words = tables()

/** As crc32 of node:zlib. @param seed the checksum of what stands before these bytes */
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

/** Table k at 256 k: what a byte does that k more bytes follow. */
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
