// Why: what an S3 or COS server answers has one meaning for the whole house. How: a table from status and error code to a
// SkeinError whose message is one line with the store's address, the bucket and the code; never a header, a body or a secret.
// Codes: Amazon S3 API Reference "Error responses"; COS "Error codes".
import { type ErrorCode, SkeinError } from '../base/errors.ts'

/** Where a request went, for messages. */
export interface StoreAddress {
  readonly endpoint: string
  readonly bucket: string
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
const changed: Meaning = { code: 'aborted', reason: objectChangedReason, retryable: false, advice: 'the object changed while it was read' }
const slowDown: Meaning = { code: 'unavailable', reason: slowDownReason, advice: 'the store asks to slow down' }
const unwell: Meaning = { code: 'unavailable', advice: 'the store is not well' }
const elsewhere: Meaning = {
  code: 'failed_precondition',
  reason: 'wrong_endpoint',
  advice: 'the bucket is in another region: check the region and the endpoint',
}
const exists: Meaning = { code: 'already_exists', advice: 'there is an object of this key already' }
const damaged: Meaning = { code: 'unavailable', reason: 'damaged', advice: 'the bytes did not arrive as they were sent' }
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
  AuthorizationHeaderMalformed: { ...wrongSecret, advice: 'the signature was refused: check the secret and the region' },
  RequestTimeTooSkewed: {
    code: 'unavailable',
    reason: clockSkewReason,
    advice: 'the clock of this machine and that of the store differ too much',
  },
  AccessDenied: denied,
  AllAccessDisabled: denied,
  DownloadForbidden: { ...denied, advice: 'the store does not give out this type of file (.apk, .ipa) on its default domain' },
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
  QuotaExceeded: { code: 'resource_exhausted', reason: 'quota', advice: 'the quota of the bucket or its owner is used up' },
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

/** What an answer with this status and error code (from the body; undefined when there was none) means. `what` names the request, such as `GET "a/b"`. */
export function answerError(address: StoreAddress, what: string, status: number, code: string | undefined): SkeinError {
  const named = code !== undefined && /^[A-Za-z0-9.]{1,64}$/.test(code) ? code : undefined
  const meaning =
    (named === undefined ? undefined : meanings[named]) ??
    byStatus[status] ??
    (status >= 500 || status < 300 ? unwell : { code: 'failed_precondition' as const, advice: 'the store refuses the request' })
  const { reason, retryable } = meaning
  return new SkeinError(
    meaning.code,
    `${place(address)}: ${what} answered ${status}${named === undefined ? '' : ` ${named}`}: ${meaning.advice}`,
    { reason, retryable },
  )
}

/** A body or a header that is not what was asked for: a damaged or cut answer, worth another attempt. */
export function badAnswerError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('unavailable', `${place(address)}: ${what}: ${problem}`, { reason: badAnswerReason })
}

/** An answer that names another version, or another size, than was asked for; final when it stays (`finalAnswerError`). */
export function otherVersionError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('unavailable', `${place(address)}: ${what}: ${problem}`, { reason: otherVersionReason })
}

/** An answer whose version cannot be known. No attempt mends it; the object may be read in one answer (ReadRequest.inOneAnswer). */
export function unprovenError(address: StoreAddress, what: string, problem: string): SkeinError {
  return new SkeinError('failed_precondition', `${place(address)}: ${what}: ${problem}`, { reason: unprovenReason })
}

/** The error in place of one answer that comes again and again: it is no accident. */
export function finalAnswerError({ reason, message }: SkeinError): SkeinError {
  if (reason === otherVersionReason) return new SkeinError('aborted', message, { reason: objectChangedReason, retryable: false })
  return new SkeinError('failed_precondition', message, { reason, retryable: false })
}

/** Whether an error says that an answer came and was not what was asked for. */
export function isBadAnswer({ reason }: SkeinError): boolean {
  return reason === badAnswerReason || reason === otherVersionReason
}

const silent: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'TimeoutError',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'CONNECT_TIMEOUT',
  'HEADERS_TIMEOUT',
  'BODY_TIMEOUT',
])
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  CONNECTION_CUT: 'the connection was cut',
  CONNECT_TIMEOUT: 'it does not accept the connection in time',
  HEADERS_TIMEOUT: 'no answer in time',
  BODY_TIMEOUT: 'the answer stalled',
  UND_ERR_CONNECT_TIMEOUT: 'it does not accept the connection in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stalled',
}

/** What a failed connection means. SkeinErrors (the endpoint guard's, an abort's) are given back as they are. */
export function connectionError(address: StoreAddress, what: string, thrown: unknown): SkeinError {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 4; error = error.cause, depth += 1) {
    if (error instanceof SkeinError) return error
  }
  const raw = thrown as { readonly code?: unknown; readonly name?: string } | undefined
  const code = typeof raw?.code === 'string' && /^[A-Z0-9_]{1,64}$/.test(raw.code) ? raw.code : (raw?.name ?? 'Error').slice(0, 64)
  if (/CERT|SSL|TLS|ALTNAME|SELF_SIGNED/.test(code)) {
    return new SkeinError('failed_precondition', `${place(address)}: ${what}: the certificate is not accepted (${code})`, {
      reason: 'bad_certificate',
    })
  }
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
