// Why: proxies before stores touch headers, and no real proxy touches all of them on demand. How:
// an HTTP reverse proxy that passes requests on with the Host header they came with, so that
// signatures stay valid, and lets a test change what goes in both directions.
import {
  createServer,
  request as send,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { createGzip } from 'node:zlib'

export interface PassingRequest {
  readonly method: string
  /** With the query. */
  path: string
  /** Of the server that it goes to. */
  port: number
  readonly headers: OutgoingHttpHeaders
}

export interface PassingAnswer {
  status: number
  readonly headers: OutgoingHttpHeaders
  /** The body is compressed on its way. */
  gzip?: boolean
  /** The answer is sent in place of the store's. */
  body?: string
  /** The connection is reset in place of the answer. */
  cut?: boolean
  /** The body comes so many bytes at a time, with such pauses. */
  trickle?: { readonly bytes: number; readonly everyMs: number }
}

export interface Touch {
  request?(request: PassingRequest): void
  answer?(request: PassingRequest, answer: PassingAnswer): void
}

export interface TouchingProxy {
  readonly port: number
  readonly url: string
  /** What is done from now on. */
  touch: Touch
  /** `METHOD path` of each request. */
  readonly requests: string[]
  close(): Promise<void>
}

export async function startTouchingProxy(targetPort: number, touch: Touch = {}): Promise<TouchingProxy> {
  const requests: string[] = []
  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    const passing: PassingRequest = {
      method: incoming.method ?? '',
      path: incoming.url ?? '/',
      port: targetPort,
      headers: { ...incoming.headers },
    }
    requests.push(`${passing.method} ${passing.path}`)
    proxy.touch.request?.(passing)
    const forward = send(
      {
        host: '127.0.0.1',
        port: passing.port,
        method: passing.method,
        path: passing.path,
        headers: passing.headers,
        setHost: false,
      },
      (reply: IncomingMessage) => {
        const headers: OutgoingHttpHeaders = { ...reply.headers }
        delete headers.connection
        const answer: PassingAnswer = { status: reply.statusCode ?? 502, headers }
        proxy.touch.answer?.(passing, answer)
        if (answer.cut === true) {
          reply.resume()
          outgoing.socket?.resetAndDestroy()
          return
        }
        if (answer.body !== undefined) {
          delete answer.headers['transfer-encoding']
          answer.headers['content-length'] = Buffer.byteLength(answer.body)
        }
        outgoing.writeHead(answer.status, answer.headers)
        if (answer.body !== undefined) {
          reply.resume()
          outgoing.end(passing.method === 'HEAD' ? '' : answer.body)
        } else if (answer.trickle !== undefined) trickle(reply, outgoing, answer.trickle)
        else if (answer.gzip === true && passing.method !== 'HEAD') reply.pipe(createGzip()).pipe(outgoing)
        else reply.pipe(outgoing)
        reply.on('error', () => outgoing.destroy())
      },
    )
    forward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forward.destroy())
    incoming.pipe(forward)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const proxy: TouchingProxy = {
    port,
    url: `http://127.0.0.1:${port}`,
    touch,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return proxy
}

function trickle(
  reply: IncomingMessage,
  outgoing: ServerResponse,
  { bytes, everyMs }: NonNullable<PassingAnswer['trickle']>,
): void {
  const parts: Buffer[] = []
  reply.on('data', (part: Buffer) => parts.push(part))
  reply.on('end', () => {
    const whole = Buffer.concat(parts)
    let at = 0
    outgoing.flushHeaders()
    const timer = setInterval(() => {
      if (outgoing.destroyed || at >= whole.length) {
        clearInterval(timer)
        outgoing.end()
      } else outgoing.write(whole.subarray(at, (at += bytes)))
    }, everyMs)
  })
}
