// Why: what a client stores beside the bytes comes back with every read. How: user metadata and the
// content type are fields of the file system; the other headers of an answer are kept as client
// metadata, under their own names.
import { s3Error } from '../answer/error-table.ts'
import type { HeaderFields } from './header-fields.ts'

export interface GivenMetadata {
  readonly contentType: string
  /** Names in lower case, without `x-amz-meta-`. */
  readonly userMetadata: Readonly<Record<string, string>>
  /** Headers of an answer, by name in lower case. */
  readonly contentHeaders: Readonly<Record<string, string>>
}

export const contentHeaderNames = [
  ...['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires'],
] as const

const metaPrefix = 'x-amz-meta-'
const userMetadataBytesMax = 2048
const headerCharactersMax = 1024
const printable = /^[ -~]*$/

/** @throws S3 MetadataTooLarge, InvalidArgument */
export function givenMetadata(headers: HeaderFields): GivenMetadata {
  const userMetadata: Record<string, string> = {}
  let bytes = 0
  for (const name of headers.names()) {
    if (!name.startsWith(metaPrefix)) continue
    const bareName = name.slice(metaPrefix.length)
    const value = printableValue((headers.get(name) ?? '').trim())
    if (bareName === '' || bareName === '__proto__') throw s3Error('InvalidArgument', `${name} is no name of metadata.`)
    userMetadata[bareName] = value
    bytes += bareName.length + value.length
  }
  if (bytes > userMetadataBytesMax) throw s3Error('MetadataTooLarge')
  const contentHeaders: Record<string, string> = {}
  for (const name of contentHeaderNames) {
    const value = name === 'content-encoding' ? contentEncoding(headers) : headers.get(name)?.trim()
    if (value !== undefined && value !== '') contentHeaders[name] = checkedHeader(name, value)
  }
  return {
    contentType: checkedHeader('content-type', (headers.get('content-type') ?? '').trim()),
    userMetadata,
    contentHeaders,
  }
}

/** `aws-chunked` names the form of the request's body, and is not stored. */
function contentEncoding(headers: HeaderFields): string | undefined {
  const codings = headers
    .get('content-encoding')
    ?.split(',')
    .map((coding) => coding.trim())
  return codings?.filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked').join(', ')
}

function checkedHeader(name: string, value: string): string {
  if (value.length > headerCharactersMax)
    throw s3Error('InvalidArgument', `The header ${name} is longer than ${headerCharactersMax} characters.`)
  if (!printable.test(value)) throw s3Error('InvalidArgument', `The header ${name} has characters other than ASCII.`)
  return value
}

/**
 * Values other than ASCII are stored as S3 answers them: as an encoded word of RFC 2047. Node.js
 * decodes headers as Latin-1; clients send UTF-8.
 */
function printableValue(value: string): string {
  if (printable.test(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  if (!bytes.toString('utf8').includes('\ufffd')) return `=?UTF-8?B?${bytes.toString('base64')}?=`
  return `=?ISO-8859-1?B?${bytes.toString('base64')}?=`
}
