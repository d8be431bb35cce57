// Why: what a store says of an object, or of a write, is believed only as far as it can be read.
// How: pure functions from an answer to what it says. A header that nobody needs is not looked at,
// however odd it is; one that is needed and cannot be read is refused with its name and value; one
// that may be missing has a stand-in. docs/store-trust.md says each rule in words.
import type { AnswerHeaders } from '../transport/http-head.ts'
import { bareEtag } from './range-answer.ts'
import { byteCountOf, timeOf } from './field-values.ts'

/** What a HEAD says. */
export interface HeadAnswer {
  /** Undefined when it is not told (chunked in place of Content-Length): a range tells. */
  readonly length: number | undefined
  /** Undefined when it is not told: a listing tells. */
  readonly etag: string | undefined
  /** 0 when it is not told, or cannot be read: nothing is decided by it. */
  readonly modifiedMs: number
  readonly storageClass: string
  readonly crc64: string | undefined
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
  }
}

/**
 * The object's size as the answer to a range GET of its first byte tells it; undefined when it does
 * not.
 */
export function sizeOfFirstByte(status: number, headers: AnswerHeaders): number | undefined {
  const range = headers.get('content-range') ?? ''
  if (status === 416) return /^bytes +\*\/0$/i.test(range) || range === '' ? 0 : undefined
  if (status === 206) return byteCountOf(/^bytes +0-0\/(\d+)$/i.exec(range)?.[1] ?? '')
  return status === 200 ? byteCountOf(headers.get('content-length') ?? '') : undefined
}

/** The text of the first element of this name; undefined when there is none. */
export function elementText(xml: string, name: string): string | undefined {
  const raw = new RegExp(`<(?:[A-Za-z0-9_]+:)?${name}(?:\\s[^<>]*)?>\\s*([^<]*?)\\s*</`).exec(xml)?.[1]
  return raw === undefined || raw === '' ? undefined : unescaped(raw)
}

/** An upload of one key that a listing of uploads names. */
export interface ListedUpload {
  readonly uploadId: string
  /** Undefined when it cannot be read. */
  readonly initiatedMs: number | undefined
}

/** The uploads of exactly this key. The listing is one of `encoding-type=url`. */
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
