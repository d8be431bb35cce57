// Why: what S3 keeps with an object, and a file system has no field for, is kept as client
// metadata. How: one function each way. Names: `etag`, `checksum` (`crc32:<base64>`),
// `checksum-type`, `parts` and `part-checksums` (part-sizes.ts), `tags` (tag-sets.ts), and the
// headers of given-metadata.ts under their own names.
import {
  algorithmNamed,
  type ChecksumAlgorithm,
  checksumHeader,
  type ChecksumType,
} from '../body/checksum-algorithms.ts'

/** Below the limit of all that is kept with an object. */
const roomForPartsMax = 8000

export type ClientMetadata = Readonly<Record<string, string>>

export interface StoredChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** In base64; with `-` and the number of parts if it is composed. */
  readonly text: string
  readonly type: ChecksumType
}

export interface ObjectFacts {
  readonly etag: string
  readonly checksum?: StoredChecksum | undefined
  readonly contentHeaders: Readonly<Record<string, string>>
  /** Empty: none. */
  readonly tags: string
  readonly parts?: string | undefined
  /** In base64, in the order of the parts. */
  readonly partChecksums?: string | undefined
}

export function clientMetadata({
  etag,
  checksum,
  contentHeaders,
  tags,
  parts,
  partChecksums,
}: ObjectFacts): ClientMetadata {
  const needed = {
    etag,
    ...contentHeaders,
    ...(checksum !== undefined && checksumFields(checksum)),
    ...(tags !== '' && { tags }),
    ...(parts !== undefined && { parts }),
  }
  // It can be done without, and must not be the reason for which an object is refused.
  const isRoom = Object.entries(needed).join('').length + (partChecksums ?? '').length < roomForPartsMax
  return partChecksums !== undefined && isRoom ? { ...needed, 'part-checksums': partChecksums } : needed
}

export function checksumFields({ algorithm, text, type }: StoredChecksum): ClientMetadata {
  return { checksum: `${algorithm}:${text}`, 'checksum-type': type }
}

export function storedChecksum(metadata: ClientMetadata): StoredChecksum | undefined {
  const [name = '', text = ''] = (metadata['checksum'] ?? '').split(':')
  const algorithm = algorithmNamed(name)
  if (algorithm === undefined) return undefined
  return { algorithm, text, type: metadata['checksum-type'] === 'COMPOSITE' ? 'COMPOSITE' : 'FULL_OBJECT' }
}

/** As headers of an answer. */
export function checksumHeaders(checksum: StoredChecksum | undefined): Readonly<Record<string, string>> {
  if (checksum === undefined) return {}
  return { [checksumHeader(checksum.algorithm)]: checksum.text, 'x-amz-checksum-type': checksum.type }
}
