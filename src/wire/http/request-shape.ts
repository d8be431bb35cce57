// Why: the body length and the range of a request are checked before anything is done for it.
import type { IncomingMessage } from 'node:http'
import { SkeinError } from '../../base/errors.ts'

export function hasBody({ headers }: IncomingMessage): boolean {
  return Number(headers['content-length'] ?? 0) !== 0 || headers['transfer-encoding'] !== undefined
}

/** @throws SkeinError invalid_argument when the request has no length */
export function announcedLength(request: IncomingMessage): number {
  const length = Number(request.headers['content-length'] ?? Number.NaN)
  if (!Number.isSafeInteger(length) || request.headers['transfer-encoding'] !== undefined) {
    throw new SkeinError('invalid_argument', 'a body requires a content-length')
  }
  return length
}

/** Whether the length of the body is not known before its end: it is chunked. */
export function isOpenEnded({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] === 'chunked' && headers['content-length'] === undefined
}

/**
 * The length in a trailer of a body that was read to its end: digits only, as in a content-length
 * (RFC 9110).
 * @throws SkeinError invalid_argument when there is none
 */
export function trailingLength({ trailers }: IncomingMessage, name: string): number {
  const text = trailers[name] ?? ''
  if (!/^\d{1,15}$/.test(text)) throw new SkeinError('invalid_argument', `a chunked body requires the trailer ${name}`)
  return Number(text)
}

/** `bytes=a-b` or `bytes=a-` (RFC 9110, one range). @throws SkeinError invalid_argument */
export function parseRange(range: string | undefined): { offset: number; length: number | undefined } {
  if (range === undefined) return { offset: 0, length: undefined }
  const match = /^bytes=(\d{1,15})-(\d{1,15})?$/.exec(range)
  const offset = Number(match?.[1])
  const length = match?.[2] === undefined ? undefined : Number(match[2]) - offset + 1
  if (match === null || (length !== undefined && length <= 0))
    throw new SkeinError('invalid_argument', `'${range.slice(0, 100)}' is not a range of bytes`)
  return { offset, length }
}
