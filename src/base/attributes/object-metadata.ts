// Why: what an object carries beside its bytes (Content-Type and x-amz-meta-*) has one set of
// limits, for what users give and for what stores answer. How: pure functions and checks
// (shape.ts). Sizes count as in S3: the bytes of all names and values ("Working with object
// metadata", Amazon S3 User Guide). Values are what every store takes in a header: printable ASCII.
import { both, type Check, map } from '../shape.ts'

/** Names in lower case, without `x-amz-meta-`. */
export type UserMetadata = Readonly<Record<string, string>>

/** Not given: not set. */
export interface StoredMetadata {
  readonly contentType?: string
  /** Not empty. */
  readonly userMetadata?: UserMetadata
}

export const userMetadataBytesMax = 2048
const contentTypeCharactersMax = 255
/** A token of RFC 9110, 5.6.2, without upper case. */
const metadataName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
/** Blanks at the ends of a header's value are not part of it (RFC 9110, 5.5). */
const headerValue = /^(?:[!-~](?:[ -~]*[!-~])?)?$/
const notAValue = ' has characters that are not printable ASCII, or blanks at its ends'
/** What stores answer for an object without a type: S3, and most other servers. */
const defaultContentTypes: readonly string[] = ['binary/octet-stream', 'application/octet-stream']

export const contentTypeText: Check = (value) => {
  if (typeof value !== 'string') return ' is not a text'
  if (value.length > contentTypeCharactersMax) return ` is longer than ${contentTypeCharactersMax} characters`
  return headerValue.test(value) ? undefined : notAValue
}

/** A map of names to values. */
export const userMetadataMap: Check = both(map(isName, isValue, userMetadataBytesMax), (value) => {
  const bytes = Object.entries(value as UserMetadata).reduce((sum, [name, text]) => sum + name.length + text.length, 0)
  return bytes > userMetadataBytesMax ? ` has more than ${userMetadataBytesMax} bytes of names and values` : undefined
})

/** Those of the fields that are given and not empty. */
export function storedMetadata(given: {
  readonly contentType?: string | undefined
  readonly userMetadata?: UserMetadata | undefined
}): StoredMetadata {
  const { contentType = '', userMetadata = {} } = given
  return {
    ...(contentType === '' ? {} : { contentType }),
    ...(Object.keys(userMetadata).length === 0 ? {} : { userMetadata }),
  }
}

/** Whether two say the same. A type that stores answer for objects without one is none. */
export function isSameMetadata(one: StoredMetadata, other: StoredMetadata): boolean {
  if (typeOf(one) !== typeOf(other)) return false
  const [left, right] = [Object.entries(one.userMetadata ?? {}), other.userMetadata ?? {}]
  return (
    left.length === Object.keys(right).length &&
    left.every(([name, text]) => Object.hasOwn(right, name) && right[name] === text)
  )
}

/** Whether stores answer this for an object without a type. */
export function isDefaultContentType(contentType: string): boolean {
  return defaultContentTypes.includes(contentType.toLowerCase())
}

function typeOf({ contentType = '' }: StoredMetadata): string {
  return isDefaultContentType(contentType) ? '' : contentType
}

function isName(value: unknown): string | undefined {
  return metadataName.test(String(value)) ? undefined : ' is no name of metadata: use a-z, 0-9 and -'
}

function isValue(value: unknown): string | undefined {
  if (typeof value !== 'string') return ' is not a text'
  return headerValue.test(value) ? undefined : notAValue
}
