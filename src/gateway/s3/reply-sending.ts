// Why: an answer is either whole or visibly broken. How: a document has its length; bytes are
// announced and counted, and the connection is dropped if they cannot be had. A request that takes
// long is answered with blanks before its document, which XML allows there, so that no client and
// no proxy gives up; what fails then is an error document after a status 200, as at S3.
import type { ServerResponse } from 'node:http'
import type { IdleWatch } from '../../wire/http/idle-watch.ts'
import { sendStream } from '../stream-reply.ts'
import { xmlHead } from './answer/document.ts'
import { errorDocument, type S3Answer } from './answer/error-mapping.ts'
import type { S3Reply } from './call/s3-call.ts'

export interface Sending {
  readonly response: ServerResponse
  readonly watch: IdleWatch
  readonly isHead: boolean
  readonly requestId: string
  /** The path of the request. */
  readonly resource: string
}

/**
 * Sends an answer. @returns bytes of content that were sent
 * @throws errors of the content, before anything was sent or after
 */
export async function sendReply({ response, watch, isHead, requestId }: Sending, reply: S3Reply): Promise<number> {
  const { status, body } = reply
  if (typeof body === 'string' && response.headersSent) {
    response.end(body.slice(xmlHead.length))
    return 0
  }
  const headers = headersOf(reply, requestId)
  if (body === undefined || typeof body === 'string') {
    // A socket takes a page of a listing as a text much more slowly.
    const bytes = Buffer.from(body ?? '')
    const hasLength = isHead || status === 204 || status === 304
    if (!hasLength) headers['content-length'] = bytes.length
    response.writeHead(status, headers)
    response.end(isHead || bytes.length === 0 ? undefined : bytes)
    return 0
  }
  if (body instanceof Uint8Array) {
    headers['content-length'] = body.length
    response.writeHead(status, headers)
    response.end(body)
    return body.length
  }
  await sendStream(response, watch, { status, headers, body })
  return body.length
}

/** The head of an answer that takes long, and what a document begins with. */
export function beginDocument({ response, requestId }: Sending): void {
  response.writeHead(200, { 'content-type': 'application/xml', ...identity(requestId) })
  response.write(xmlHead)
}

/** @returns false when nothing can be said any more, and the connection was dropped */
export function sendError(
  { response, isHead, requestId, resource }: Sending,
  answer: S3Answer,
  isKeptAlive: boolean,
): boolean {
  if (response.destroyed || response.writableEnded || (response.headersSent && !isKeptAlive)) {
    response.destroy()
    return false
  }
  const text = errorDocument(answer, resource, requestId)
  if (isKeptAlive) {
    response.end(text.slice(xmlHead.length))
    return true
  }
  const headers = { 'content-type': 'application/xml', ...identity(requestId) }
  response.writeHead(answer.status, { ...headers, 'content-length': Buffer.byteLength(text) })
  response.end(isHead ? undefined : text)
  return true
}

function identity(requestId: string): Record<string, string | number> {
  return { 'x-amz-request-id': requestId, 'x-amz-id-2': requestId }
}

function headersOf({ headers = {} }: S3Reply, requestId: string): Record<string, string | number> {
  const defined = identity(requestId)
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) defined[name] = value
  }
  return defined
}
