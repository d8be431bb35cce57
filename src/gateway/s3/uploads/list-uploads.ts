// Why: clients find uploads that were left behind, and the parts that an upload has. How: both are
// listings of the files of stored-uploads.ts. Uploads are sorted by key, then by id; of those of a
// bucket no more are kept in memory than a page needs.
import { element, group } from '../../../base/xml/xml-write.ts'
import { documentTime, xmlDocument } from '../answer/document.ts'
import { documentReply, type S3Call, type S3Context, type S3Reply } from '../call/s3-call.ts'
import { listQuery, spelling, textOf } from '../listing/list-query.ts'
import { countOf } from '../request/query-fields.ts'
import { storedChecksum } from '../objects/client-metadata.ts'
import { checksumElement } from '../objects/copy-objects.ts'
import type { UploadRecord } from './upload-metadata.ts'
import { UploadRecords } from './stored-uploads.ts'

type UploadItem = { readonly key: string; readonly id: string; readonly record?: UploadRecord }

export async function listMultipartUploads({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  const { bucket, query } = call
  const listed = listQuery(query, 'max-uploads')
  const { prefix, delimiter, maxKeys } = listed
  const [keyMarker, idMarker] = [textOf(query, 'key-marker'), query.get('upload-id-marker') ?? '']
  const marker = { key: keyMarker, id: keyMarker === '' ? '' : idMarker }
  const page = new UploadPage(maxKeys)
  for await (const record of new UploadRecords(fileSystem, bucket, call).open()) {
    if (!record.key.startsWith(prefix)) continue
    const end = delimiter === '' ? -1 : record.key.indexOf(delimiter, prefix.length)
    const item =
      end < 0
        ? { key: record.key, id: record.id, record }
        : { key: record.key.slice(0, end + delimiter.length), id: '' }
    if (isBehind(item, marker)) page.add(item)
  }
  const items = page.items()
  const last = items.length > maxKeys ? items[maxKeys - 1] : undefined
  const text = spelling(listed)
  return documentReply(
    xmlDocument(
      'ListMultipartUploadsResult',
      element('Bucket', bucket),
      element('KeyMarker', text(keyMarker)),
      element('UploadIdMarker', idMarker),
      element('NextKeyMarker', last === undefined ? undefined : text(last.key)),
      element('NextUploadIdMarker', last?.id),
      element('Prefix', text(prefix)),
      element('Delimiter', delimiter === '' ? undefined : text(delimiter)),
      element('EncodingType', listed.isEncoded ? 'url' : undefined),
      element('MaxUploads', maxKeys),
      element('IsTruncated', last !== undefined),
      ...items.slice(0, maxKeys).map((item) => itemElement(item, text)),
    ),
  )
}

/** A key without an id as a marker is behind all uploads of the key. */
function isBehind(item: UploadItem, marker: { readonly key: string; readonly id: string }): boolean {
  if (item.key === marker.key) return marker.id !== '' && item.id > marker.id
  return compareBytes(item.key, marker.key) > 0
}

/** The first items that were added, in order. */
class UploadPage {
  readonly #max: number
  #items = new Map<string, UploadItem>()

  constructor(max: number) {
    this.#max = max
  }

  add(item: UploadItem): void {
    this.#items.set(`${item.key}\0${item.id}`, item)
    if (this.#items.size > 4 * (this.#max + 1)) this.#cut()
  }

  /** One more than a page has, if there are more. */
  items(): readonly UploadItem[] {
    this.#cut()
    return [...this.#items.values()]
  }

  #cut(): void {
    const sorted = [...this.#items].toSorted(([, a], [, b]) => compareBytes(a.key, b.key) || (a.id < b.id ? -1 : 1))
    this.#items = new Map(sorted.slice(0, this.#max + 1))
  }
}

function itemElement({ key, record }: UploadItem, text: (key: string) => string): string {
  if (record === undefined) return group('CommonPrefixes', element('Prefix', text(key)))
  const { id, initiator, startedMs, checksum } = record
  return group(
    'Upload',
    element('Key', text(key)),
    element('UploadId', id),
    owner('Initiator', initiator),
    owner('Owner', initiator),
    element('StorageClass', 'STANDARD'),
    element('Initiated', documentTime(startedMs)),
    element('ChecksumAlgorithm', checksum?.algorithm.toUpperCase()),
    element('ChecksumType', checksum?.type),
  )
}

export async function listParts({ fileSystem }: S3Context, call: S3Call): Promise<S3Reply> {
  const { bucket, key, query } = call
  const max = countOf(query.get('max-parts'), 'max-parts')
  const marker = countOf(query.get('part-number-marker') ?? '0', 'part-number-marker', 10_000)
  const records = new UploadRecords(fileSystem, bucket, call)
  const record = await records.findOpen(key, query.get('uploadId'))
  const parts: string[] = []
  let [last, isTruncated] = [marker, false]
  for await (const { number, status } of records.parts(record.id, marker, Math.min(1000, max + 1))) {
    isTruncated = parts.length === max
    if (isTruncated) break
    last = number
    parts.push(
      group(
        'Part',
        element('PartNumber', number),
        element('LastModified', documentTime(status.modifiedMs)),
        element('ETag', `"${status.clientMetadata?.['etag'] ?? ''}"`),
        element('Size', status.length),
        checksumElement(storedChecksum(status.clientMetadata ?? {})),
      ),
    )
  }
  return documentReply(
    xmlDocument(
      'ListPartsResult',
      element('Bucket', bucket),
      element('Key', spelling(listQuery(query))(key)),
      element('UploadId', record.id),
      owner('Initiator', record.initiator),
      owner('Owner', record.initiator),
      element('StorageClass', 'STANDARD'),
      element('PartNumberMarker', marker),
      element('NextPartNumberMarker', isTruncated ? last : undefined),
      element('MaxParts', max),
      element('IsTruncated', isTruncated),
      element('ChecksumAlgorithm', record.checksum?.algorithm.toUpperCase()),
      element('ChecksumType', record.checksum?.type),
      ...parts,
    ),
  )
}

function owner(name: string, id: string): string {
  return group(name, element('ID', id), element('DisplayName', id))
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
