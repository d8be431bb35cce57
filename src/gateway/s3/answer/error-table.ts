// Why: clients of S3 decide by the code of an error whether they retry, and what they say. How: one
// table of codes with their HTTP status and message (Amazon S3 API Reference, "Error responses").
// An error of the door is a SkeinError whose reason is the code.
import { type ErrorCode, SkeinError } from '../../../base/errors.ts'

interface S3ErrorDefinition {
  readonly status: number
  readonly message: string
}

export const s3ErrorTable = {
  AccessDenied: { status: 403, message: 'Access Denied' },
  AuthorizationHeaderMalformed: { status: 400, message: 'The authorization header that you provided is not valid.' },
  AuthorizationQueryParametersError: {
    status: 400,
    message: 'The query parameters of the signature are not valid.',
  },
  BadDigest: { status: 400, message: 'The digest or checksum that you specified did not match what was received.' },
  BucketAlreadyOwnedByYou: { status: 409, message: 'The bucket exists, and you own it.' },
  ConditionalRequestConflict: { status: 409, message: 'The object was changed during the request.' },
  EntityTooLarge: { status: 400, message: 'Your proposed upload exceeds the maximum allowed object size.' },
  EntityTooSmall: { status: 400, message: 'Your proposed upload is smaller than the minimum allowed object size.' },
  IncompleteBody: {
    status: 400,
    message: 'You did not provide the number of bytes specified by the Content-Length HTTP header.',
  },
  InternalError: { status: 500, message: 'We encountered an internal error. Please try again.' },
  InvalidAccessKeyId: {
    status: 403,
    message: 'The AWS access key ID that you provided does not exist in our records.',
  },
  InvalidArgument: { status: 400, message: 'Invalid Argument' },
  InvalidBucketName: { status: 400, message: 'The specified bucket is not valid.' },
  InvalidDigest: { status: 400, message: 'The Content-MD5 that you specified is not valid.' },
  InvalidPart: {
    status: 400,
    message: 'One or more of the specified parts could not be found, or their ETags do not match.',
  },
  InvalidPartOrder: { status: 400, message: 'The list of parts was not in ascending order.' },
  InvalidRange: { status: 416, message: 'The requested range is not satisfiable.' },
  InvalidRequest: { status: 400, message: 'Invalid Request' },
  InvalidStorageClass: { status: 400, message: 'The storage class that you specified is not valid.' },
  InvalidTag: { status: 400, message: 'The tag provided was not a valid tag.' },
  InvalidToken: { status: 400, message: 'The provided token is malformed or otherwise invalid.' },
  InvalidURI: { status: 400, message: "Couldn't parse the specified URI." },
  KeyTooLongError: { status: 400, message: 'Your key is too long.' },
  MalformedXML: { status: 400, message: 'The XML that you provided was not well formed.' },
  MaxMessageLengthExceeded: { status: 400, message: 'Your request was too large.' },
  MetadataTooLarge: { status: 400, message: 'Your metadata headers exceed the maximum allowed metadata size.' },
  MethodNotAllowed: { status: 405, message: 'The specified method is not allowed against this resource.' },
  MissingContentLength: { status: 411, message: 'You must provide the Content-Length HTTP header.' },
  NoSuchBucket: { status: 404, message: 'The specified bucket does not exist' },
  NoSuchKey: { status: 404, message: 'The specified key does not exist.' },
  NoSuchTagSet: { status: 404, message: 'The TagSet does not exist.' },
  NoSuchUpload: {
    status: 404,
    message:
      'The specified multipart upload does not exist. The upload ID might be invalid, ' +
      'or the multipart upload might have been aborted or completed.',
  },
  NotImplemented: { status: 501, message: 'A header or query that you provided requests what is not implemented.' },
  PreconditionFailed: { status: 412, message: 'At least one of the preconditions that you specified did not hold.' },
  RequestTimeTooSkewed: {
    status: 403,
    message: 'The difference between the request time and the current time is too large.',
  },
  RequestTimeout: {
    status: 400,
    message: 'Your socket connection to the server was not read from or written to within the timeout period.',
  },
  ServiceUnavailable: { status: 503, message: 'Service is unable to handle request.' },
  SignatureDoesNotMatch: {
    status: 403,
    message:
      'The request signature that we calculated does not match the signature that you provided. ' +
      'Check your secret access key and signing method.',
  },
  SlowDown: { status: 503, message: 'Please reduce your request rate.' },
  XAmzContentSHA256Mismatch: {
    status: 400,
    message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
  },
} as const satisfies Readonly<Record<string, S3ErrorDefinition>>

export type S3ErrorCode = keyof typeof s3ErrorTable

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_argument',
  403: 'permission_denied',
  404: 'not_found',
  409: 'aborted',
  412: 'failed_precondition',
  500: 'internal',
  501: 'unimplemented',
  503: 'unavailable',
}

/** The error that is answered with this code. @param message default: the one of the table */
export function s3Error(code: S3ErrorCode, message?: string): SkeinError {
  const definition: S3ErrorDefinition = s3ErrorTable[code]
  const { status } = definition
  return new SkeinError(codeOfStatus[status] ?? 'invalid_argument', message ?? definition.message, {
    reason: code,
    retryable: status === 503,
  })
}

/** What is refused because it is not supported. @param what such as `the header x-amz-acl` */
export function notImplemented(what: string): SkeinError {
  return s3Error('NotImplemented', `${what} is not implemented.`)
}
