// Why: a segment must say by itself what it holds, so that a restart needs no index, and no torn,
// rotten or forged record is ever taken for a block. How: records one after another, all integers
// little-endian:
//
//   both kinds   8 bytes mark | u8 version | u8 kind | u16 0 | u32 head bytes | u64 sequence
//                u64 block id
//   a block      u64 length | u64 offset in the file | u16 x 3 lengths of the strings | u16 0
//                namespace id, key, etag (UTF-8) | u32 CRC-32 of each page
//   both kinds   u32 CRC-32 of the head from the version on
//   a block      the block's bytes
//
// The mark is random, one a segment, and stands in its file's name: after a rotten head the next
// record is found by looking for it, and no object's content can pass for a record, since nobody
// outside knows it. The sequence number grows with each block and each tombstone of a directory; a
// copy made by compaction keeps it. So of all records of one block the highest number is the truth,
// wherever it lies. Everything here is pure.
import { crc32 } from '../../base/checksum/crc32.ts'
import { pageCount } from '../disk/block-file.ts'
import type { BlockHeader } from '../block-store.ts'
import { readSafeInteger, writeSafeInteger } from '../disk/safe-integer.ts'

const version = 1
const blockKind = 1
const tombstoneKind = 2
const sharedBytes = 32
const blockFixedBytes = 56
const crcBytes = 4
export const markBytes = 8
/** A head can be decoded, or its length be told, from this many bytes on. */
export const headStartBytes = 16
export const tombstoneBytes = sharedBytes + crcBytes

export interface BlockRecord {
  readonly kind: 'block'
  readonly sequence: number
  readonly header: BlockHeader
  /** One unsigned CRC-32 a page (base/page-checksum.ts). */
  readonly checksums: readonly number[]
  readonly headBytes: number
  /** Of the whole record. */
  readonly bytes: number
}

/** Says that every record of the block with a lower sequence number is dead. */
export interface TombstoneRecord {
  readonly kind: 'tombstone'
  readonly sequence: number
  readonly blockId: number
  readonly headBytes: number
  readonly bytes: number
}

export type SegmentRecord = BlockRecord | TombstoneRecord

/**
 * The head of a block's record, without its mark (setMark), which depends on the segment that it
 * goes to.
 */
export function encodeBlockHead(sequence: number, header: BlockHeader, checksums: readonly number[]): Buffer {
  const namespaceBytes = Buffer.byteLength(header.namespaceId)
  const keyBytes = Buffer.byteLength(header.key)
  const etagBytes = Buffer.byteLength(header.etag)
  const total = blockFixedBytes + namespaceBytes + keyBytes + etagBytes + 4 * checksums.length + crcBytes
  const head = Buffer.allocUnsafe(total)
  writeShared(head, blockKind, sequence, header.blockId)
  writeSafeInteger(head, header.length, 32)
  writeSafeInteger(head, header.offset, 40)
  head.writeUInt16LE(namespaceBytes, 48)
  head.writeUInt16LE(keyBytes, 50)
  head.writeUInt16LE(etagBytes, 52)
  head.writeUInt16LE(0, 54)
  let at = blockFixedBytes
  at += head.write(header.namespaceId, at)
  at += head.write(header.key, at)
  at += head.write(header.etag, at)
  for (const checksum of checksums) at = head.writeUInt32LE(checksum, at)
  head.writeUInt32LE(crc32(head.subarray(markBytes, at)), at)
  return head
}

/** A tombstone, without its mark. */
export function encodeTombstone(sequence: number, blockId: number): Buffer {
  const head = Buffer.allocUnsafe(tombstoneBytes)
  writeShared(head, tombstoneKind, sequence, blockId)
  head.writeUInt32LE(crc32(head.subarray(markBytes, sharedBytes)), sharedBytes)
  return head
}

export function setMark(head: Buffer, mark: Uint8Array): void {
  head.set(mark, 0)
}

/**
 * Reads the record whose head begins at `at`.
 * @returns the record, undefined when there is none, or how many bytes from `at` on are needed to
 *   tell
 */
export function decodeRecord(bytes: Uint8Array, at: number, mark: Buffer): SegmentRecord | number | undefined {
  const left = bytes.length - at
  if (left < headStartBytes) return headStartBytes
  const start = Buffer.from(bytes.buffer, bytes.byteOffset + at, left)
  if (mark.compare(start, 0, markBytes) !== 0 || start[8] !== version) return undefined
  const kind = start[9]
  const headBytes = start.readUInt32LE(12)
  if (headBytes < tombstoneBytes || headBytes > headBytesMax) return undefined
  if (headBytes > left) return headBytes
  const crcAt = headBytes - crcBytes
  if (start.readUInt32LE(crcAt) !== crc32(start.subarray(markBytes, crcAt))) return undefined
  const sequence = readSafeInteger(start, 16)
  const blockId = readSafeInteger(start, 24)
  if (kind === tombstoneKind) return { kind: 'tombstone', sequence, blockId, headBytes, bytes: headBytes }
  return kind === blockKind ? blockRecord(start, sequence, blockId, headBytes) : undefined
}

/**
 * Strings of 64 KiB each, and the checksums of a block of 64 GiB; a length beyond is rot, and must
 * not be allocated.
 */
const headBytesMax = blockFixedBytes + 3 * 65_535 + 4 * 65_536 + crcBytes

function blockRecord(head: Buffer, sequence: number, blockId: number, headBytes: number): BlockRecord | undefined {
  if (headBytes < blockFixedBytes + crcBytes) return undefined
  const length = readSafeInteger(head, 32)
  const keyAt = blockFixedBytes + head.readUInt16LE(48)
  const etagAt = keyAt + head.readUInt16LE(50)
  const checksumsAt = etagAt + head.readUInt16LE(52)
  const pages = pageCount(length)
  if (checksumsAt + 4 * pages + crcBytes !== headBytes) return undefined
  const header: BlockHeader = {
    blockId,
    length,
    namespaceId: head.toString('utf8', blockFixedBytes, keyAt),
    key: head.toString('utf8', keyAt, etagAt),
    etag: head.toString('utf8', etagAt, checksumsAt),
    offset: readSafeInteger(head, 40),
  }
  const checksums = Array.from({ length: pages }, (_, page) => head.readUInt32LE(checksumsAt + 4 * page))
  return { kind: 'block', sequence, header, checksums, headBytes, bytes: headBytes + length }
}

function writeShared(head: Buffer, kind: number, sequence: number, blockId: number): void {
  head.fill(0, 0, markBytes)
  head.writeUInt8(version, 8)
  head.writeUInt8(kind, 9)
  head.writeUInt16LE(0, 10)
  head.writeUInt32LE(head.length, 12)
  writeSafeInteger(head, sequence, 16)
  writeSafeInteger(head, blockId, 24)
}
