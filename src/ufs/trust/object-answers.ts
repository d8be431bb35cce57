// Why: the metadata in a response is used only if it can be interpreted. How: pure functions from a
// response to its metadata. Headers that are not needed are ignored, even if they are malformed. A
// needed header that cannot be interpreted is refused with its name and value. An optional one has
// a substitute. docs/store-trust.md describes each rule.
import type { StoredMetadata } from '../../base/attributes/object-metadata.ts'
import { metadataIn } from './metadata-answer.ts'
import type { AnswerHeaders } from '../transport/http-head.ts'
import { bareEtag } from './range-answer.ts'
import { byteCountOf, timeOf } from './field-values.ts'

/** The metadata in the response to a HEAD. */
export interface HeadAnswer {
  /** Undefined if missing (chunked instead of Content-Length): a range request supplies it. */
  readonly length: number | undefined
  /** Undefined if missing: a listing supplies it. */
  readonly etag: string | undefined
  /** 0 if missing or malformed: nothing depends on it. */
  readonly modifiedMs: number
  readonly storageClass: string
  readonly crc64: string | undefined
  readonly metadata: StoredMetadata
}

export function headAnswer(headers: AnswerHeaders): HeadAnswer {
  const etag = bareEtag(headers.get('etag') ?? '')
  const crc64 = headers.get('x-cos-hash-crc64ecma')
  const storageClass = headers.get('x-amz-storage-class') ?? headers.get('x-cos-storage-class') ?? ''
  return {
    length: byteCountOf(headers.get('content-length') ?? ''),
    etag: etag === '' ? undefined : etag,
    modifiedMs: timeOf(headers.get('last-modified') ?? '') ?? 0,
    storageClass: /^[A-Za-z0-9_-]{1,64}$/.test(storageClass) ? storageClass : 'STANDARD',
    crc64: crc64 !== undefined && /^\d{1,20}$/.test(crc64) ? crc64 : undefined,
    metadata: metadataIn(headers),
  }
}

/**
 * The size of the object, from the response to a range GET of its first byte; undefined if missing.
 */
export function sizeOfFirstByte(status: number, headers: AnswerHeaders): number | undefined {
  const range = headers.get('content-range') ?? ''
  if (status === 416) return /^bytes +\*\/0$/i.test(range) || range === '' ? 0 : undefined
  if (status === 206) return byteCountOf(/^bytes +0-0\/(\d+)$/i.exec(range)?.[1] ?? '')
  return status === 200 ? byteCountOf(headers.get('content-length') ?? '') : undefined
}

/** The text of the first element with this name; undefined when there is none. */
export function elementText(xml: string, name: string): string | undefined {
  const raw = new RegExp(`<(?:[A-Za-z0-9_]+:)?${name}(?:\\s[^<>]*)?>\\s*([^<]*?)\\s*</`).exec(xml)?.[1]
  return raw === undefined || raw === '' ? undefined : unescaped(raw)
}

/** An upload in a listing of uploads. */
export interface ListedUpload {
  readonly uploadId: string
  /** Undefined when it is malformed. */
  readonly initiatedMs: number | undefined
}

/** The uploads of exactly this key, from a listing with `encoding-type=url`. */
export function uploadsOf(xml: string, key: string): ListedUpload[] {
  const isEncoded = elementText(xml, 'EncodingType') === 'url'
  return [...xml.matchAll(/<Upload>(.*?)<\/Upload>/gs)].flatMap(([, upload = '']) => {
    const listed = elementText(upload, 'Key') ?? ''
    const uploadId = elementText(upload, 'UploadId')
    if (uploadId === undefined || (isEncoded ? decoded(listed) : listed) !== key) return []
    return [{ uploadId, initiatedMs: timeOf(elementText(upload, 'Initiated') ?? '') }]
  })
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function unescaped(text: string): string {
  return text.replace(
    /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([0-9A-Fa-f]{1,6}));/g,
    (_, name?: string, digits?: string, hex?: string) => {
      if (name !== undefined) return entities[name] ?? ''
      const code = digits === undefined ? Number.parseInt(hex ?? '', 16) : Number(digits)
      return code <= 0x10ffff ? String.fromCodePoint(code) : ''
    },
  )
}
