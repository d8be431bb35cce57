// Why: clients send one of five checksums, in headers, trailers and documents. How: one table, by
// the name of the algorithm ("Checking object integrity", Amazon S3 User Guide). Values are base64;
// a CRC has its most significant byte first.
import { createHash } from 'node:crypto'
import { crc32 } from '../../../base/checksum/crc32.ts'
import { crc32c } from '../../../base/checksum/crc32c.ts'
import { Crc64, crc64Nvme } from '../../../base/checksum/crc64.ts'
import { s3Error } from '../answer/error-table.ts'

export interface RunningChecksum {
  update(bytes: Uint8Array): void
  digest(): Buffer
}

interface ChecksumDefinition {
  /** The name of the element in documents. */
  readonly element: string
  readonly bytes: number
  /** What the checksum of an object in parts is, if nothing else is asked for. */
  readonly defaultType: ChecksumType
  /** Whether the checksum of an object in parts can be that of all its bytes. */
  readonly fullObject: boolean
  readonly begin: () => RunningChecksum
}

export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT'

export const checksumTable = {
  crc32: {
    ...{ element: 'ChecksumCRC32', bytes: 4, defaultType: 'COMPOSITE', fullObject: true },
    begin: () => runningCrc(crc32),
  },
  crc32c: {
    ...{ element: 'ChecksumCRC32C', bytes: 4, defaultType: 'COMPOSITE', fullObject: true },
    begin: () => runningCrc(crc32c),
  },
  crc64nvme: {
    ...{ element: 'ChecksumCRC64NVME', bytes: 8, defaultType: 'FULL_OBJECT', fullObject: true },
    begin: () => runningCrc64(),
  },
  sha1: {
    ...{ element: 'ChecksumSHA1', bytes: 20, defaultType: 'COMPOSITE', fullObject: false },
    begin: () => createHash('sha1'),
  },
  sha256: {
    ...{ element: 'ChecksumSHA256', bytes: 32, defaultType: 'COMPOSITE', fullObject: false },
    begin: () => createHash('sha256'),
  },
} as const satisfies Readonly<Record<string, ChecksumDefinition>>

export type ChecksumAlgorithm = keyof typeof checksumTable
export const checksumAlgorithms = Object.keys(checksumTable) as readonly ChecksumAlgorithm[]

const headerPrefix = 'x-amz-checksum-'

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return headerPrefix + algorithm
}

/** The algorithm of a header's or trailer's name. */
export function algorithmOfHeader(name: string): ChecksumAlgorithm | undefined {
  return name.startsWith(headerPrefix) ? algorithmNamed(name.slice(headerPrefix.length)) : undefined
}

/** `CRC32C` -> `crc32c`. */
export function algorithmNamed(name: string): ChecksumAlgorithm | undefined {
  return checksumAlgorithms.find((algorithm) => algorithm === name.toLowerCase())
}

/** The bytes of a value in base64. @throws S3 BadDigest, because nothing has such a checksum */
export function checksumValue(algorithm: ChecksumAlgorithm, text: string): Buffer {
  const value = Buffer.from(text, 'base64')
  if (value.length !== checksumTable[algorithm].bytes || value.toString('base64') !== text)
    throw s3Error('BadDigest', `Value for ${checksumHeader(algorithm)} header is invalid.`)
  return value
}

function runningCrc(update: (bytes: Uint8Array, seed: number) => number): RunningChecksum {
  let crc = 0
  return {
    update: (bytes) => {
      crc = update(bytes, crc)
    },
    digest: () => {
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(crc)
      return bytes
    },
  }
}

function runningCrc64(): RunningChecksum {
  const crc = new Crc64(crc64Nvme)
  return { update: (bytes) => crc.update(bytes), digest: () => crc.digestBytes() }
}
