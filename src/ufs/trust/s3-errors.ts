// Why: what an S3 or COS server answers has one meaning for the whole house. How: a table from
// status and error code to a SkeinError whose message is one line with the store's address, the
// bucket and the code; never a header, a body or a secret. Codes: Amazon S3 API Reference "Error
// responses"; COS "Error codes".
import { type ErrorCode, SkeinError } from '../../base/errors.ts'
import { ProxyFault } from '../transport/open-socket.ts'

/** Where a request went, for messages. */
export interface StoreAddress {
  readonly endpoint: string
  readonly bucket: string
  /** The proxy on the way, if there is one: scheme, host and port. */
  readonly proxyName?: string | undefined
}

interface Meaning {
  readonly code: ErrorCode
  readonly reason?: string
  readonly retryable?: boolean
  readonly advice: string
}

export const slowDownReason = 'slow_down'
const objectChangedReason = 'object_changed'
const badAnswerReason = 'bad_answer'
const otherVersionReason = 'other_version'
export const unprovenReason = 'unproven_version'
export const clockSkewReason = 'clock_skew'

const wrongSecret: Meaning = { code: 'unauthenticated', reason: 'wrong_secret', advice: 'the secret is wrong' }
const expired: Meaning = {
  code: 'unauthenticated',
  reason: 'expired_token',
  advice: 'the session token has expired: give the namespace a new one',
}
const changed: Meaning = {
  code: 'aborted',
  reason: objectChangedReason,
  retryable: false,
  advice: 'the object changed while it was read',
}
const slowDown: Meaning = { code: 'unavailable', reason: slowDownReason, advice: 'the store asks to slow down' }
const unwell: Meaning = { code: 'unavailable', advice: 'the store is not well' }
const elsewhere: Meaning = {
  code: 'failed_precondition',
  reason: 'wrong_endpoint',
  advice: 'the bucket is in another region: check the region and the endpoint',
}
const exists: Meaning = { code: 'already_exists', advice: 'there is an object of this key already' }
const damaged: Meaning = {
  code: 'unavailable',
  reason: 'damaged',
  advice: 'the bytes did not arrive as they were sent',
}
const missing: Meaning = { code: 'not_found', advice: 'no such object' }
const denied: Meaning = { code: 'permission_denied', advice: 'the secret may not do this' }

const meanings: Readonly<Record<string, Meaning>> = {
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  TokenRefreshRequired: expired,
  InvalidAccessKeyId: wrongSecret,
  SignatureDoesNotMatch: wrongSecret,
  InvalidToken: wrongSecret,
  InvalidSecurity: wrongSecret,
  AuthorizationHeaderMalformed: {
    ...wrongSecret,
    advice: 'the signature was refused: check the secret and the region',
  },
  RequestTimeTooSkewed: {
    code: 'unavailable',
    reason: clockSkewReason,
    advice: 'the clock of this machine and that of the store differ too much',
  },
  AccessDenied: denied,
  AllAccessDisabled: denied,
  DownloadForbidden: {
    ...denied,
    advice: 'the store does not give out this type of file (.apk, .ipa) on its default domain',
  },
  NoSuchBucket: { code: 'not_found', reason: 'no_such_bucket', advice: 'no such bucket' },
  NoSuchKey: missing,
  NotFound: missing,
  InvalidObjectState: {
    code: 'failed_precondition',
    reason: 'object_archived',
    advice: 'the object is in an archive class: restore it first (RestoreObject), then load it again',
  },
  PathStyleDomainForbidden: {
    code: 'failed_precondition',
    reason: 'path_style',
    advice: 'the store wants the bucket in the host name: set s3.forcePathStyle=false',
  },
  NoSuchUpload: { code: 'not_found', reason: 'no_such_upload', advice: 'the upload was ended by somebody else' },
  FileAlreadyExists: exists,
  ObjectAlreadyExists: exists,
  ConditionalRequestConflict: { code: 'aborted', reason: 'conflict', advice: 'somebody else writes the same object' },
  BadDigest: damaged,
  InvalidDigest: damaged,
  IncompleteBody: damaged,
  XAmzContentSHA256Mismatch: damaged,
  NotImplemented: { code: 'unimplemented', advice: 'the store does not know this request' },
  QuotaExceeded: {
    code: 'resource_exhausted',
    reason: 'quota',
    advice: 'the quota of the bucket or its owner is used up',
  },
  PreconditionFailed: changed,
  InvalidRange: changed,
  SlowDown: slowDown,
  SlowDownRead: slowDown,
  TooManyRequests: slowDown,
  RequestLimitExceeded: slowDown,
  Throttling: slowDown,
  RequestTimeout: unwell,
  InternalError: unwell,
  ServiceUnavailable: slowDown,
  PermanentRedirect: elsewhere,
  TemporaryRedirect: elsewhere,
  IllegalLocationConstraintException: elsewhere,
}
const byStatus: Readonly<Record<number, Meaning>> = {
  301: elsewhere,
  307: elsewhere,
  401: wrongSecret,
  403: denied,
  404: missing,
  408: unwell,
  412: changed,
  416: changed,
  429: slowDown,
  503: slowDown,
}

/**
 * What an answer with this status and error code (from the body; undefined when there was none)
 * means. `what` names the request, such as `GET "a/b"`.
 */
export function answerError(address: StoreAddress, what: string, status: number, code: string | undefined): SkeinError {
  const named = code !== undefined && /^[A-Za-z0-9.]{1,64}$/.test(code) ? code : undefined
  const meaning =
    (named === undefined ? undefined : meanings[named]) ??
    byStatus[status] ??
    (status >= 500 || status < 300
      ? unwell
      : { code: 'failed_precondition' as const, advice: 'the store refuses the request' })
  const {
    code: errorCode,
    reason,
    retryable,
    advice,
  } = named === undefined ? (gatewayMeaning(address, status) ?? meaning) : meaning
  const message = `${place(address)}: ${what} answered ${status}${named === undefined ? '' : ` ${named}`}: ${advice}`
  return new SkeinError(errorCode, message, { reason, retryable })
}

/**
 * What an answer without an S3 error code means that a proxy, or a gateway before the store, gives.
 */
function gatewayMeaning({ proxyName }: StoreAddress, status: number): Meaning | undefined {
  if (status === 407) {
    const advice = `the proxy${proxyName === undefined ? '' : ` ${proxyName}`} wants a user name and a password: ${proxyAdvice}`
    return { code: 'failed_precondition', reason: 'proxy_refused', advice }
  }
  if (status !== 502 && status !== 504) return undefined
  const who = proxyName === undefined ? 'a gateway before the store' : `the proxy ${proxyName}, or a gateway behind it,`
  return { code: 'unavailable', advice: `${who} does not reach the store` }
}

const proxyAdvice =
  'write them into HTTP_PROXY or HTTPS_PROXY as http://user:password@host:port, or set fs.cosn.http.proxy.username and fs.cosn.http.proxy.password'

/**
 * An answer that sends the request elsewhere, where it does not go. `why`: what is the matter with
 * that.
 */
export function redirectError(address: StoreAddress, what: string, status: number, why: string): SkeinError {
  const message = `${place(address)}: ${what} answered ${status}, and ${why}: set the endpoint to where the store is`
  return new SkeinError('failed_precondition', message, { reason: 'wrong_endpoint' })
}

/** What a server of https says to those who speak http; undefined when it is something else. */
export function plainToTlsError(
  address: StoreAddress,
  what: string,
  status: number,
  text: string,
): SkeinError | undefined {
  if (
    status !== 400 ||
    !/plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server|speaking plain HTTP to an SSL/i.test(text)
  )
    return undefined
  return speaksTlsError(address, what)
}

function speaksTlsError(address: StoreAddress, what: string): SkeinError {
  const message = `${place(address)}: ${what}: the endpoint speaks https, not http: set s3.endpoint=https://... (COS: fs.cosn.useHttps=true)`
  return new SkeinError('failed_precondition', message, { reason: 'wrong_scheme' })
}

/** A request's name in messages: the key quoted, on one line, cut. */
export function requestName(verb: string, key: string): string {
  return `${verb} ${JSON.stringify(key.length > 200 ? `${key.slice(0, 200)}...` : key)}`
}

/**
 * A body or a header that is not what was asked for: a damaged or cut answer, worth another
 * attempt.
 */
export function badAnswerError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('unavailable', `${place(address)}: ${what}: ${problem}`, { reason: badAnswerReason })
}

/**
 * An answer that names another version, or another size, than was asked for; final when it stays
 * (`finalAnswerError`).
 */
export function otherVersionError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('unavailable', `${place(address)}: ${what}: ${problem}`, { reason: otherVersionReason })
}

/**
 * An answer whose version cannot be known. No attempt mends it; the object may be read in one
 * answer (ReadRequest.inOneAnswer).
 */
export function unprovenError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('failed_precondition', `${place(address)}: ${what}: ${problem}`, { reason: unprovenReason })
}

/** The error in place of one answer that comes again and again: it is no accident. */
export function finalAnswerError({ reason, message }: SkeinError): SkeinError {
  if (reason === otherVersionReason)
    return new SkeinError('aborted', message, { reason: objectChangedReason, retryable: false })
  return new SkeinError('failed_precondition', message, { reason, retryable: false })
}

/** Whether an error says that an answer came and was not what was asked for. */
export function isBadAnswer({ reason }: SkeinError): boolean {
  return reason === badAnswerReason || reason === otherVersionReason
}

const silent: ReadonlySet<string> = new Set([
  'TimeoutError',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'HEADERS_TIMEOUT',
  'BODY_TIMEOUT',
  'BODY_TOO_SLOW',
])
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ECONNRESET: 'the connection was cut',
  CONNECTION_CUT: 'the connection was cut',
  CONNECT_TIMEOUT: 'it does not accept the connection in time',
  HEADERS_TIMEOUT: 'no answer in time',
  BODY_TIMEOUT: 'the answer stalled',
  BODY_TOO_SLOW: 'the answer comes slower than skein.ufs.read.rate.min',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  NOT_A_PROXY: 'it does not answer as a proxy does',
}

/** What is wrong with TLS; for certificates what to do about it, too. */
const tlsReasons: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet: is the clock of this machine right?',
  CERT_REVOKED: 'the certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed: name it in NODE_EXTRA_CA_CERTS if it is to be trusted',
  SELF_SIGNED_CERT_IN_CHAIN:
    'the authority of the certificate is not known: name it in NODE_EXTRA_CA_CERTS if it is to be trusted',
  UNABLE_TO_GET_ISSUER_CERT:
    'the authority of the certificate is not known: name it in NODE_EXTRA_CA_CERTS if it is to be trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'the authority of the certificate is not known: name it in NODE_EXTRA_CA_CERTS if it is to be trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the authority of the certificate is not known: name it in NODE_EXTRA_CA_CERTS if it is to be trusted',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the endpoint and this machine have no version of TLS in common',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the endpoint and this machine have no version of TLS in common',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'the endpoint and this machine have no cipher in common',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'the server does not know this host name',
}
const speaksHttp: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_RECORD_LAYER_FAILURE',
])

function tlsError(address: StoreAddress, what: string, code: string): SkeinError {
  if (speaksHttp.has(code)) {
    const message = `${place(address)}: ${what}: the endpoint speaks http, not https: set s3.endpoint=http://... (COS: fs.cosn.useHttps=false) (${code})`
    return new SkeinError('failed_precondition', message, { reason: 'wrong_scheme' })
  }
  const isCertificate = /CERT|ALTNAME|SELF_SIGNED|UNABLE_TO/.test(code)
  const why = tlsReasons[code] ?? (isCertificate ? 'the certificate is not accepted' : 'TLS failed')
  return new SkeinError('failed_precondition', `${place(address)}: ${what}: ${why} (${code})`, {
    reason: isCertificate ? 'bad_certificate' : 'tls_failed',
  })
}

/** What is wrong at the proxy, before the store was reached. */
function proxyError(address: StoreAddress, what: string, { proxy, code }: ProxyFault): SkeinError {
  const start = `${place(address)}: ${what}: the proxy ${proxy}`
  const status = Number(/^STATUS_(\d{3})$/.exec(code)?.[1] ?? 0)
  if (status === 0) {
    const isFinal = code === 'NOT_A_PROXY' || speaksHttp.has(code) || tlsReasons[code] !== undefined
    const why =
      reasons[code] ??
      tlsReasons[code] ??
      (speaksHttp.has(code) ? 'it speaks http, not https' : 'the connection failed')
    const errorCode = isFinal ? 'failed_precondition' : silent.has(code) ? 'deadline_exceeded' : 'unavailable'
    return new SkeinError(errorCode, `${start}: ${why} (${code})`, { reason: 'proxy_failed' })
  }
  if (status === 407)
    return new SkeinError('failed_precondition', `${start} wants a user name and a password (407): ${proxyAdvice}`, {
      reason: 'proxy_refused',
    })
  if (status >= 500)
    return new SkeinError('unavailable', `${start} does not reach the store (${status})`, { reason: 'proxy_failed' })
  return new SkeinError('failed_precondition', `${start} does not let the request through (${status})`, {
    reason: 'proxy_refused',
  })
}

/**
 * What a failed connection means. SkeinErrors (the endpoint guard's, an abort's) are given back as
 * they are.
 */
export function connectionError(address: StoreAddress, what: string, thrown: unknown): SkeinError {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 4; error = error.cause, depth += 1) {
    if (error instanceof SkeinError) return error
    if (error instanceof ProxyFault) return proxyError(address, what, error)
  }
  const raw = thrown as { readonly code?: unknown; readonly name?: string } | undefined
  const code =
    typeof raw?.code === 'string' && /^[A-Z0-9_]{1,64}$/.test(raw.code) ? raw.code : (raw?.name ?? 'Error').slice(0, 64)
  if (code === 'SPEAKS_TLS') return speaksTlsError(address, what)
  if (/CERT|SSL|TLS|ALTNAME|SELF_SIGNED|UNABLE_TO/.test(code)) return tlsError(address, what, code)
  return new SkeinError(
    silent.has(code) ? 'deadline_exceeded' : 'unavailable',
    `${place(address)}: ${what}: ${reasons[code] ?? 'the connection failed'} (${code})`,
  )
}

/** The error code in an S3 error document; undefined when there is none. */
export function errorCodeOf(xml: string): string | undefined {
  return /<Code>\s*([A-Za-z0-9.]{1,64})\s*<\/Code>/.exec(xml)?.[1]
}

function place(address: StoreAddress): string {
  return `${address.endpoint} bucket ${address.bucket}`
}
