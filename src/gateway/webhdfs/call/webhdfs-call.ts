// Why: an operation of WebHDFS is a function from a request to an answer, whatever carries both.
// How: what operations are given and what they return; webhdfs-server.ts does the rest.
import type { Clock } from '../../../base/clock.ts'
import type { PieceLender } from '../../../base/flow/lent-pieces.ts'
import type { FileSystem, OpenOptions } from '../../../client/file-system.ts'
import type { DoorOperation } from '../../../telemetry/door-metrics.ts'
import type { Access, Permissions } from '../../callers.ts'
import type { ReplyStream } from '../../stream-reply.ts'
import type { Parameters } from '../request/parameters.ts'

/** What all operations share. */
export interface WebHdfsContext {
  readonly fileSystem: FileSystem
  readonly permissions: Permissions
  readonly clock: Clock
  /** Memory for files that are being sent. */
  readonly pieces: PieceLender
  /** The block size of the cluster, which larger wishes of clients do not exceed. */
  readonly blockSizeBytes: number
  /** For files that are opened. */
  readonly onSource?: OpenOptions['onSource']
}

/** One request that was checked, and may do what it asks for with its path. */
export interface WebHdfsCall {
  /** As the file system takes it. */
  readonly path: string
  readonly parameters: Parameters
  /** Who calls, or is called for; empty: no name was given. */
  readonly user: string
  /** Whether the client followed a redirect of this door. */
  readonly isData: boolean
  /** Where clients are sent for the bytes: this request's URL, marked. Has a query. */
  readonly dataUrl: string
  /** The file, as clients of Hadoop name it. */
  readonly fileUrl: string
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal
  /** Bytes of the content; undefined: not announced. */
  readonly contentBytes: number | undefined
  /** The content of the request. May be called once. */
  content(): AsyncIterable<Uint8Array>
}

export type WebHdfsBody =
  | { readonly kind: 'none' }
  | { readonly kind: 'json'; readonly text: string }
  /** JSON in pieces. The answer is broken if they cannot be had. */
  | { readonly kind: 'pieces'; readonly pieces: AsyncIterable<string> }
  | { readonly kind: 'bytes'; readonly stream: ReplyStream }

export interface WebHdfsReply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: WebHdfsBody
}

export type WebHdfsHandler = (context: WebHdfsContext, call: WebHdfsCall) => Promise<WebHdfsReply>

export interface OperationDefinition {
  readonly handler: WebHdfsHandler
  /** For metrics. */
  readonly kind: DoorOperation
  /** To the namespace of the path. */
  readonly access: Access
  /** It may take minutes before there is an answer, which is then kept alive. */
  readonly isSlow?: true
}

/** An answer with a document. */
export function jsonReply(value: unknown): WebHdfsReply {
  return { status: 200, body: { kind: 'json', text: JSON.stringify(value) } }
}

/** An answer without a body. */
export function emptyReply(status = 200, headers: Readonly<Record<string, string>> = {}): WebHdfsReply {
  return { status, headers, body: { kind: 'none' } }
}

export function booleanReply(is: boolean): WebHdfsReply {
  return jsonReply({ boolean: is })
}
