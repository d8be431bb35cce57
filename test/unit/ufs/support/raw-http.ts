// Why: GETs are tested against servers that say any bytes at any time. How: a server of raw bytes,
// a pool before it, and a handler that gathers an answer; `closeAll` ends them.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { expect } from 'vitest'
import { systemClock } from '../../../../src/base/clock.ts'
import { guardedLookup } from '../../../../src/ufs/s3/request/endpoint-guard.ts'
import type { AnswerHandler } from '../../../../src/ufs/transport/http-connection.ts'
import type { AnswerHeaders } from '../../../../src/ufs/transport/http-head.ts'
import { HttpPool, type HttpPoolOptions } from '../../../../src/ufs/transport/http-pool.ts'

export type Behaviour = (socket: Socket, request: string, count: number) => void

export const cleanups: (() => void)[] = []
/** For `afterEach`. */
export function closeAll(): void {
  for (const cleanup of cleanups.splice(0)) cleanup()
}

/** A server of raw bytes: `behave` is called with each whole request head. */
export async function serve(behave: Behaviour, make: (onSocket: (socket: Socket) => void) => Server = createServer) {
  const state = { connections: 0, open: new Set<Socket>(), requests: [] as string[] }
  const server = make((socket) => {
    state.connections += 1
    state.open.add(socket)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end)
        text = text.slice(end + 4)
        state.requests.push(request)
        behave(socket, request, state.requests.length)
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => state.open.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.close()
    for (const socket of state.open) socket.destroy()
  })
  return { ...state, state, port: (server.address() as AddressInfo).port }
}

/** Its time-outs are long: on a busy machine a pool and its server stand still for a while. */
export function openPool(port: number, overrides: Partial<HttpPoolOptions> = {}): HttpPool {
  const pool = new HttpPool({
    origin: new URL(`http://127.0.0.1:${port}`),
    lookup: guardedLookup(true),
    connectionsMax: 8,
    connectTimeoutMs: 20_000,
    silenceMaxMs: 20_000,
    idleMaxMs: 10_000,
    leastBytesPerSecond: 0,
    clock: systemClock,
    ...overrides,
  })
  cleanups.push(() => pool.close())
  return pool
}

interface Got {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly body: Buffer
}

export class Gather implements AnswerHandler {
  readonly done: Promise<Got>
  readonly #settle: { resolve(got: Got): void; reject(error: Error): void }
  readonly #spaceBytes: number
  readonly #onFilled: (bytes: number) => boolean
  #status = 0
  #headers: AnswerHeaders = new Map()
  #space = Buffer.alloc(0)
  readonly #parts: Buffer[] = []
  calls = 0

  constructor(spaceBytes = 1000, onFilled: (bytes: number) => boolean = () => true) {
    const { promise, resolve, reject } = Promise.withResolvers<Got>()
    this.done = promise
    this.#settle = { resolve, reject }
    this.#spaceBytes = spaceBytes
    this.#onFilled = onFilled
    promise.catch(() => undefined)
  }

  head(status: number, headers: AnswerHeaders): void {
    this.#status = status
    this.#headers = headers
  }
  space(): Uint8Array {
    this.#space = Buffer.alloc(this.#spaceBytes)
    return this.#space
  }
  filled(bytes: number): boolean {
    expect(bytes).toBeGreaterThan(0)
    expect(bytes).toBeLessThanOrEqual(this.#spaceBytes)
    this.#parts.push(this.#space.subarray(0, bytes))
    return this.#onFilled(bytes)
  }
  end(): void {
    this.calls += 1
    this.#settle.resolve({ status: this.#status, headers: this.#headers, body: Buffer.concat(this.#parts) })
  }
  fail(error: Error): void {
    this.calls += 1
    this.#settle.reject(error)
  }
}

export const get = (pool: HttpPool, path = '/', spaceBytes?: number): Promise<Got> => {
  const gather = new Gather(spaceBytes)
  pool.get(path, ['host', 'h'], gather)
  return gather.done
}
export const noise = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) & 255))
export const answer = (body: Buffer | string, extra = ''): Buffer =>
  Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${extra}Content-Length: ${body.length}\r\n\r\n`), Buffer.from(body)])
