// Why: clients of S3 send the CRC-32C of their objects. How: the Castagnoli polynomial, reflected
// (RFC 3720, B.4; the check value of `123456789` is e3069283).
import { crcWords, updatedCrc } from './crc-words.ts'

const words = crcWords(0x82f63b78)

/** @param seed the checksum of the preceding bytes */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return updatedCrc(words, bytes, seed)
}
