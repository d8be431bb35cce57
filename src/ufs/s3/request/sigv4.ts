// Why: signing in the SDK's middleware costs more than fetching a small object. How: AWS Signature
// Version 4 ("Authenticating Requests: Using the Authorization Header", Amazon S3 API Reference).
// The signing key is cached for its day, and requests without a body take a fast path. Range and
// If-Match are not signed; the specification does not require it.
import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto'
import type { Clock } from '../../../base/clock.ts'
import { SkeinError } from '../../../base/errors.ts'
import type { Secret } from '../../../base/secret.ts'

export interface SigningCredentials {
  readonly accessKeyId: Secret
  readonly secretAccessKey: Secret
  readonly sessionToken: Secret | undefined
  readonly region: string
}

/** SHA-256 of the empty string: the payload hash of every request without a body. */
const emptyPayloadHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/**
 * The path for a key: each UTF-8 byte outside A-Z a-z 0-9 - . _ ~ / is percent-encoded, as SigV4
 * requires for S3.
 */
export function encodeKey(key: string): string {
  if (/^[A-Za-z0-9\-._~/]*$/.test(key)) return key
  return encodeURIComponent(key)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** The signing key of one day (`yyyymmdd`), region and service s3. */
export function signingKey(secretAccessKey: string, day: string, region: string): Buffer {
  const dayKey = createHmac('sha256', `AWS4${secretAccessKey}`).update(day).digest()
  const regionKey = createHmac('sha256', dayKey).update(region).digest()
  const serviceKey = createHmac('sha256', regionKey).update('s3').digest()
  return createHmac('sha256', serviceKey).update('aws4_request').digest()
}

/** Replaces the hash of the body where TLS protects the body. */
export const unsignedPayload = 'UNSIGNED-PAYLOAD'

/**
 * A query as SigV4 signs it: names in byte order, everything but A-Z a-z 0-9 - . _ ~
 * percent-encoded. Undefined values are left out.
 */
export function canonicalQuery(values: Readonly<Record<string, string | undefined>>): string {
  return canonicalPairs(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])),
  )
}

/** A path and a query that were encoded elsewhere, in the canonical form that is signed. */
export function canonicalSpelling(path: string, query: string): { readonly path: string; readonly query: string } {
  const pairs = query.split('&').filter((pair) => pair !== '')
  return {
    path: path
      .split('/')
      .map((segment) => encodeKey(decoded(segment)))
      .join('/'),
    query: canonicalPairs(
      pairs.map((pair) => {
        const mark = pair.indexOf('=')
        return mark < 0 ? [decoded(pair), ''] : [decoded(pair.slice(0, mark)), decoded(pair.slice(mark + 1))]
      }),
    ),
  }
}

function canonicalPairs(pairs: readonly (readonly [string, string])[]): string {
  return pairs
    .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join('&')
}

function encoded(text: string): string {
  try {
    return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  } catch (thrown) {
    throw new SkeinError('invalid_argument', 'a key contains half of a surrogate pair', { cause: thrown })
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Signs requests to one host. */
export class RequestSigner {
  readonly #credentials: SigningCredentials
  readonly #host: string
  readonly #clock: Clock
  /**
   * Additional headers of every request, in lower case, sorted, `x-...` after
   * `x-amz-security-token`.
   */
  readonly #extra: readonly (readonly [string, string])[]
  readonly #signedNames: string
  #second = -1
  #timestamp = ''
  #scope = ''
  #day = ''
  /** A KeyObject, because an HMAC from a Buffer creates one each time, at many times the cost. */
  #key: KeyObject = createSecretKey(Buffer.alloc(1))
  #offsetMs = 0

  constructor(
    credentials: SigningCredentials,
    host: string,
    extra: readonly (readonly [string, string])[],
    clock: Clock,
  ) {
    this.#credentials = credentials
    this.#host = host
    this.#clock = clock
    this.#extra = extra
    const token = credentials.sessionToken === undefined ? '' : ';x-amz-security-token'
    this.#signedNames = `host;x-amz-content-sha256;x-amz-date${token}${extra.map(([name]) => `;${name}`).join('')}`
  }

  /**
   * Sets the time of the store's clock, in milliseconds since 1970, after the store reported that
   * ours differs.
   */
  correctClock(storeMs: number): void {
    this.#offsetMs = storeMs - this.#clock.nowMs()
  }

  /**
   * Headers (name, value, name, value, ...) for a request with this path (from encodeKey) and
   * canonical query, including `authorization`.
   */
  sign(method: 'GET' | 'HEAD', path: string, query = ''): string[] {
    this.#refresh()
    const token = this.#credentials.sessionToken?.reveal()
    let canonical =
      `${method}\n${path}\n${query}\nhost:${this.#host}\n` +
      `x-amz-content-sha256:${emptyPayloadHash}\nx-amz-date:${this.#timestamp}\n`
    const headers = ['host', this.#host, 'x-amz-content-sha256', emptyPayloadHash, 'x-amz-date', this.#timestamp]
    if (token !== undefined) {
      canonical += `x-amz-security-token:${token}\n`
      headers.push('x-amz-security-token', token)
    }
    for (const [name, text] of this.#extra) {
      canonical += `${name}:${text}\n`
      headers.push(name, text)
    }
    canonical += `\n${this.#signedNames}\n${emptyPayloadHash}`
    headers.push('authorization', this.#authorization(canonical, this.#signedNames))
    return headers
  }

  /**
   * As `sign`, for any request. `more` are additional headers in lower case that are sent and
   * signed. `payloadHash` is the SHA-256 of the body in hex, or `unsignedPayload`.
   */
  signAny(
    method: string,
    path: string,
    query: string,
    more: readonly (readonly [string, string])[],
    payloadHash = emptyPayloadHash,
  ): string[] {
    this.#refresh()
    const token = this.#credentials.sessionToken?.reveal()
    const all: (readonly [string, string])[] = [
      ['host', this.#host],
      ['x-amz-content-sha256', payloadHash],
      ['x-amz-date', this.#timestamp],
      ...(token === undefined ? [] : [['x-amz-security-token', token] as const]),
      ...more,
    ]
    all.sort(([a], [b]) => (a < b ? -1 : 1))
    const names = all.map(([name]) => name).join(';')
    const lines = all.map(([name, text]) => `${name}:${text.trim().replace(/ +/g, ' ')}\n`).join('')
    const authorization = this.#authorization(`${method}\n${path}\n${query}\n${lines}\n${names}\n${payloadHash}`, names)
    return [...all.flat(), 'authorization', authorization]
  }

  #authorization(canonical: string, signedNames: string): string {
    const toSign = `AWS4-HMAC-SHA256\n${this.#timestamp}\n${this.#scope}\n${hash('sha256', canonical)}`
    const signature = createHmac('sha256', this.#key).update(toSign).digest('hex')
    const { accessKeyId } = this.#credentials
    return (
      `AWS4-HMAC-SHA256 Credential=${accessKeyId.reveal()}/${this.#scope}, ` +
      `SignedHeaders=${signedNames}, Signature=${signature}`
    )
  }

  #refresh(): void {
    const nowMs = this.#clock.nowMs() + this.#offsetMs
    const second = Math.floor(nowMs / 1000)
    if (second === this.#second) return
    this.#second = second
    this.#timestamp = `${new Date(second * 1000).toISOString().replace(/[-:]/g, '').slice(0, 15)}Z`
    const day = this.#timestamp.slice(0, 8)
    if (day === this.#day) return
    this.#day = day
    this.#scope = `${day}/${this.#credentials.region}/s3/aws4_request`
    this.#key = createSecretKey(signingKey(this.#credentials.secretAccessKey.reveal(), day, this.#credentials.region))
  }
}
