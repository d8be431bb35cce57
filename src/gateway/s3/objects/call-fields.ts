// Why: several operations take the same headers and fields. How: each is read in one place.
import { s3Error } from '../answer/error-table.ts'
import type { S3Call } from '../call/s3-call.ts'
import type { ConditionHeaders } from '../request/conditions.ts'
import { givenMetadata, type GivenMetadata } from '../request/given-metadata.ts'
import type { HeaderFields } from '../request/header-fields.ts'
import { tagsOf, tagText } from '../request/tag-sets.ts'

export function conditionHeaders(headers: HeaderFields, prefix = ''): ConditionHeaders {
  return {
    ifMatch: headers.get(`${prefix}if-match`),
    ifNoneMatch: headers.get(`${prefix}if-none-match`),
    ifModifiedSince: headers.get(`${prefix}if-modified-since`),
    ifUnmodifiedSince: headers.get(`${prefix}if-unmodified-since`),
  }
}

export interface StoredFields extends GivenMetadata {
  /** As tagText writes them. */
  readonly tags: string
}

/** What a request stores with its object. @throws S3 errors of given-metadata.ts and tag-sets.ts */
export function storedFields(headers: HeaderFields): StoredFields {
  return { ...givenMetadata(headers), tags: tagText(tagsOf(headers.get('x-amz-tagging') ?? '')) }
}

/**
 * There is one version of an object, which is called `null`.
 * @throws S3 NotImplemented for another one
 */
export function checkVersion({ query }: Pick<S3Call, 'query'>): void {
  checkVersionId(query.get('versionId'))
}

export function checkVersionId(versionId: string | undefined): void {
  if (versionId !== undefined && versionId !== '' && versionId !== 'null')
    throw s3Error('NotImplemented', 'Versions of objects are not implemented: leave out versionId.')
}
