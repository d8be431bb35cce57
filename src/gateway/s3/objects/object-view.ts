// Why: clients see files of the cache as objects of S3. How: the ETag is the one that the client
// who wrote the object was given; else that of the store; else one made of the version. The last
// has the form of an ETag of parts, so that nobody takes it for an MD5. Conditions hold for each of
// them, because a file that is written here gets its ETag of the store later. A directory that a
// user made is the empty object `dir/`.
import type { FileStatus } from '../../../client/file-system.ts'
import type { Validators } from '../request/conditions.ts'

export interface ObjectView extends Validators {
  /** Without quotes. */
  readonly etag: string
  readonly size: number
  /** Empty: not set. */
  readonly contentType: string
  readonly userMetadata: Readonly<Record<string, string>>
  /** Names: client-metadata.ts. */
  readonly clientMetadata: Readonly<Record<string, string>>
  readonly fileId: number
}

/** What a listing says of an object. */
export type ListedObject = Pick<ObjectView, 'etag' | 'size' | 'modifiedMs' | 'clientMetadata'>

/** The MD5 of no bytes. */
const emptyEtag = 'd41d8cd98f00b204e9800998ecf8427e'
const directoryContentType = 'application/x-directory'
const fileIdDigits = 32
const noMetadata: ObjectView['clientMetadata'] = Object.freeze({})

export function objectOf(status: FileStatus): ObjectView {
  const { fileId, modifiedMs, clientMetadata = {}, userMetadata } = status
  if (status.kind === 'directory') {
    return {
      ...{ etag: emptyEtag, etags: [emptyEtag], size: 0, contentType: directoryContentType },
      ...{ userMetadata: {}, clientMetadata: {}, fileId, modifiedMs },
    }
  }
  const ownEtag = etagOfVersion(fileId)
  const etags = [clientMetadata['etag'] ?? '', status.etag, ownEtag].filter((etag) => etag !== '')
  return {
    ...{ etag: etags[0] ?? ownEtag, etags, size: status.length, contentType: status.contentType },
    ...{ userMetadata, clientMetadata, fileId, modifiedMs },
  }
}

/** As objectOf. */
export function listedObjectOf(status: FileStatus): ListedObject {
  const { kind, fileId, modifiedMs, length: size, clientMetadata = noMetadata } = status
  if (kind === 'directory') return { etag: emptyEtag, size: 0, modifiedMs, clientMetadata: noMetadata }
  const etag = (clientMetadata['etag'] ?? '') || status.etag || etagOfVersion(fileId)
  return { etag, size, modifiedMs, clientMetadata }
}

function etagOfVersion(fileId: number): string {
  return `${fileId.toString(16).padStart(fileIdDigits, '0')}-1`
}
