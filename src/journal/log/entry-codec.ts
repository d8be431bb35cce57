// Why: after a power loss, the end of the journal may be missing, torn, or written out of order,
// which is normal. A flipped bit in a durable entry is not. The bytes themselves must show the
// difference. How: each entry has a CRC-32 (seeded with the nonce of its segment, so that bytes
// copied from another segment are not valid) and `durableSeq`, the last seq that was synced before
// the entry was written. A bad entry `s` is damage if a later entry says that `s` was durable;
// otherwise it is a torn tail. Damage in the very last group cannot be distinguished from a torn
// tail by any checksum. But the state that has applied those entries detects it, because it is
// ahead of the journal.
//
// Segment header, little-endian: magic "SKEINJ01" | firstSeq u64 | nonce u32 | crc u32 of the 20
// bytes before. Entry: magic u32 | crc u32 of all that follows | payload bytes u32 | 0 u32 | seq
// u64 | epoch u64 | durableSeq u64 | payload
import { crc32 } from '../../base/checksum/crc32.ts'

export const segmentHeaderBytes = 24
export const entryHeaderBytes = 40
/** Maximum payload of one entry. */
export const payloadBytesMax = 64 * 1024 * 1024

const segmentMagic = Buffer.from('SKEINJ01', 'latin1')
const entryMagic = Buffer.from('SKje', 'latin1')

/** The CRC-32 of `bytes`, seeded with `seed`. */
export type Checksum = (bytes: Uint8Array, seed: number) => number
export const crcChecksum: Checksum = (bytes, seed) => crc32(bytes, seed)

export interface SegmentHeader {
  readonly firstSeq: bigint
  readonly nonce: number
}

export interface DecodedEntry {
  readonly seq: bigint
  readonly epoch: bigint
  readonly durableSeq: bigint
  readonly bytes: Uint8Array
  /** The offset of the next entry. */
  readonly end: number
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes)
  segmentMagic.copy(bytes)
  bytes.writeBigUInt64LE(header.firstSeq, 8)
  bytes.writeUInt32LE(header.nonce, 16)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20)
  return bytes
}

/** The header, or undefined when it is incomplete. */
export function decodeSegmentHeader(file: Buffer): SegmentHeader | undefined {
  if (file.length < segmentHeaderBytes || !file.subarray(0, 8).equals(segmentMagic)) return undefined
  if (crc32(file.subarray(0, 20)) !== file.readUInt32LE(20)) return undefined
  return { firstSeq: file.readBigUInt64LE(8), nonce: file.readUInt32LE(16) }
}

export interface EntryToEncode {
  readonly seq: bigint
  readonly epoch: bigint
  readonly bytes: Uint8Array
}

/** Encodes the entries into one buffer. */
export function encodeEntries(
  entries: readonly EntryToEncode[],
  durableSeq: bigint,
  nonce: number,
  checksum: Checksum,
): Buffer {
  const total = entries.reduce((sum, entry) => sum + entryHeaderBytes + entry.bytes.length, 0)
  const out = Buffer.allocUnsafe(total)
  let at = 0
  for (const { seq, epoch, bytes } of entries) {
    const end = at + entryHeaderBytes + bytes.length
    entryMagic.copy(out, at)
    out.writeUInt32LE(bytes.length, at + 8)
    out.writeUInt32LE(0, at + 12)
    out.writeBigUInt64LE(seq, at + 16)
    out.writeBigUInt64LE(epoch, at + 24)
    out.writeBigUInt64LE(durableSeq, at + 32)
    out.set(bytes, at + entryHeaderBytes)
    out.writeUInt32LE(checksum(out.subarray(at + 8, end), nonce), at + 4)
    at = end
  }
  return out
}

/** The entry at `at`, or undefined when there is no valid one. */
export function decodeEntry(file: Buffer, at: number, nonce: number, checksum: Checksum): DecodedEntry | undefined {
  if (at + entryHeaderBytes > file.length || file.compare(entryMagic, 0, 4, at, at + 4) !== 0) return undefined
  const length = file.readUInt32LE(at + 8)
  const end = at + entryHeaderBytes + length
  if (length > payloadBytesMax || end > file.length) return undefined
  if (checksum(file.subarray(at + 8, end), nonce) !== file.readUInt32LE(at + 4)) return undefined
  return {
    seq: file.readBigUInt64LE(at + 16),
    epoch: file.readBigUInt64LE(at + 24),
    durableSeq: file.readBigUInt64LE(at + 32),
    bytes: file.subarray(at + entryHeaderBytes, end),
    end,
  }
}

/** Whether a later entry says that `seq` was durable when that entry was written. */
export function wasDurable(file: Buffer, at: number, seq: bigint, nonce: number, checksum: Checksum): boolean {
  for (let from = file.indexOf(entryMagic, at); from >= 0; from = file.indexOf(entryMagic, from + 1)) {
    const entry = decodeEntry(file, from, nonce, checksum)
    if (entry !== undefined && entry.seq > seq && entry.durableSeq >= seq) return true
  }
  return false
}
