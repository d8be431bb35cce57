// Why: two versions of one listing. How: both are a page of list-objects.ts; they differ in how a
// page says where the next one begins, and in who owns the objects (ListObjects and ListObjectsV2,
// Amazon S3 API Reference).
import { element, escapedXml, group } from '../../../base/xml/xml-write.ts'
import { DocumentTimes, xmlDocument } from '../answer/document.ts'
import { documentReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { s3Error } from '../answer/error-table.ts'
import { storedChecksum } from '../objects/client-metadata.ts'
import { bucketFailure } from '../objects/object-access.ts'
import type { ListedObject } from '../objects/object-view.ts'
import { type ListPlace, placeOfToken, tokenOf } from './continuation-token.ts'
import { listObjects, type ObjectPage } from './list-objects.ts'
import { type ListQuery, listQuery, type Spelling, spelling, textOf } from './list-query.ts'

export async function listObjectsV1(context: S3Context, call: S3Call): Promise<S3Reply> {
  const listed = listQuery(call.query)
  const { prefix, delimiter, maxKeys } = listed
  const marker = textOf(call.query, 'marker')
  const isPrefix = delimiter !== '' && marker.endsWith(delimiter)
  const page = await pageOf(context, call, listed, marker === '' ? undefined : { after: marker, isPrefix })
  const text = spelling(listed)
  return documentReply(
    xmlDocument(
      'ListBucketResult',
      element('Name', call.bucket),
      element('Prefix', text(prefix)),
      element('Marker', text(marker)),
      // Only where clients cannot take the last key for it.
      element('NextMarker', delimiter === '' || page.next === undefined ? undefined : text(page.next.after)),
      element('MaxKeys', maxKeys),
      element('Delimiter', delimiter === '' ? undefined : text(delimiter)),
      element('EncodingType', listed.isEncoded ? 'url' : undefined),
      element('IsTruncated', page.next !== undefined),
      ...itemElements(page, text, call.caller.id),
    ),
  )
}

export async function listObjectsV2(context: S3Context, call: S3Call): Promise<S3Reply> {
  const { query, bucket, caller } = call
  if (query.get('list-type') !== '2') throw s3Error('InvalidArgument', 'The only list-type is 2.')
  const listed = listQuery(query)
  const { prefix, delimiter, maxKeys } = listed
  const token = query.get('continuation-token')
  const startAfter = textOf(query, 'start-after')
  const listing = [bucket, prefix, delimiter]
  const start = startAfter === '' ? undefined : { after: startAfter, isPrefix: false }
  const page = await pageOf(context, call, listed, (token ?? '') === '' ? start : placeOfToken(token ?? '', listing))
  const text = spelling(listed)
  const owner = query.get('fetch-owner') === 'true' ? caller.id : undefined
  return documentReply(
    xmlDocument(
      'ListBucketResult',
      element('Name', bucket),
      element('Prefix', text(prefix)),
      element('StartAfter', startAfter === '' ? undefined : text(startAfter)),
      element('ContinuationToken', token),
      element('NextContinuationToken', page.next === undefined ? undefined : tokenOf(page.next, listing)),
      element('KeyCount', page.items.length),
      element('MaxKeys', maxKeys),
      element('Delimiter', delimiter === '' ? undefined : text(delimiter)),
      element('EncodingType', listed.isEncoded ? 'url' : undefined),
      element('IsTruncated', page.next !== undefined),
      ...itemElements(page, text, owner),
    ),
  )
}

async function pageOf(
  { fileSystem }: S3Context,
  { bucket, signal }: S3Call,
  { prefix, delimiter, maxKeys }: ListQuery,
  place: ListPlace | undefined,
): Promise<ObjectPage> {
  try {
    return await listObjects(fileSystem, { bucket, prefix, delimiter, place, signal }, maxKeys)
  } catch (thrown) {
    throw await bucketFailure(thrown, fileSystem, bucket, { signal })
  }
}

/** @param owner of each object; undefined: not asked for */
function itemElements({ items }: ObjectPage, text: Spelling, owner: string | undefined): string[] {
  const ownedBy = owner === undefined ? '' : group('Owner', element('ID', owner), element('DisplayName', owner))
  const times = new DocumentTimes()
  return items.map((item) =>
    'prefix' in item
      ? group('CommonPrefixes', element('Prefix', text(item.prefix)))
      : contents(text(item.key), item.object, times.text(item.object.modifiedMs), ownedBy),
  )
}

/** One string for each object: a page has a thousand. */
function contents(
  key: string,
  { etag, size, clientMetadata }: ListedObject,
  modified: string,
  ownedBy: string,
): string {
  const checksum = clientMetadata['checksum'] === undefined ? undefined : storedChecksum(clientMetadata)
  const checksumElements =
    checksum === undefined
      ? ''
      : element('ChecksumAlgorithm', checksum.algorithm.toUpperCase()) + element('ChecksumType', checksum.type)
  return (
    `<Contents><Key>${escapedXml(key)}</Key><LastModified>${modified}</LastModified>` +
    `<ETag>&quot;${escapedXml(etag)}&quot;</ETag>${checksumElements}<Size>${size}</Size>` +
    `<StorageClass>STANDARD</StorageClass>${ownedBy}</Contents>`
  )
}
