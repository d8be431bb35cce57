// Why: a block's file must say by itself what it holds, so that a restart needs no index and a
// torn, rotten or mixed-up file is never served. How: the data from offset 0 (a writer in another
// process needs to know nothing else), then a footer, all integers little-endian:
//
//   u32 version | u32 page bytes | u64 block id | u64 length | u64 offset in the file
//   u16 x 3 lengths of the strings | u16 flags
//   namespace id, key, etag (UTF-8) | u32 CRC-32 of each page | u32 CRC-32 of the footer so far
//   8 bytes magic | u32 footer length
//
// The footer's length is last, so that it is found from the file's end. Everything here is pure.
import { crc32 as textCrc32 } from 'node:zlib'
import { crc32 } from '../../base/checksum/crc32.ts'
import { SkeinError } from '../../base/errors.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { BlockHeader, KeptBlock } from '../block-store.ts'
import { readSafeInteger, writeSafeInteger } from './safe-integer.ts'

const version = 1
const magic = Buffer.from('SKEINBLK', 'latin1')
const fixedBytes = 40
const trailerBytes = 16
/** Flags. */
const durableFlag = 1
const stringBytesMax = 65_535
/** Of all the names in a header. */
export const namesBytesMax = 3 * stringBytesMax
/**
 * The tail of a file that holds every footer of a block of up to 256 MiB with short names: one read
 * is enough for most.
 */
export const usualFooterBytesMax = 2048

export interface BlockFooter {
  readonly header: BlockHeader
  /** One unsigned CRC-32 a page (base/page-checksum.ts). */
  readonly checksums: readonly number[]
  readonly footerBytes: number
}

/** How many pages, and so checksums, a block of `length` bytes has. */
export function pageCount(length: number): number {
  return Math.ceil(length / pageBytes)
}

/** @throws SkeinError invalid_argument when the header cannot be a block's */
export function checkHeader(header: BlockHeader): void {
  const wrong = [header.blockId, header.length, header.offset].some(
    (value) => !Number.isSafeInteger(value) || value < 0,
  )
  if (wrong) {
    throw new SkeinError(
      'invalid_argument',
      `block ${header.blockId}: id, length ${header.length} or offset ${header.offset} is not a whole number`,
    )
  }
  // Three UTF-8 bytes a UTF-16 unit is the most there can be, so that the usual short strings need
  // no counting.
  for (const text of [header.namespaceId, header.key, header.etag]) {
    if (text.length * 3 > stringBytesMax && Buffer.byteLength(text) > stringBytesMax) {
      throw new SkeinError(
        'invalid_argument',
        `block ${header.blockId}: a name in its header is longer than ${stringBytesMax} bytes`,
      )
    }
  }
}

/** The footer that follows a block's data. `checksums` must be one a page. */
export function encodeFooter(header: BlockHeader, checksums: readonly number[]): Buffer {
  const namespaceBytes = Buffer.byteLength(header.namespaceId)
  const keyBytes = Buffer.byteLength(header.key)
  const etagBytes = Buffer.byteLength(header.etag)
  const total = fixedBytes + namespaceBytes + keyBytes + etagBytes + 4 * checksums.length + trailerBytes
  const footer = Buffer.allocUnsafe(total)
  footer.writeUInt32LE(version, 0)
  footer.writeUInt32LE(pageBytes, 4)
  writeSafeInteger(footer, header.blockId, 8)
  writeSafeInteger(footer, header.length, 16)
  writeSafeInteger(footer, header.offset, 24)
  footer.writeUInt16LE(namespaceBytes, 32)
  footer.writeUInt16LE(keyBytes, 34)
  footer.writeUInt16LE(etagBytes, 36)
  footer.writeUInt16LE(header.durable === true ? durableFlag : 0, 38)
  let at = fixedBytes
  at += footer.write(header.namespaceId, at)
  at += footer.write(header.key, at)
  at += footer.write(header.etag, at)
  for (const checksum of checksums) at = footer.writeUInt32LE(checksum, at)
  at = footer.writeUInt32LE(crc32(footer.subarray(0, at)), at)
  at += magic.copy(footer, at)
  footer.writeUInt32LE(total, at)
  return footer
}

/**
 * What the end of a file says the footer's length is; undefined when the file does not end as a
 * block does.
 */
export function footerLengthOf(tail: Uint8Array): number | undefined {
  if (tail.length < trailerBytes) return undefined
  const end = Buffer.from(tail.buffer, tail.byteOffset + tail.length - trailerBytes, trailerBytes)
  if (!end.subarray(4, 12).equals(magic)) return undefined
  const total = end.readUInt32LE(12)
  return total >= fixedBytes + trailerBytes ? total : undefined
}

/**
 * Reads the footer at the end of `tail`, the last bytes of a file of `fileBytes`.
 * @returns undefined when the file is torn, rotten, of another version or no block at all
 */
export function decodeFooter(tail: Uint8Array, fileBytes: number): BlockFooter | undefined {
  const footerBytes = footerLengthOf(tail)
  if (footerBytes === undefined || footerBytes > tail.length) return undefined
  const footer = Buffer.from(tail.buffer, tail.byteOffset + tail.length - footerBytes, footerBytes)
  const crcAt = footerBytes - trailerBytes
  if (footer.readUInt32LE(crcAt) !== crc32(footer.subarray(0, crcAt))) return undefined
  if (footer.readUInt32LE(0) !== version || footer.readUInt32LE(4) !== pageBytes) return undefined
  const length = readSafeInteger(footer, 16)
  if (length + footerBytes !== fileBytes) return undefined
  const keyAt = fixedBytes + footer.readUInt16LE(32)
  const etagAt = keyAt + footer.readUInt16LE(34)
  const checksumsAt = etagAt + footer.readUInt16LE(36)
  const pages = pageCount(length)
  if (checksumsAt + 4 * pages !== crcAt) return undefined
  const checksums = Array.from({ length: pages }, (_, page) => footer.readUInt32LE(checksumsAt + 4 * page))
  const header: BlockHeader = {
    blockId: readSafeInteger(footer, 8),
    length,
    namespaceId: footer.toString('utf8', fixedBytes, keyAt),
    key: footer.toString('utf8', keyAt, etagAt),
    etag: footer.toString('utf8', etagAt, checksumsAt),
    offset: readSafeInteger(footer, 24),
    ...((footer.readUInt16LE(38) & durableFlag) === 0 ? {} : { durable: true }),
  }
  return { header, checksums, footerBytes }
}

/** What is kept in memory of a block that is in a directory. */
export interface StoredBlock extends KeptBlock {
  /**
   * A digest of the rest of its header, so that another block's file, or another version's, is
   * seen.
   */
  readonly names: number
}

export function storedBlock(header: BlockHeader): StoredBlock {
  const { blockId, length, namespaceId, key, etag, offset, durable } = header
  // A NUL is in no name of a namespace and in no ETag.
  const names = textCrc32(`${namespaceId}\0${etag}\0${offset}\0${key}`) | 0
  return { blockId, length, durable, names }
}

/** Whether a header is that of a block that is kept, however durable each is. */
export function isOf(header: BlockHeader, kept: StoredBlock): boolean {
  return header.blockId === kept.blockId && header.length === kept.length && storedBlock(header).names === kept.names
}

/** Whether two headers speak of the same bytes, however they are kept. */
export function sameHeader(a: BlockHeader, b: BlockHeader): boolean {
  return (
    a.blockId === b.blockId &&
    a.length === b.length &&
    a.offset === b.offset &&
    a.namespaceId === b.namespaceId &&
    a.key === b.key &&
    a.etag === b.etag
  )
}

/**
 * The first page that does not match its checksum, or undefined. `data` begins at the start of page
 * `firstPage` and ends at a page's end.
 */
export function rottenPage(data: Uint8Array, firstPage: number, checksums: readonly number[]): number | undefined {
  for (let at = 0, page = firstPage; at < data.length; at += pageBytes, page += 1) {
    if (crc32(data.subarray(at, at + pageBytes)) !== checksums[page]) return page
  }
  return undefined
}
