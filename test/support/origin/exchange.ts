// Why: one request on its way through the origin, and how it is refused.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { OriginBucket } from './bucket.ts'
import type { Faults, RequestKind } from './faults.ts'
import { escapeXml } from './listing.ts'

export interface OriginCounters {
  readonly requests: Record<RequestKind, number>
  /** Body bytes of objects that were sent. */
  objectBytes: number
  /** Told of them, by key. */
  onObjectBytes?: (key: string, bytes: number) => void
  /** Answers by status. */
  readonly statuses: Record<number, number>
  /** Requests by the value of their `x-cos-traffic-limit`. */
  readonly trafficLimits: Set<string>
}

/** One request on its way through the origin. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly bucket: OriginBucket
  readonly key: string
  readonly kind: RequestKind
  readonly query: URLSearchParams
  readonly cos: boolean
  readonly counters: OriginCounters
  readonly faults: Faults
}

const statusOf: Readonly<Record<string, number>> = {
  NoSuchBucket: 404,
  NoSuchKey: 404,
  InvalidArgument: 400,
  ExpiredToken: 400,
  InvalidToken: 400,
  MethodNotAllowed: 405,
  NotImplemented: 501,
  PreconditionFailed: 412,
  InvalidRange: 416,
  SlowDown: 503,
  InternalError: 500,
  BadDigest: 400,
  NoSuchUpload: 404,
  InvalidPart: 400,
  EntityTooSmall: 400,
  FileAlreadyExists: 409,
  InvalidURI: 400,
}

/** Sends an error as S3 does: a status and, unless it is a HEAD, a document with the code. */
export function sendError(
  response: ServerResponse,
  request: IncomingMessage,
  code: string,
  status = statusOf[code] ?? 403,
): void {
  request.resume()
  const body =
    request.method === 'HEAD' || status === 304
      ? ''
      : `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${escapeXml(code)}</Message>` +
        '<RequestId>origin</RequestId></Error>'
  response.writeHead(status, { 'content-type': 'application/xml', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
