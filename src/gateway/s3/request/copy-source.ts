// Why: a copy names its source in a header, encoded like a path. How: CopyObject, Amazon S3 API
// Reference: `bucket/key` or `/bucket/key`, percent-encoded, with `?versionId=` at the end or not.
import { notImplemented, s3Error } from '../answer/error-table.ts'
import type { HeaderFields } from './header-fields.ts'
import { addressOf, type ObjectAddress } from './object-address.ts'

/** @throws S3 InvalidArgument, NotImplemented for a version, and those of object-address.ts */
export function copySource(headers: HeaderFields): ObjectAddress {
  const text = headers.get('x-amz-copy-source') ?? ''
  const mark = text.indexOf('?versionId=')
  const versionId = mark < 0 ? 'null' : text.slice(mark + '?versionId='.length)
  if (versionId !== 'null') throw notImplemented('A version of a copy source')
  try {
    return addressOf(decodeURIComponent(mark < 0 ? text : text.slice(0, mark)))
  } catch (thrown) {
    if (thrown instanceof URIError) throw s3Error('InvalidArgument', 'The copy source must be percent-encoded UTF-8.')
    throw thrown
  }
}

/** `COPY` (default) or `REPLACE`. @throws S3 InvalidArgument */
export function directive(headers: HeaderFields, name: string): 'COPY' | 'REPLACE' {
  const text = headers.get(name) ?? 'COPY'
  if (text === 'COPY' || text === 'REPLACE') return text
  throw s3Error('InvalidArgument', `Unknown ${name}: it must be COPY or REPLACE.`)
}
