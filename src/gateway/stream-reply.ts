// Why: bytes of a file are sent whole, or the answer is visibly broken. How: their number is
// announced and counted. The first bytes are read before the head is sent: until then an error can
// be answered.
import type { ServerResponse } from 'node:http'
import { begun } from '../wire/http/begun-chunks.ts'
import { writeBody } from '../wire/http/http-body.ts'
import type { IdleWatch } from '../wire/http/idle-watch.ts'

export interface ReplyStream {
  readonly chunks: AsyncIterable<Uint8Array>
  readonly length: number
  /** Called for each chunk that the system has taken. */
  readonly sent: (chunk: Uint8Array) => void
  /** Called for each chunk that the system did not take before the connection was closed. */
  readonly lost: (chunk: Uint8Array) => void
  /** Called once, when nothing more is read. */
  close(): Promise<void>
}

interface StreamReply {
  readonly status: number
  /** Without the length of the body. */
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: ReplyStream
}

/** @throws errors of the content, before anything was sent or after */
export async function sendStream(
  response: ServerResponse,
  watch: IdleWatch,
  { status, headers, body }: StreamReply,
): Promise<void> {
  try {
    const chunks = body.length === 0 ? body.chunks : await begun(body.chunks)
    response.writeHead(status, { ...headers, 'content-length': body.length })
    await writeBody(response, chunks, body.length, watch, body.sent, body.lost)
    response.end()
  } finally {
    await body.close()
  }
}
