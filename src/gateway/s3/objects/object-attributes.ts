// Why: clients ask what an object is, and of which parts, in one document without its bytes. How:
// the same facts that GetObject answers as headers (GetObjectAttributes, Amazon S3 API Reference).
import { element, group } from '../../../base/xml/xml-write.ts'
import { xmlDocument } from '../answer/document.ts'
import { s3Error } from '../answer/error-table.ts'
import { documentReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { countOf } from '../request/query-fields.ts'
import { headerTime } from '../request/http-time.ts'
import { checkVersion } from './call-fields.ts'
import { type StoredChecksum, storedChecksum } from './client-metadata.ts'
import { checksumElement, checksumElements } from './copy-objects.ts'
import { findObject } from './object-access.ts'
import type { ObjectView } from './object-view.ts'
import { partPlace, partsCount } from './part-sizes.ts'

const attributeNames = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const
type AttributeName = (typeof attributeNames)[number]

export async function getObjectAttributes({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  checkVersion(call)
  const asked = askedAttributes(call)
  const view = await findObject(fileSystem, call, call)
  const checksum = storedChecksum(view.clientMetadata)
  const elements: Readonly<Record<AttributeName, () => string>> = {
    ETag: () => element('ETag', view.etag),
    Checksum: () => (checksum === undefined ? '' : group('Checksum', checksumElements(checksum))),
    ObjectParts: () => partsElement(call, view, checksum),
    StorageClass: () => element('StorageClass', 'STANDARD'),
    ObjectSize: () => element('ObjectSize', view.size),
  }
  const content = attributeNames.filter((name) => asked.has(name)).map((name) => elements[name]())
  return documentReply(xmlDocument('GetObjectAttributesResponse', ...content), {
    'last-modified': headerTime(view.modifiedMs),
  })
}

/** @throws S3 InvalidArgument */
function askedAttributes({ headers }: S3Call): ReadonlySet<string> {
  const names = (headers.get('x-amz-object-attributes') ?? '').split(',').map((name) => name.trim())
  const unknown = names.find((name) => !(attributeNames as readonly string[]).includes(name))
  if (unknown !== undefined)
    throw s3Error('InvalidArgument', `Invalid attribute name specified: ${unknown.slice(0, 100)}`)
  return new Set(names)
}

/** Empty for an object that was not written in parts, or whose parts are not known. */
function partsElement({ headers }: S3Call, view: ObjectView, checksum: StoredChecksum | undefined): string {
  const { parts, 'part-checksums': checksums } = view.clientMetadata
  if (parts === undefined) return ''
  const max = countOf(headers.get('x-amz-max-parts'), 'max-parts')
  const marker = countOf(headers.get('x-amz-part-number-marker') ?? '0', 'part-number-marker', 10_000)
  const count = partsCount(parts)
  const texts = checksums?.split(',')
  const last = Math.min(count, marker + max)
  const shown: string[] = []
  for (let number = marker + 1; number <= last; number += 1) {
    const text = texts?.[number - 1]
    shown.push(
      group(
        'Part',
        element('PartNumber', number),
        element('Size', partPlace(parts, number)?.length ?? 0),
        checksum === undefined || text === undefined ? '' : checksumElement({ ...checksum, text }),
      ),
    )
  }
  const isTruncated = last < count
  return group(
    'ObjectParts',
    element('PartsCount', count),
    element('PartNumberMarker', marker),
    element('NextPartNumberMarker', isTruncated ? last : undefined),
    element('MaxParts', max),
    element('IsTruncated', isTruncated),
    ...shown,
  )
}
