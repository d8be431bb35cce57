// Why: a signature comes in a header or in the query, and both say the same. How: AWS Signature
// Version 4 ("Authenticating Requests (AWS Signature Version 4)", Amazon S3 API Reference). What is
// said is parsed here and checked elsewhere (verification.ts).
import { s3Error } from '../answer/error-table.ts'
import type { HeaderFields } from '../request/header-fields.ts'
import type { QueryFields } from '../request/query-fields.ts'

export interface SignatureClaim {
  readonly kind: 'header' | 'query'
  readonly accessKeyId: string
  /** `yyyymmdd` */
  readonly day: string
  readonly region: string
  /** In lower case, in the order in which they are signed. */
  readonly signedHeaders: readonly string[]
  /** 64 hexadecimal digits. */
  readonly signature: string
  /** `yyyymmddThhmmssZ` */
  readonly timestamp: string
  readonly timeMs: number
  /** How long a presigned request is valid; undefined for a header. */
  readonly expiresMs: number | undefined
}

const algorithm = 'AWS4-HMAC-SHA256'
const credentialPattern = /^([^/\s]{1,128})\/(\d{8})\/([a-z0-9-]{1,64})\/s3\/aws4_request$/
const signaturePattern = /^[0-9a-f]{64}$/
const expiresSecondsMax = 604_800
const signedHeadersMax = 100

/** Undefined: the request is not signed. @throws S3 errors of a malformed or old signature */
export function claimOf(headers: HeaderFields, query: QueryFields): SignatureClaim | undefined {
  const authorization = headers.get('authorization')
  const isPresigned = query.has('X-Amz-Signature') || query.has('X-Amz-Algorithm')
  if (authorization !== undefined && isPresigned)
    throw s3Error('InvalidArgument', 'Only one auth mechanism allowed; use the header or the query, not both.')
  if (authorization !== undefined) return headerClaim(authorization, headers)
  if (isPresigned) return queryClaim(query)
  if (query.has('Signature') || query.has('AWSAccessKeyId')) throw oldVersion()
  return undefined
}

function headerClaim(authorization: string, headers: HeaderFields): SignatureClaim {
  const [scheme = '', ...rest] = authorization.trim().split(/\s+/)
  if (scheme !== algorithm) throw oldVersion()
  const fields = new Map(
    rest
      .join('')
      .split(',')
      .map((field) => {
        const mark = field.indexOf('=')
        return [field.slice(0, mark), field.slice(mark + 1)] as const
      }),
  )
  const timestamp = headers.get('x-amz-date') ?? basicTime(headers.get('date'))
  return claim('header', fields.get('Credential'), fields.get('SignedHeaders'), fields.get('Signature'), timestamp)
}

function queryClaim(query: QueryFields): SignatureClaim {
  if (query.get('X-Amz-Algorithm') !== algorithm)
    throw s3Error('AuthorizationQueryParametersError', `X-Amz-Algorithm only supports "${algorithm}"`)
  const seconds = Number(query.get('X-Amz-Expires') || Number.NaN)
  if (seconds < 0) throw s3Error('AccessDenied', 'Request has expired')
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > expiresSecondsMax)
    throw s3Error('AuthorizationQueryParametersError', `X-Amz-Expires must be from 1 to ${expiresSecondsMax} seconds`)
  return {
    ...claim(
      'query',
      query.get('X-Amz-Credential'),
      query.get('X-Amz-SignedHeaders'),
      query.get('X-Amz-Signature'),
      query.get('X-Amz-Date'),
    ),
    expiresMs: seconds * 1000,
  }
}

function claim(
  kind: SignatureClaim['kind'],
  credential: string | undefined,
  signedHeaders: string | undefined,
  signature: string | undefined,
  timestamp: string | undefined,
): SignatureClaim {
  const code = kind === 'header' ? 'AuthorizationHeaderMalformed' : 'AuthorizationQueryParametersError'
  const scope = credentialPattern.exec(credential ?? '')
  if (scope === null)
    throw s3Error(code, 'The credential is malformed; expecting "<access key>/YYYYMMDD/REGION/s3/aws4_request".')
  const [, accessKeyId = '', day = '', region = ''] = scope
  const names = signedHeaders === undefined || signedHeaders === '' ? [] : signedHeaders.toLowerCase().split(';')
  if (names.length > signedHeadersMax || !names.includes('host'))
    throw s3Error(code, `SignedHeaders must have at most ${signedHeadersMax} names, among them host.`)
  if (!signaturePattern.test(signature ?? '')) throw s3Error(code, 'The signature must have 64 hexadecimal digits.')
  const timeMs = timestamp === undefined ? undefined : basicTimeMs(timestamp)
  if (timestamp === undefined || timeMs === undefined)
    throw s3Error('AccessDenied', 'The request must have a valid time: X-Amz-Date, or the header Date.')
  if (!timestamp.startsWith(day)) throw s3Error(code, 'The date of the credential is not that of the request.')
  return {
    ...{ kind, accessKeyId, day, region, signedHeaders: names, signature: signature ?? '' },
    ...{ timestamp, timeMs, expiresMs: undefined },
  }
}

/** `yyyymmddThhmmssZ` -> milliseconds since 1970. */
function basicTimeMs(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (match === null) return undefined
  const [, year, month, day, hour, minute, second] = match
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(ms) ? undefined : ms
}

/** The time of a `Date` header in the form that is signed. */
function basicTime(date: string | undefined): string | undefined {
  if (date === undefined || basicTimeMs(date) !== undefined) return date
  const ms = Date.parse(date)
  return Number.isNaN(ms) ? undefined : `${new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`
}

function oldVersion(): Error {
  return s3Error(
    'InvalidRequest',
    `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`,
  )
}
