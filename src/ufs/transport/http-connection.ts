// Why: general HTTP clients allocate a buffer for every 64 KiB and pass it through layers of
// streams. For every byte of a load, that costs more than the network does. How: the kernel reads
// directly into the destination of the body (`onread` of node:net and node:tls). Only heads, and
// body bytes that arrive with them, pass through one buffer that all connections share. Sharing is
// safe because a read and its callback are one synchronous step. A connection carries one request
// at a time; http-head.ts parses heads; after any fault the connection is closed. Data from a
// proxy's tunnel is copied, because `onread` is not available there.
import type { OnReadOpts, Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { AnswerFault, type AnswerHead, type AnswerHeaders, ChunkedBody, parseHead } from './http-head.ts'
import type { ReadTurns } from '../read-turns.ts'
import { LeastRate } from './least-rate.ts'
import { openSocket, type OpeningSocket, ProxyFault, type SocketRoute } from './open-socket.ts'

/**
 * Receives one response. Exactly one of `end` and `fail` is called, once and last, unless the
 * request is aborted.
 */
export interface AnswerHandler {
  head(status: number, headers: AnswerHeaders): void
  /**
   * The buffer for the next bytes of the body, at least one byte long. It belongs to the connection
   * until `filled`, an abort or the end.
   */
  space(): Uint8Array
  /**
   * Reports that this many bytes were written at the start of the buffer. Returns false to pause,
   * as far as possible, until `resume`.
   */
  filled(bytes: number): boolean
  end(): void
  /** @param error an AnswerFault, a ProxyFault, a SkeinError, or an Error with a `code` */
  fail(error: Error): void
}

/** One request as the connection sends it. */
export interface ConnectionRequest {
  /** The head, including its empty line. */
  readonly text: string
  readonly body: Uint8Array | undefined
  /** The response has a head only. */
  readonly isHead: boolean
  readonly handler: AnswerHandler
}

export interface ConnectionOptions extends SocketRoute {
  readonly connectTimeoutMs: number
  /** A connection that was idle for longer is not used again. */
  readonly idleMaxMs: number
  /** A body that arrives more slowly is aborted; 0: no minimum. */
  readonly leastBytesPerSecond: number
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>
}

interface ConnectionEvents {
  /** The connection is open, or has finished a response. */
  free(): void
  closed(error: Error): void
}

const headBytesMax = 64 * 1024
/**
 * Safety margin before the time at which the server closes an idle connection, so that a request
 * does not cross the close on the network.
 */
const keepMarginMs = 1000

export class HttpConnection {
  readonly #options: ConnectionOptions
  readonly #scratch: Buffer
  readonly #turns: ReadTurns
  readonly #events: ConnectionEvents
  readonly #opening: OpeningSocket
  readonly #endConnecting: () => void
  readonly #rate: LeastRate
  #socket: Socket | undefined
  #request: ConnectionRequest | undefined
  #head: AnswerHead | undefined
  /** The beginning of an incomplete head. */
  #partial: Buffer | undefined
  #headSinceMs = 0
  #chunked: ChunkedBody | undefined
  #left = 0
  /** Whether the socket now reads into the handler's buffer instead of the shared one. */
  #direct = false
  #paused = false
  /** Paused until the next turn, whoever reads. */
  #held = false
  #reads = 0
  #endWatch: () => void = () => undefined
  #closed = false
  usableUntilMs = Number.POSITIVE_INFINITY

  /** No method of `events` is called before the constructor returns. */
  constructor(options: ConnectionOptions, scratch: Buffer, turns: ReadTurns, events: ConnectionEvents) {
    this.#options = options
    this.#scratch = scratch
    this.#turns = turns
    this.#events = events
    this.#rate = new LeastRate({ bytesPerSecond: options.leastBytesPerSecond, windowMs: options.silenceMaxMs })
    const onread: OnReadOpts = { buffer: () => this.#nextBuffer(), callback: (bytes) => this.#onRead(bytes) }
    this.#endConnecting = options.clock.schedule(options.connectTimeoutMs, () => this.#onConnectTimeout())
    this.#opening = openSocket(options, {
      onread,
      opened: (socket, readsInPlace) => this.#opened(socket, readsInPlace),
      failed: (error) => this.close(error),
    })
  }

  send(request: ConnectionRequest): void {
    this.#request = request
    this.#head = undefined
    this.#headSinceMs = 0
    const socket = this.#socket
    if (socket === undefined) return
    socket.ref()
    socket.write(request.text, 'latin1')
    if (request.body !== undefined && request.body.length > 0) socket.write(request.body)
  }

  resume(request: ConnectionRequest): void {
    if (this.#request !== request || !this.#paused) return
    this.#paused = false
    this.#rate.goOn(this.#options.clock.monotonicMs())
    if (!this.#held) this.#socket?.resume()
    this.#watch()
  }

  abort(request: ConnectionRequest): void {
    if (this.#request !== request) return
    this.#request = undefined
    this.close(closedError())
  }

  close(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#endConnecting()
    this.#endWatch()
    this.#opening.destroy()
    const request = this.#request
    this.#request = undefined
    this.#events.closed(error)
    request?.handler.fail(error)
  }

  #opened(socket: Socket, readsInPlace: boolean): void {
    this.#socket = socket
    this.#endConnecting()
    if (!readsInPlace) {
      socket.on('data', (bytes: Buffer) => {
        if (!this.#taken(bytes.length, (request) => this.#take(request, bytes))) socket.pause()
      })
    }
    socket.on('timeout', () => this.#onSilence())
    socket.on('error', (error) => this.close(error))
    socket.on('end', () => this.#onEnd())
    socket.on('close', () => this.close(fault('CONNECTION_CUT')))
    this.#becomeFree()
  }

  #onConnectTimeout(): void {
    const proxy = this.#opening.waitsFor
    this.close(proxy === undefined ? fault('CONNECT_TIMEOUT') : new ProxyFault(proxy.name, 'CONNECT_TIMEOUT'))
  }

  #becomeFree(): void {
    this.#socket?.unref()
    this.usableUntilMs =
      this.#options.clock.monotonicMs() +
      Math.min(this.#options.idleMaxMs, (this.#head?.keepMaxMs ?? Infinity) - keepMarginMs)
    this.#events.free()
  }

  #onSilence(): void {
    // A connection that its reader has paused is not silent by its own fault. It is watched again
    // after it resumes.
    if (!this.#paused) this.close(fault(this.#head === undefined ? 'HEADERS_TIMEOUT' : 'BODY_TIMEOUT'))
  }

  /**
   * The timer of the socket may have expired during a pause, and restarts only with the next byte.
   * This watches for that byte.
   */
  #watch(): void {
    this.#endWatch()
    const before = this.#reads
    this.#endWatch = this.#options.clock.schedule(this.#options.silenceMaxMs, () => {
      if (this.#reads === before) this.#onSilence()
    })
  }

  #onEnd(): void {
    if (this.#request !== undefined && this.#head?.body === 'close') this.#complete(false)
    else this.close(fault('CONNECTION_CUT'))
  }

  #nextBuffer(): Uint8Array {
    const request = this.#request
    this.#direct = request !== undefined && !this.#paused && this.#left > 0 && this.#chunked === undefined
    if (request === undefined || !this.#direct) return this.#scratch
    const space = request.handler.space()
    const most = Math.min(this.#left, this.#turns.readBytesMax)
    return space.length > most ? space.subarray(0, most) : space
  }

  #onRead(bytes: number): boolean {
    return this.#taken(bytes, (request) => {
      if (!this.#direct) {
        this.#take(request, this.#scratch.subarray(0, bytes))
        return
      }
      this.#left -= bytes
      this.#count(bytes)
      if (!request.handler.filled(bytes)) this.#pause()
      if (this.#left === 0 && this.#request === request) this.#complete(true)
    })
  }

  /** Handles bytes that arrived. Returns whether to continue reading. */
  #taken(bytes: number, take: (request: ConnectionRequest) => void): boolean {
    this.#reads += 1
    if (!this.#turns.spend(bytes) && !this.#held) {
      this.#held = true
      this.#turns.next(this.#goOn)
    }
    try {
      if (this.#request === undefined) throw new AnswerFault('the server sent data without a request')
      take(this.#request)
    } catch (thrown) {
      this.close(thrown instanceof Error ? thrown : new AnswerFault('the response could not be processed'))
    }
    return !this.#paused && !this.#closed && !this.#held
  }

  readonly #goOn = (): void => {
    this.#held = false
    if (!this.#paused && !this.#closed) this.#socket?.resume()
  }

  #pause(): void {
    this.#paused = true
    this.#rate.hold(this.#options.clock.monotonicMs())
  }

  /** Counts body bytes. @throws when they arrive too slowly */
  #count(bytes: number): void {
    if (!this.#rate.came(bytes, this.#options.clock.monotonicMs())) throw fault('BODY_TOO_SLOW')
  }

  #take(request: ConnectionRequest, arrived: Buffer): void {
    let at = 0
    while (this.#head === undefined) {
      const bytes: Buffer =
        this.#partial === undefined ? arrived.subarray(at) : Buffer.concat([this.#partial, arrived.subarray(at)])
      // The response of a TLS server to a client that does not use TLS (RFC 8446, section 6: an
      // alert).
      if (bytes[0] === 0x15 && bytes[1] === 0x03) throw fault('SPEAKS_TLS')
      const end = bytes.indexOf('\r\n\r\n', 0, 'latin1')
      if (end > headBytesMax || (end < 0 && bytes.length > headBytesMax))
        throw new AnswerFault('the head of the response is too long')
      if (end < 0) {
        const now = this.#options.clock.monotonicMs()
        if (this.#headSinceMs === 0) this.#headSinceMs = now
        else if (now - this.#headSinceMs > this.#options.silenceMaxMs) throw fault('HEADERS_TIMEOUT')
        this.#partial = Buffer.from(bytes)
        return
      }
      at += end + 4 - (this.#partial?.length ?? 0)
      this.#partial = undefined
      const head = parseHead(bytes.toString('latin1', 0, end), request.isHead)
      if (head.status === 101) throw new AnswerFault('the server switches to another protocol')
      if (head.status >= 200) this.#begin(request, head)
    }
    if (this.#request === request) this.#takeBody(request, arrived.subarray(at))
  }

  #begin(request: ConnectionRequest, head: AnswerHead): void {
    this.#head = head
    this.#left = typeof head.body === 'number' ? head.body : head.body === 'close' ? Number.POSITIVE_INFINITY : 0
    this.#chunked = head.body === 'chunked' ? new ChunkedBody() : undefined
    this.#rate.begin(this.#options.clock.monotonicMs())
    request.handler.head(head.status, head.headers)
  }

  #takeBody(request: ConnectionRequest, bytes: Buffer): void {
    const chunked = this.#chunked
    let used: number
    if (chunked === undefined) {
      used = Math.min(bytes.length, this.#left)
      this.#left -= used
      this.#copy(request, bytes.subarray(0, used))
    } else used = chunked.feed(bytes, (part) => this.#copy(request, part))
    // Unrequested bytes after the response close the connection. The response stays valid.
    if (this.#request === request && (chunked === undefined ? this.#left === 0 : chunked.done))
      this.#complete(used === bytes.length)
    else this.#count(used)
  }

  #copy(request: ConnectionRequest, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.#request === request;) {
      const space = request.handler.space()
      const part = at === 0 && bytes.length <= space.length ? bytes : bytes.subarray(at, at + space.length)
      space.set(part)
      at += part.length
      if (!request.handler.filled(part.length)) this.#pause()
    }
  }

  #complete(clean: boolean): void {
    const request = this.#request
    this.#request = undefined
    this.#left = 0
    this.#chunked = undefined
    this.#paused = false
    this.#endWatch()
    if (clean && this.#head?.keep === true) this.#becomeFree()
    else this.close(closedError())
    request?.handler.end()
  }
}

type FaultCode =
  | 'CONNECT_TIMEOUT'
  | 'HEADERS_TIMEOUT'
  | 'BODY_TIMEOUT'
  | 'BODY_TOO_SLOW'
  | 'CONNECTION_CUT'
  | 'SPEAKS_TLS'

/** Codes are explained in connection-errors.ts. */
function fault(code: FaultCode): Error {
  return Object.assign(new Error(code), { code })
}

export function closedError(): SkeinError {
  return new SkeinError('cancelled', 'the store was closed')
}
