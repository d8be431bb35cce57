// Why: both sides must compute the same text of a request. How: "Create a canonical request" (AWS
// Signature Version 4). The path and the query are decoded and encoded again, so that every
// spelling of a client has one form.
import type { HeaderFields } from '../request/header-fields.ts'
import type { QueryFields } from '../request/query-fields.ts'

export interface SignedParts {
  readonly method: string
  /** As received, percent-encoded. */
  readonly path: string
  readonly query: QueryFields
  readonly headers: HeaderFields
  readonly signedHeaders: readonly string[]
  /** SHA-256 of the body in hexadecimal, or the word that replaces it. */
  readonly payloadHash: string
}

/** Characters are bytes (Latin-1): headers are signed as they were sent. */
export function canonicalRequest({ method, path, query, headers, signedHeaders, payloadHash }: SignedParts): string {
  const lines = signedHeaders.map((name) => `${name}:${headers.canonical(name)}\n`).join('')
  return [method, canonicalPath(path), canonicalQuery(query), lines, signedHeaders.join(';'), payloadHash].join('\n')
}

function canonicalPath(path: string): string {
  return path
    .split('/')
    .map((segment) => encoded(decodeURIComponent(segment)))
    .join('/')
}

/** Sorted by name, then by value, in the order of the encoded texts. */
function canonicalQuery(query: QueryFields): string {
  return query.pairs
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encoded(name), encoded(value)] as const)
    .sort(([a, x], [b, y]) => (a === b ? order(x, y) : order(a, b)))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Everything but A-Z a-z 0-9 - . _ ~ is percent-encoded. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
