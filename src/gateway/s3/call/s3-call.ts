// Why: an operation of S3 is a function from a request to an answer, whatever carries both. How:
// what operations are given and what they return; s3-server.ts does the rest.
import type { Clock } from '../../../base/clock.ts'
import type { PieceLender } from '../../../base/flow/lent-pieces.ts'
import type { FileSystem, OpenOptions } from '../../../client/file-system.ts'
import type { Logger } from '../../../telemetry/logger.ts'
import type { Caller } from '../../callers.ts'
import type { ReplyStream } from '../../stream-reply.ts'
import type { CheckedContent } from '../body/checked-content.ts'
import type { DigestThreads } from '../body/digest-threads.ts'
import type { ChecksumAlgorithm } from '../body/checksum-algorithms.ts'
import type { HeaderFields } from '../request/header-fields.ts'
import type { ObjectAddress } from '../request/object-address.ts'
import type { QueryFields } from '../request/query-fields.ts'

/** What all operations share. */
export interface S3Context {
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly buckets: BucketNames
  readonly logger: Logger
  readonly region: string
  /** How long the parts of an upload are kept. */
  readonly uploadExpiryMs: number
  /** Memory for the bytes of large objects. */
  readonly pieces: PieceLender
  /** Where the digests of contents are computed. */
  readonly digests: Pick<DigestThreads, 'of' | 'ofShared'>
  /** For files that are opened. */
  readonly onSource?: OpenOptions['onSource']
}

/** Which names are buckets. */
export interface BucketNames {
  /** @throws S3 NoSuchBucket */
  check(bucket: string, options: { readonly signal?: AbortSignal | undefined }): Promise<void>
}

/** One request that was checked, and may do what it asks for in its bucket. */
export interface S3Call extends ObjectAddress {
  readonly query: QueryFields
  /** With the fields of the query that stand for headers. */
  readonly headers: HeaderFields
  readonly caller: Caller
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal
  /** Bytes of the content; undefined: not announced. */
  readonly contentBytes: number | undefined
  /**
   * The content of the request, from now on. May be called once.
   * @param algorithm a checksum to compute if the request has none
   */
  content(algorithm?: ChecksumAlgorithm): CheckedContent
  /** The content as a text. @throws S3 MaxMessageLengthExceeded, MalformedXML */
  document(): Promise<string>
}

export interface S3Reply {
  readonly status: number
  /** Without those of the body's length. Values of undefined are left out. */
  readonly headers?: Readonly<Record<string, string | number | undefined>>
  /** A document, bytes of an object, or nothing. */
  readonly body?: string | Uint8Array | ReplyStream
}

export type S3Handler = (context: S3Context, call: S3Call) => Promise<S3Reply>

/** An answer with a document. */
export function documentReply(body: string, headers: S3Reply['headers'] = {}): S3Reply {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body }
}

/** An answer without a body. */
export function emptyReply(status: number, headers: S3Reply['headers'] = {}): S3Reply {
  return { status, headers }
}
