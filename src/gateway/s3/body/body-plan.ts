// Why: what a body must have is said in a dozen headers, and must be known before the first byte.
// How: one pure function from headers to a plan: the form, the lengths, and every digest that will
// be compared.
import { s3Error } from '../answer/error-table.ts'
import type { HeaderFields } from '../request/header-fields.ts'
import type { SignatureClaim } from '../signature/signature-claim.ts'
import {
  algorithmNamed,
  algorithmOfHeader,
  type ChecksumAlgorithm,
  checksumAlgorithms,
  checksumHeader,
  checksumValue,
} from './checksum-algorithms.ts'

export interface BodyPlan {
  /** As SigV4 signs it: the value of `x-amz-content-sha256`. */
  readonly payloadHash: string
  /** Undefined: the body is sent as it is. */
  readonly chunked: { readonly isSigned: boolean; readonly hasTrailer: boolean } | undefined
  /** Bytes of the content; undefined: not announced. */
  readonly contentBytes: number | undefined
  /** SHA-256 in hexadecimal. */
  readonly sha256: string | undefined
  readonly md5: Buffer | undefined
  /** At most one; its value is undefined if it comes in a trailer. */
  readonly checksum: AnnouncedChecksum | undefined
}

export interface AnnouncedChecksum {
  readonly algorithm: ChecksumAlgorithm
  readonly value: Buffer | undefined
}

const unsignedPayload = 'UNSIGNED-PAYLOAD'
const chunkedForms: Readonly<Record<string, NonNullable<BodyPlan['chunked']>>> = {
  'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { isSigned: false, hasTrailer: true },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { isSigned: true, hasTrailer: false },
  'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { isSigned: true, hasTrailer: true },
}

/**
 * The plan without its checksum, whose headers mean something else for some operations.
 * @param claim how the request is signed. Only a signature in headers must cover the body
 * @throws S3 InvalidRequest, InvalidArgument, InvalidDigest, MissingContentLength, NotImplemented
 */
export function bodyForm(
  headers: HeaderFields,
  claim: Pick<SignatureClaim, 'kind'> | undefined,
): Omit<BodyPlan, 'checksum'> {
  const given = headers.get('x-amz-content-sha256')?.trim()
  if (given === undefined && claim?.kind === 'header')
    throw s3Error('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  const payloadHash = given ?? unsignedPayload
  const chunked = chunkedForms[payloadHash]
  const sha256 = /^[0-9a-fA-F]{64}$/.test(payloadHash) ? payloadHash.toLowerCase() : undefined
  if (payloadHash.startsWith('STREAMING-') && chunked === undefined)
    throw s3Error('NotImplemented', `The payload ${payloadHash.slice(0, 100)} is not implemented.`)
  if (chunked === undefined && sha256 === undefined && payloadHash !== unsignedPayload)
    throw s3Error(
      'InvalidArgument',
      'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- form or a valid sha256 value.',
    )
  const sentBytes = lengthOf(headers, 'content-length')
  const contentBytes = chunked === undefined ? sentBytes : lengthOf(headers, 'x-amz-decoded-content-length')
  if (chunked !== undefined && contentBytes === undefined)
    throw s3Error('MissingContentLength', 'You must provide the x-amz-decoded-content-length HTTP header.')
  return {
    payloadHash,
    chunked,
    contentBytes: chunked === undefined && headers.has('transfer-encoding') ? undefined : contentBytes,
    sha256,
    md5: md5Of(headers.get('content-md5')),
  }
}

/** @throws S3 InvalidRequest */
export function withChecksum(form: Omit<BodyPlan, 'checksum'>, headers: HeaderFields): BodyPlan {
  return { ...form, checksum: checksumOf(headers, form.chunked?.hasTrailer === true) }
}

function lengthOf(headers: HeaderFields, name: string): number | undefined {
  const text = headers.get(name)
  if (text === undefined) return undefined
  const length = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (!Number.isSafeInteger(length)) throw s3Error('InvalidArgument', `The header ${name} is not a number of bytes.`)
  return length
}

function md5Of(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  const value = Buffer.from(text, 'base64')
  if (value.length !== 16 || value.toString('base64') !== text.trim()) throw s3Error('InvalidDigest')
  return value
}

function checksumOf(headers: HeaderFields, hasTrailer: boolean): AnnouncedChecksum | undefined {
  const inHeaders = checksumAlgorithms.filter((algorithm) => headers.has(checksumHeader(algorithm)))
  const trailers = (headers.get('x-amz-trailer') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')
  if (trailers.length > 0 && !hasTrailer)
    throw s3Error('InvalidRequest', 'x-amz-trailer requires a payload with a trailer.')
  const inTrailers = trailers.map((name) => {
    const algorithm = algorithmOfHeader(name)
    if (algorithm === undefined)
      throw s3Error('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported')
    return algorithm
  })
  const all = [...inHeaders, ...inTrailers]
  if (all.length > 1)
    throw s3Error(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    )
  const named = headers.get('x-amz-sdk-checksum-algorithm')
  const [algorithm] = all
  if (named !== undefined) {
    const wanted = algorithmNamed(named)
    if (wanted === undefined)
      throw s3Error(
        'InvalidRequest',
        'Checksum algorithm provided is unsupported. Please try again with any of the valid types: ' +
          '[CRC32, CRC32C, CRC64NVME, SHA1, SHA256]',
      )
    if (wanted !== algorithm)
      throw s3Error(
        'InvalidRequest',
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers ' +
          'were found.',
      )
  }
  if (algorithm === undefined) return undefined
  const text = headers.get(checksumHeader(algorithm))
  return { algorithm, value: text === undefined ? undefined : checksumValue(algorithm, text.trim()) }
}
