// Why: what is stored with an object comes as headers of every HEAD and GET. It must cost nothing
// where there is nothing, since a load reads millions of small objects. How: pure. A type that
// stores answer for objects without one is none. What is not understood is left out, name by name;
// user metadata that are too large are left out as a whole. It is never an error.
import {
  contentTypeText,
  isDefaultContentType,
  type StoredMetadata,
  userMetadataMap,
} from '../../base/attributes/object-metadata.ts'
import type { AnswerHeaders } from '../transport/http-head.ts'

/** COS answers with its own names, or with those of S3. */
const prefixes = ['x-amz-meta-', 'x-cos-meta-'] as const
const letterM = 0x6d
const none: StoredMetadata = {}

/** What the response to a HEAD or GET says of its object. */
export function metadataIn(headers: AnswerHeaders): StoredMetadata {
  const contentType = headers.get('content-type') ?? ''
  const isType = contentType !== '' && !isDefaultContentType(contentType) && contentTypeText(contentType) === undefined
  const userMetadata = userMetadataIn(headers)
  if (!isType && userMetadata === undefined) return none
  return { ...(isType ? { contentType } : {}), ...(userMetadata === undefined ? {} : { userMetadata }) }
}

function userMetadataIn(headers: AnswerHeaders): Readonly<Record<string, string>> | undefined {
  let found: Record<string, string> | undefined
  for (const name of headers.keys()) {
    // The letter behind `x-amz-` and `x-cos-`, which few names have there.
    if (name.charCodeAt(6) !== letterM) continue
    const prefix = prefixes.find((one) => name.startsWith(one))
    if (prefix === undefined) continue
    const one = { [name.slice(prefix.length)]: headers.get(name) ?? '' }
    if (userMetadataMap(one) === undefined) found = { ...found, ...one }
  }
  return found !== undefined && userMetadataMap(found) === undefined ? found : undefined
}
