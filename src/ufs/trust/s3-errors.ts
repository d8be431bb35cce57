// Why: a response of an S3 or COS server has one meaning everywhere. How: a table from status and
// error code to a SkeinError whose message is one line with the store's address, the bucket and the
// code, and never has a header, a body or a secret. Codes: Amazon S3 API Reference "Error
// responses"; COS "Error codes".
import { type ErrorCode, SkeinError } from '../../base/errors.ts'

/** The destination of a request, for messages. */
export interface StoreAddress {
  readonly endpoint: string
  readonly bucket: string
  /** The proxy of the connection, if any: scheme, host and port. */
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
const unwell: Meaning = { code: 'unavailable', advice: 'the store has an internal failure' }
const elsewhere: Meaning = {
  code: 'failed_precondition',
  reason: 'wrong_endpoint',
  advice: 'the bucket is in another region: check the region and the endpoint',
}
const exists: Meaning = { code: 'already_exists', advice: 'an object with this key already exists' }
const damaged: Meaning = {
  code: 'unavailable',
  reason: 'damaged',
  advice: 'the bytes were damaged on the way',
}
const missing: Meaning = { code: 'not_found', advice: 'no such object' }
const denied: Meaning = { code: 'permission_denied', advice: 'these credentials have no permission for this request' }

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
    advice: 'the clocks of this machine and the store differ too much',
  },
  AccessDenied: denied,
  AllAccessDisabled: denied,
  DownloadForbidden: {
    ...denied,
    advice: 'the store does not serve this type of file (.apk, .ipa) on its default domain',
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
    advice: 'the store requires the bucket in the host name: set s3.forcePathStyle=false',
  },
  NoSuchUpload: { code: 'not_found', reason: 'no_such_upload', advice: 'the upload was ended by another client' },
  FileAlreadyExists: exists,
  ObjectAlreadyExists: exists,
  ConditionalRequestConflict: {
    code: 'aborted',
    reason: 'conflict',
    advice: 'another client is writing the same object',
  },
  BadDigest: damaged,
  InvalidDigest: damaged,
  IncompleteBody: damaged,
  XAmzContentSHA256Mismatch: damaged,
  NotImplemented: { code: 'unimplemented', advice: 'the store does not support this request' },
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
 * The error for a response with this status and error code (from the body; undefined when there was
 * none). `what` names the request, such as `GET "a/b"`.
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
 * The meaning of a response without an S3 error code, which comes from a proxy or a gateway in
 * front of the store.
 */
function gatewayMeaning({ proxyName }: StoreAddress, status: number): Meaning | undefined {
  if (status === 407) {
    const proxy = proxyName === undefined ? 'the proxy' : `the proxy ${proxyName}`
    const advice = `${proxy} requires a user name and a password: ${proxyAdvice}`
    return { code: 'failed_precondition', reason: 'proxy_refused', advice }
  }
  if (status !== 502 && status !== 504) return undefined
  const who =
    proxyName === undefined ? 'a gateway in front of the store' : `the proxy ${proxyName}, or a gateway behind it,`
  return { code: 'unavailable', advice: `${who} does not reach the store` }
}

/** What to do about a proxy that requires authentication. */
export const proxyAdvice =
  'set them in HTTP_PROXY or HTTPS_PROXY as http://user:password@host:port, ' +
  'or set fs.cosn.http.proxy.username and fs.cosn.http.proxy.password'

/** The error of a redirect that is not followed. `why` is the reason. */
export function redirectError(address: StoreAddress, what: string, status: number, why: string): SkeinError {
  const message = `${place(address)}: ${what} answered ${status}, and ${why}: set the endpoint of the store`
  return new SkeinError('failed_precondition', message, { reason: 'wrong_endpoint' })
}

/** The error if a TLS server responds to plain http; undefined otherwise. */
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

/** The endpoint requires https and received http. */
export function speaksTlsError(address: StoreAddress, what: string): SkeinError {
  const advice = 'set s3.endpoint=https://... (COS: fs.cosn.useHttps=true)'
  const message = `${place(address)}: ${what}: the endpoint speaks https, not http: ${advice}`
  return new SkeinError('failed_precondition', message, { reason: 'wrong_scheme' })
}

/** The name of a request in messages: the key is quoted, on one line and truncated. */
export function requestName(verb: string, key: string): string {
  return `${verb} ${JSON.stringify(key.length > 200 ? `${key.slice(0, 200)}...` : key)}`
}

/**
 * The error of a body or header that does not match the request: the response is damaged or
 * truncated, and a retry may help.
 */
export function badAnswerError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('unavailable', `${place(address)}: ${what}: ${problem}`, { reason: badAnswerReason })
}

/**
 * The error of a response with another version or size than requested. It becomes final when it
 * repeats (`finalAnswerError`).
 */
export function otherVersionError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('unavailable', `${place(address)}: ${what}: ${problem}`, { reason: otherVersionReason })
}

/**
 * The error of a response whose version is unknown. A retry does not help. The object may be read
 * in one response (ReadRequest.inOneAnswer).
 */
export function unprovenError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('failed_precondition', `${place(address)}: ${what}: ${problem}`, { reason: unprovenReason })
}

/** The final error for a response that repeats, and so is not an accident. */
export function finalAnswerError({ reason, message }: SkeinError): SkeinError {
  if (reason === otherVersionReason)
    return new SkeinError('aborted', message, { reason: objectChangedReason, retryable: false })
  return new SkeinError('failed_precondition', message, { reason, retryable: false })
}

/** Whether the error means that a response arrived but did not match the request. */
export function isBadAnswer({ reason }: SkeinError): boolean {
  return reason === badAnswerReason || reason === otherVersionReason
}

/** The error code in an S3 error document; undefined when there is none. */
export function errorCodeOf(xml: string): string | undefined {
  return /<Code>\s*([A-Za-z0-9.]{1,64})\s*<\/Code>/.exec(xml)?.[1]
}

/** The store's address at the beginning of a message. */
export function place(address: StoreAddress): string {
  return `${address.endpoint} bucket ${address.bucket}`
}
