// Why: a read answers with what was stored beside the bytes, and with what the client asks for
// instead. How: one function from an object and a request to headers (GetObject and HeadObject,
// Amazon S3 API Reference).
import { headerTime } from '../request/http-time.ts'
import { contentHeaderNames } from '../request/given-metadata.ts'
import type { QueryFields } from '../request/query-fields.ts'
import { tagsOf } from '../request/tag-sets.ts'
import { s3Error } from '../answer/error-table.ts'
import { checksumHeaders, storedChecksum } from './client-metadata.ts'
import type { ObjectView } from './object-view.ts'

type Headers = Readonly<Record<string, string | number | undefined>>

/** Query fields that replace a header: `response-content-type`. */
const overridden = ['content-type', ...contentHeaderNames] as const
const defaultContentType = 'binary/octet-stream'
// A header's value cannot have line ends; Node.js would refuse it later.
const headerText = /^[\t\x20-\x7e\x80-\xff]*$/

/** What a read of an unchanged object answers, too. */
export function validatorHeaders({ etag, modifiedMs }: ObjectView): Headers {
  return { etag: `"${etag}"`, 'last-modified': headerTime(modifiedMs) }
}

/**
 * @param withChecksum the client asked for it, and gets the whole object
 * @throws S3 InvalidArgument for an override that is no header
 */
export function objectHeaders(
  view: ObjectView,
  query: QueryFields,
  withChecksum: boolean,
): Record<string, string | number | undefined> {
  const { contentType, userMetadata, clientMetadata } = view
  const headers: Record<string, string | number | undefined> = {
    ...validatorHeaders(view),
    'accept-ranges': 'bytes',
    'content-type': contentType || defaultContentType,
  }
  for (const name of contentHeaderNames) {
    const text = clientMetadata[name]
    if (text !== undefined) headers[name] = text
  }
  for (const name of query.pairs.length === 0 ? [] : overridden) {
    const text = query.get(`response-${name}`)
    if (text === undefined || text === '') continue
    if (!headerText.test(text)) throw s3Error('InvalidArgument', `response-${name} is not a header's value.`)
    headers[name] = text
  }
  for (const name in userMetadata) headers[`x-amz-meta-${name}`] = userMetadata[name]
  const tagText = clientMetadata['tags'] ?? ''
  const tags = tagText === '' ? 0 : tagsOf(tagText).length
  if (tags > 0) headers['x-amz-tagging-count'] = tags
  return withChecksum ? Object.assign(headers, checksumHeaders(storedChecksum(clientMetadata))) : headers
}
