// Why: CRC-32 and CRC-32C differ in their polynomial only. How: eight tables, so that eight bytes
// take eight independent look-ups ("slicing by 8").

/** The checksum of these bytes after others. @param seed the checksum of the preceding bytes */
export function updatedCrc(words: Int32Array, bytes: Uint8Array, seed: number): number {
  const { length } = bytes
  let crc = ~seed
  let at = 0
  for (const end = length - 7; at < end; at += 8) {
    const a =
      crc ^ (byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24))
    crc =
      word(words, 1792 + (a & 255)) ^
      word(words, 1536 + ((a >>> 8) & 255)) ^
      word(words, 1280 + ((a >>> 16) & 255)) ^
      word(words, 1024 + (a >>> 24))
    crc ^=
      word(words, 768 + byte(bytes, at + 4)) ^
      word(words, 512 + byte(bytes, at + 5)) ^
      word(words, 256 + byte(bytes, at + 6)) ^
      word(words, byte(bytes, at + 7))
  }
  for (; at < length; at += 1) crc = (crc >>> 8) ^ word(words, (crc ^ byte(bytes, at)) & 255)
  return ~crc >>> 0
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

function word(words: Int32Array, at: number): number {
  return words[at] ?? 0
}

/**
 * Entry 256 k + b: the effect of byte b when k more bytes follow. @param polynomial reflected
 */
export function crcWords(polynomial: number): Int32Array {
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
