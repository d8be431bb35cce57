// Why: an origin that takes any signature proves nothing about a client that signs. How: AWS
// Signature Version 4 in the Authorization header, written from the specification and sharing no
// code with the client's signer.
import { createHmac, createSecretKey, hash, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

export interface OriginCredential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Requests must carry it when it is given. */
  readonly sessionToken?: string
  /** The token counts as expired: 400 ExpiredToken. */
  expired?: boolean
}

const authorizationPattern = new RegExp(
  [
    String.raw`^AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/s3/aws4_request,`,
    'SignedHeaders=([a-z0-9;-]+),',
    'Signature=([0-9a-f]{64})$',
  ].join(String.raw`\s*`),
)
const skewMaxMs = 15 * 60 * 1000

/** Checks requests. Keys of a day are kept, at most 100. */
export class SignatureCheck {
  readonly #credentials: ReadonlyMap<string, OriginCredential>
  readonly #keys = new Map<string, KeyObject>()

  constructor(credentials: readonly OriginCredential[]) {
    this.#credentials = new Map(credentials.map((credential) => [credential.accessKeyId, credential]))
  }

  /** The error code the request earns; undefined when its signature is good. */
  problem(request: IncomingMessage): string | undefined {
    const match = authorizationPattern.exec(request.headers.authorization ?? '')
    if (match === null) return 'AccessDenied'
    const [, id = '', day = '', region = '', signedNames = '', signature = ''] = match
    const credential = this.#credentials.get(id)
    if (credential === undefined) return 'InvalidAccessKeyId'
    const timestamp = String(request.headers['x-amz-date'])
    if (!timestamp.startsWith(day)) return 'AuthorizationHeaderMalformed'
    const sentMs = Date.parse(timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
    if (!(Math.abs(Date.now() - sentMs) < skewMaxMs)) return 'RequestTimeTooSkewed'
    const names = signedNames.split(';')
    const mustSign = Object.keys(request.headers).filter((name) => name === 'host' || name.startsWith('x-amz-'))
    if (mustSign.some((name) => !names.includes(name)) || !names.includes('host')) return 'AccessDenied'
    const scope = `${day}/${region}/s3/aws4_request`
    const requestHash = hash('sha256', canonicalRequest(request, names, signedNames))
    const toSign = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${requestHash}`
    const wanted = createHmac('sha256', this.#key(credential, day, region))
      .update(toSign)
      .digest()
    if (!timingSafeEqual(wanted, Buffer.from(signature, 'hex'))) return 'SignatureDoesNotMatch'
    if (credential.sessionToken !== request.headers['x-amz-security-token']) return 'InvalidToken'
    return credential.expired === true ? 'ExpiredToken' : undefined
  }

  #key(credential: OriginCredential, day: string, region: string): KeyObject {
    const name = `${credential.accessKeyId} ${day} ${region}`
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    let bytes: Buffer = Buffer.from(`AWS4${credential.secretAccessKey}`)
    for (const part of [day, region, 's3', 'aws4_request']) bytes = createHmac('sha256', bytes).update(part).digest()
    if (this.#keys.size >= 100) this.#keys.clear()
    const key = createSecretKey(bytes)
    this.#keys.set(name, key)
    return key
  }
}

function canonicalRequest(request: IncomingMessage, names: readonly string[], signedNames: string): string {
  const url = request.url ?? '/'
  const mark = url.indexOf('?')
  const path = mark < 0 ? url : url.slice(0, mark)
  const query = mark < 0 ? '' : canonicalQuery(url.slice(mark + 1))
  let headers = ''
  for (const name of names)
    headers += `${name}:${String(request.headers[name] ?? '')
      .trim()
      .replace(/ +/g, ' ')}\n`
  const bodyHash = String(request.headers['x-amz-content-sha256'])
  return [request.method, canonicalPath(path), query, headers, signedNames, bodyHash].join('\n')
}

function canonicalPath(path: string): string {
  return path.includes('%')
    ? path
        .split('/')
        .map((segment) => encode(decodeURIComponent(segment)))
        .join('/')
    : path
}

function canonicalQuery(query: string): string {
  const pairs = query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const [name = '', ...rest] = part.split('=')
      return [encode(decodeURIComponent(name)), encode(decodeURIComponent(rest.join('=')))] as const
    })
  return pairs
    .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : 1))
    .map(([name, text]) => `${name}=${text}`)
    .join('&')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}
