// Why: a token says where a listing goes on, and must not be used for another listing, nor be made
// up. How: the place and a checksum over the listing that it belongs to, in base64url. It is not a
// secret: whoever may list may begin anywhere (`start-after`).
import { crc32 } from '../../../base/checksum/crc32.ts'
import { keyBytesMax } from '../../../base/paths.ts'
import { s3Error } from '../answer/error-table.ts'

/** Behind this key, or behind all keys that begin with it. */
export interface ListPlace {
  readonly after: string
  readonly isPrefix: boolean
}

const checksumBytes = 4

/** @param listing what must be the same: bucket, prefix and delimiter */
export function tokenOf({ after, isPrefix }: ListPlace, listing: readonly string[]): string {
  const place = Buffer.from(`${isPrefix ? 'p' : 'k'}${after}`)
  return Buffer.concat([checksumOf(place, listing), place]).toString('base64url')
}

/** The inverse of tokenOf. @throws S3 InvalidArgument */
export function placeOfToken(token: string, listing: readonly string[]): ListPlace {
  const bytes = token.length > 2 * keyBytesMax ? Buffer.alloc(0) : Buffer.from(token, 'base64url')
  const place = bytes.subarray(checksumBytes)
  const text = place.toString()
  const isWhole = bytes.subarray(0, checksumBytes).equals(checksumOf(place, listing))
  if (!isWhole || !/^[kp]/.test(text)) throw s3Error('InvalidArgument', 'The continuation token provided is incorrect')
  return { after: text.slice(1), isPrefix: text.startsWith('p') }
}

function checksumOf(place: Uint8Array, listing: readonly string[]): Buffer {
  const bytes = Buffer.alloc(checksumBytes)
  bytes.writeUInt32BE(crc32(Buffer.concat([place, Buffer.from(`\0${listing.join('\0')}`)])))
  return bytes
}
