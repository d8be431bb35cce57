// Why: a header of S3 asks for something; one that is not supported must be refused by name, not
// ignored. How: every `x-amz-*` header is in this table, for all operations or for some. Values
// that ask for what is done anyway are accepted.
import { notImplemented } from '../answer/error-table.ts'
import type { HeaderFields } from './header-fields.ts'
import type { Operation } from './operations.ts'

/** Taken by every operation. */
const everywhere: ReadonlySet<string> = new Set([
  ...[
    'x-amz-date',
    'x-amz-content-sha256',
    'x-amz-security-token',
    'x-amz-user-agent',
    'x-amz-request-payer',
    'x-amz-api-version',
  ],
  ...['x-amz-sdk-checksum-algorithm', 'x-amz-decoded-content-length', 'x-amz-trailer', 'x-amz-te'],
  ...['x-amz-checksum-crc32', 'x-amz-checksum-crc32c', 'x-amz-checksum-crc64nvme'],
  ...['x-amz-checksum-sha1', 'x-amz-checksum-sha256'],
])

const copying: readonly Operation[] = ['CopyObject', 'UploadPartCopy']
const creating: readonly Operation[] = ['PutObject', 'CopyObject', 'CreateMultipartUpload']

/** Taken by these operations. */
const somewhere: Readonly<Record<string, readonly Operation[]>> = {
  'x-amz-checksum-algorithm': ['CopyObject', 'CreateMultipartUpload'],
  'x-amz-checksum-type': ['CreateMultipartUpload', 'CompleteMultipartUpload'],
  'x-amz-checksum-mode': ['GetObject', 'HeadObject'],
  'x-amz-copy-source': copying,
  'x-amz-copy-source-if-match': copying,
  'x-amz-copy-source-if-none-match': copying,
  'x-amz-copy-source-if-modified-since': copying,
  'x-amz-copy-source-if-unmodified-since': copying,
  'x-amz-copy-source-range': ['UploadPartCopy'],
  'x-amz-metadata-directive': ['CopyObject'],
  'x-amz-tagging-directive': ['CopyObject'],
  'x-amz-tagging': creating,
  'x-amz-object-attributes': ['GetObjectAttributes'],
  'x-amz-max-parts': ['GetObjectAttributes'],
  'x-amz-part-number-marker': ['GetObjectAttributes'],
  'x-amz-mp-object-size': ['CompleteMultipartUpload'],
}

/** Values that ask for what is done anyway. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  'x-amz-acl': ['private', 'bucket-owner-full-control'],
  'x-amz-storage-class': ['STANDARD'],
  'x-amz-server-side-encryption-bucket-key-enabled': ['false'],
  // Nothing is locked, and nothing is in an archive.
  'x-amz-bypass-governance-retention': ['true'],
  'x-amz-optional-object-attributes': ['RestoreStatus'],
}

/** Conditions on what is written are evaluated by these operations. */
const conditionalWrites: readonly Operation[] = ['PutObject', 'CopyObject', 'CompleteMultipartUpload']

/** @throws S3 NotImplemented, which names the header */
export function checkHeaders(operation: Operation, reads: boolean, headers: HeaderFields): void {
  for (const name of headers.names()) {
    if (!name.startsWith('x-amz-') || everywhere.has(name) || somewhere[name]?.includes(operation) === true) continue
    if (name.startsWith('x-amz-meta-') && creating.includes(operation)) continue
    if (harmless[name]?.includes(headers.get(name) ?? '') === true) continue
    throw notImplemented(`The header ${name.slice(0, 100)} with ${operation}`)
  }
  if (reads || conditionalWrites.includes(operation)) return
  const condition = ['if-match', 'if-none-match'].find((name) => headers.has(name))
  if (condition !== undefined) throw notImplemented(`The header ${condition} with ${operation}`)
}
