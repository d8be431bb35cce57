// Why: an answer is either whole or visibly broken. How: a document has its length; bytes are
// announced and counted; a listing is sent in pieces while it is made, and the connection is
// dropped if its rest cannot be had. Clients read JSON only with its content type.
import type { ServerResponse } from 'node:http'
import { begun } from '../../wire/http/begun-chunks.ts'
import { writeOpenEnded } from '../../wire/http/http-body.ts'
import type { IdleWatch } from '../../wire/http/idle-watch.ts'
import { sendStream } from '../stream-reply.ts'
import { type HadoopAnswer, remoteException } from './answer/hadoop-exceptions.ts'
import type { WebHdfsReply } from './call/webhdfs-call.ts'

const jsonType = { 'content-type': 'application/json' }

/** The head of an answer that takes long. */
export function beginJson(response: ServerResponse): void {
  response.writeHead(200, jsonType)
}

/**
 * Sends an answer. @returns bytes of files that were sent
 * @throws errors of the content, before anything was sent or after
 */
export async function sendReply(response: ServerResponse, watch: IdleWatch, reply: WebHdfsReply): Promise<number> {
  const { status, headers = {}, body } = reply
  if (body.kind === 'bytes') {
    await sendStream(response, watch, { status, headers, body: body.stream })
    return body.stream.length
  }
  if (body.kind === 'pieces') {
    const chunks = await begun(encoded(body.pieces))
    response.writeHead(status, { ...headers, ...jsonType })
    await writeOpenEnded(response, chunks, watch)
    response.end()
    return 0
  }
  const text = body.kind === 'json' ? body.text : ''
  if (!response.headersSent) {
    const type = body.kind === 'json' ? jsonType : {}
    response.writeHead(status, { ...type, ...headers, 'content-length': Buffer.byteLength(text) })
  }
  response.end(text)
  return 0
}

/** Says why a request was refused, or drops the connection when it is too late. */
export function sendRefusal(response: ServerResponse, answer: HadoopAnswer): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const text = remoteException(answer)
  response.writeHead(answer.status, { ...jsonType, 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

async function* encoded(pieces: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield Buffer.from(piece)
}
