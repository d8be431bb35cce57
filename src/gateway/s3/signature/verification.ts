// Why: a request of somebody else, an old one or a changed one must not be served. How: the steps
// of AWS Signature Version 4: the key, the time, then the signature over everything that could
// change the meaning of the request.
import { hash, type KeyObject } from 'node:crypto'
import type { Caller, Callers } from '../../callers.ts'
import { s3Error } from '../answer/error-table.ts'
import { canonicalRequest, type SignedParts } from './canonical-request.ts'
import type { SignatureClaim } from './signature-claim.ts'
import { isSameSignature, signatureOf, type SigningKeys } from './signing-keys.ts'

// oxlint-disable-next-line no-control-regex
const asciiOnly = /^[\0-\x7f]*$/
const skewMs = 15 * 60_000

/** What the signatures of the chunks of a body continue. */
export interface SignatureSeed {
  readonly key: KeyObject
  readonly timestamp: string
  readonly scope: string
  readonly signature: string
}

export interface Verified {
  readonly caller: Caller
  readonly seed: SignatureSeed
}

/**
 * @throws S3 InvalidAccessKeyId, RequestTimeTooSkewed, AccessDenied (expired, or a header that is
 *   not signed), SignatureDoesNotMatch
 */
export function verified(
  claim: SignatureClaim,
  parts: Omit<SignedParts, 'signedHeaders'>,
  callers: Callers,
  keys: SigningKeys,
  nowMs: number,
): Verified {
  const caller = callers.withKey(claim.accessKeyId)
  if (caller === undefined) throw s3Error('InvalidAccessKeyId')
  checkTime(claim, nowMs)
  checkSignedHeaders(claim, parts)
  const key = keys.keyOf(caller.secret, claim.day, claim.region)
  const scope = `${claim.day}/${claim.region}/s3/aws4_request`
  const canonical = canonicalRequest({ ...parts, signedHeaders: claim.signedHeaders })
  const isSigned = (encoding: 'latin1' | 'utf8'): boolean => {
    const digest = hash('sha256', Buffer.from(canonical, encoding))
    const toSign = `AWS4-HMAC-SHA256\n${claim.timestamp}\n${scope}\n${digest}`
    return isSameSignature(signatureOf(key, toSign), claim.signature)
  }
  // Of a value other than ASCII, clients sign the bytes that they send, or its UTF-8 where they
  // send Latin-1.
  if (!isSigned('latin1') && (asciiOnly.test(canonical) || !isSigned('utf8'))) throw s3Error('SignatureDoesNotMatch')
  return { caller, seed: { key, timestamp: claim.timestamp, scope, signature: claim.signature } }
}

function checkTime({ timeMs, expiresMs }: SignatureClaim, nowMs: number): void {
  if (expiresMs === undefined) {
    if (Math.abs(nowMs - timeMs) > skewMs) throw s3Error('RequestTimeTooSkewed')
    return
  }
  if (timeMs > nowMs + skewMs) throw s3Error('AccessDenied', 'Request is not valid yet')
  if (nowMs > timeMs + expiresMs) throw s3Error('AccessDenied', 'Request has expired')
}

/** A header that asks for something, and was added on the way, must not be believed. */
function checkSignedHeaders({ signedHeaders }: SignatureClaim, { headers }: Pick<SignedParts, 'headers'>): void {
  const missing = signedHeaders.find((name) => !headers.has(name))
  if (missing !== undefined) throw s3Error('AccessDenied', `The signed header ${missing.slice(0, 100)} is missing`)
  for (const name of headers.names())
    if (name.startsWith('x-amz-') && !signedHeaders.includes(name))
      throw s3Error(
        'AccessDenied',
        `There were headers present in the request which were not signed: ${name.slice(0, 100)}`,
      )
}
