// Why: what an upload will become is said when it begins, and needed when it ends. How: it is kept
// as the metadata of a file; the fields of the object under their own names, those of the upload
// itself with `upload-` before them.
import type { FileStatus, ObjectMetadata } from '../../../client/file-system.ts'
import { algorithmNamed, type ChecksumAlgorithm, type ChecksumType } from '../body/checksum-algorithms.ts'
import { contentHeaderNames } from '../request/given-metadata.ts'
import type { StoredFields } from '../objects/call-fields.ts'
import { checksumFields, type StoredChecksum, storedChecksum } from '../objects/client-metadata.ts'

export interface UploadRecord {
  readonly id: string
  readonly key: string
  readonly initiator: string
  readonly startedMs: number
  readonly fields: StoredFields
  /** Of the object in whole; undefined: none. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly type: ChecksumType } | undefined
  /** What came of it; undefined: it takes parts. */
  readonly completed: { readonly etag: string; readonly checksum: StoredChecksum | undefined } | undefined
}

export function uploadMetadata(record: UploadRecord): ObjectMetadata {
  const { key, initiator, startedMs, fields, checksum, completed } = record
  return {
    contentType: fields.contentType,
    userMetadata: fields.userMetadata,
    clientMetadata: {
      ...fields.contentHeaders,
      ...(fields.tags !== '' && { tags: fields.tags }),
      'upload-key': encodeURIComponent(key),
      'upload-initiator': initiator,
      'upload-started': String(startedMs),
      ...(checksum !== undefined && { 'upload-checksum': `${checksum.algorithm}:${checksum.type}` }),
      ...(completed !== undefined && { etag: completed.etag }),
      ...(completed?.checksum !== undefined && checksumFields(completed.checksum)),
    },
  }
}

/** Undefined: the file is none of an upload. */
export function uploadRecord(status: FileStatus): UploadRecord | undefined {
  const { name, kind, contentType, userMetadata, clientMetadata: stored = {} } = status
  const [key, startedMs] = [stored['upload-key'], Number(stored['upload-started'])]
  if (kind !== 'file' || key === undefined || !Number.isSafeInteger(startedMs)) return undefined
  const [algorithmName = '', type = ''] = (stored['upload-checksum'] ?? '').split(':')
  const algorithm = algorithmNamed(algorithmName)
  const contentHeaders: Record<string, string> = {}
  for (const header of contentHeaderNames) if (stored[header] !== undefined) contentHeaders[header] = stored[header]
  const etag = stored['etag']
  return {
    id: name,
    key: decodeURIComponent(key),
    initiator: stored['upload-initiator'] ?? '',
    startedMs,
    fields: { contentType, userMetadata, contentHeaders, tags: stored['tags'] ?? '' },
    checksum: algorithm === undefined ? undefined : { algorithm, type: type as ChecksumType },
    completed: etag === undefined ? undefined : { etag, checksum: storedChecksum(stored) },
  }
}
