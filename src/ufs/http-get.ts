// Why: general HTTP clients allocate a buffer for every 64 KiB that arrives and hand it through layers of streams; on the
// way of every byte of a load that costs more than the network does. How: GETs over HTTP/1.1 and nothing else. The kernel
// reads into the very bytes where the body belongs (`onread` of node:net and node:tls); only heads, and what of a body came
// with its head, pass through one buffer that all connections share. That is sound because a read and its callback are
// one synchronous step. One request at a time on a connection, heads by http-head.ts; after any fault the connection goes.
import { connect as connectPlain, isIP, type LookupFunction, type OnReadOpts, type Socket } from 'node:net'
import { connect as connectSecure } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'
import { AnswerFault, type AnswerHead, ChunkedBody, parseHead, requestText, type AnswerHeaders } from './http-head.ts'
import { ReadTurns } from './read-turns.ts'

export interface HttpGetOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: URL
  readonly lookup: LookupFunction
  /** Connections at most; further requests wait in line. */
  readonly connectionsMax: number
  readonly connectTimeoutMs: number
  /** The longest silence while an answer is owed, and the longest time a head may take. */
  readonly silenceMaxMs: number
  /** Connections that were not used for so long are not used again. */
  readonly idleMaxMs: number
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  /** Bytes to take in one turn of the event loop; none = all that has arrived (read-turns.ts). */
  readonly turnBytes?: number
  /** Further authorities for TLS, as PEM. For tests. */
  readonly ca?: string | undefined
}

/** Receives one answer. Exactly one of `end` and `fail` is called last, once, unless the request is aborted. */
export interface AnswerHandler {
  head(status: number, headers: AnswerHeaders): void
  /** Where the next bytes of the body go: at least one byte. Until `filled`, an abort or the end it belongs to the connection. */
  space(): Uint8Array
  /** So many bytes are now at the start of that space. False: nothing more for now, as far as possible, until `resume`. */
  filled(bytes: number): boolean
  end(): void
  /** @param error an AnswerFault, a SkeinError, or an Error with a `code` */
  fail(error: Error): void
}

/** A request on its way. */
export interface PendingGet {
  /** After a `filled` that said false. */
  resume(): void
  /** Forgets the request: the handler hears nothing more. Its connection is closed when it was sent already. */
  abort(): void
}

const scratchBytes = 64 * 1024
const headBytesMax = 64 * 1024
/** A server closes an idle connection when it says, and a request must not cross that on its way. */
const keepMarginMs = 1000

/** GETs to one host. */
export class HttpGetPool {
  readonly #options: HttpGetOptions
  readonly #scratch = Buffer.allocUnsafeSlow(scratchBytes)
  readonly #turns: ReadTurns
  readonly #connections = new Set<Connection>()
  // The one that was used last is used first: it is the least likely to have been closed by the server.
  readonly #idle: Connection[] = []
  readonly #waiting = new Set<Get>()
  #connecting = 0
  #closed = false

  constructor(options: HttpGetOptions) {
    this.#options = options
    this.#turns = new ReadTurns(options.turnBytes)
  }

  /** Sends a GET. `headers` are names and values in turn. @throws SkeinError when a header cannot be sent as it is */
  get(path: string, headers: readonly string[], handler: AnswerHandler): PendingGet {
    const get = new Get(requestText(path, headers), handler, () => this.#waiting.delete(get))
    if (this.#closed) throw closedError()
    const connection = this.#takeIdle()
    if (connection !== undefined) connection.send(get)
    else {
      this.#waiting.add(get)
      this.#connectMore()
    }
    return get
  }

  /** Closes all connections. Requests under way fail. */
  close(): void {
    this.#closed = true
    const error = closedError()
    for (const get of [...this.#waiting]) this.#failWaiting(get, error)
    for (const connection of [...this.#connections]) connection.close(error)
  }

  #takeIdle(): Connection | undefined {
    const now = this.#options.clock.monotonicMs()
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (now < connection.usableUntilMs) return connection
      connection.close(closedError())
    }
    return undefined
  }

  #connectMore(): void {
    while (!this.#closed && this.#waiting.size > this.#connecting && this.#connections.size < this.#options.connectionsMax) {
      this.#connecting += 1
      let connecting = true
      const connected = (): void => {
        if (connecting) this.#connecting -= 1
        connecting = false
      }
      const connection: Connection = new Connection(this.#options, this.#scratch, this.#turns, {
        free: () => {
          connected()
          this.#give(connection)
        },
        closed: (error) => {
          const [first] = this.#waiting
          if (connecting && first !== undefined) this.#failWaiting(first, error)
          connected()
          this.#connections.delete(connection)
          const index = this.#idle.indexOf(connection)
          if (index >= 0) this.#idle.splice(index, 1)
          this.#connectMore()
        },
      })
      this.#connections.add(connection)
    }
  }

  #give(connection: Connection): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#idle.push(connection)
      return
    }
    this.#waiting.delete(next)
    connection.send(next)
  }

  #failWaiting(get: Get, error: Error): void {
    this.#waiting.delete(get)
    get.handler.fail(error)
  }
}

class Get implements PendingGet {
  readonly text: string
  readonly handler: AnswerHandler
  readonly #leaveLine: () => void
  connection: Connection | undefined

  constructor(text: string, handler: AnswerHandler, leaveLine: () => void) {
    this.text = text
    this.handler = handler
    this.#leaveLine = leaveLine
  }

  resume(): void {
    this.connection?.resume(this)
  }

  abort(): void {
    this.#leaveLine()
    this.connection?.abort(this)
  }
}

interface ConnectionEvents {
  /** Connected, or done with an answer. */
  free(): void
  closed(error: Error): void
}

class Connection {
  readonly #options: HttpGetOptions
  readonly #scratch: Buffer
  readonly #turns: ReadTurns
  readonly #events: ConnectionEvents
  readonly #socket: Socket
  readonly #endConnecting: () => void
  #get: Get | undefined
  #head: AnswerHead | undefined
  /** The beginning of a head that has not come to its end. */
  #partial: Buffer | undefined
  #chunked: ChunkedBody | undefined
  #left = 0
  /** Whether the socket reads into the handler's space now, rather than into the shared buffer. */
  #direct = false
  #paused = false
  /** Held back until the next turn, whoever reads. */
  #held = false
  #reads = 0
  #endWatch: () => void = () => undefined
  #sentMs = 0
  #closed = false
  usableUntilMs = Number.POSITIVE_INFINITY

  constructor(options: HttpGetOptions, scratch: Buffer, turns: ReadTurns, events: ConnectionEvents) {
    this.#options = options
    this.#scratch = scratch
    this.#turns = turns
    this.#events = events
    const onread: OnReadOpts = { buffer: () => this.#nextBuffer(), callback: (bytes) => this.#onRead(bytes) }
    const socket = openSocket(options, onread, () => {
      this.#endConnecting()
      if (!this.#closed) this.#becomeFree()
    })
    this.#socket = socket
    this.#endConnecting = options.clock.schedule(options.connectTimeoutMs, () => this.close(fault('CONNECT_TIMEOUT')))
    socket.on('timeout', () => this.#onSilence())
    socket.on('error', (error) => this.close(error))
    socket.on('end', () => this.#onEnd())
    socket.on('close', () => this.close(fault('CONNECTION_CUT')))
  }

  send(get: Get): void {
    this.#get = get
    get.connection = this
    this.#head = undefined
    this.#sentMs = this.#options.clock.monotonicMs()
    this.#socket.ref()
    this.#socket.write(get.text, 'latin1')
  }

  resume(get: Get): void {
    if (this.#get !== get || !this.#paused) return
    this.#paused = false
    if (!this.#held) this.#socket.resume()
    this.#watch()
  }

  abort(get: Get): void {
    if (this.#get !== get) return
    this.#get = undefined
    this.close(closedError())
  }

  close(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#endConnecting()
    this.#endWatch()
    this.#socket.destroy()
    const get = this.#get
    this.#get = undefined
    this.#events.closed(error)
    get?.handler.fail(error)
  }

  #becomeFree(): void {
    this.#socket.unref()
    this.usableUntilMs =
      this.#options.clock.monotonicMs() + Math.min(this.#options.idleMaxMs, (this.#head?.keepMaxMs ?? Infinity) - keepMarginMs)
    this.#events.free()
  }

  #onSilence(): void {
    // A connection that is held back by its reader is not silent by its own fault; it is watched again once it goes on.
    // Connecting has a limit of its own.
    if (!this.#paused && !this.#socket.connecting) this.close(fault(this.#head === undefined ? 'HEADERS_TIMEOUT' : 'BODY_TIMEOUT'))
  }

  /** The socket's own timer may have run out while it was held back, and begins anew only with the next byte: this looks out for that one. */
  #watch(): void {
    this.#endWatch()
    const before = this.#reads
    this.#endWatch = this.#options.clock.schedule(this.#options.silenceMaxMs, () => {
      if (this.#reads === before) this.#onSilence()
    })
  }

  #onEnd(): void {
    if (this.#get !== undefined && this.#head?.body === 'close') this.#complete(false)
    else this.close(fault('CONNECTION_CUT'))
  }

  #nextBuffer(): Uint8Array {
    const get = this.#get
    this.#direct = get !== undefined && !this.#paused && this.#left > 0 && this.#chunked === undefined
    if (get === undefined || !this.#direct) return this.#scratch
    const space = get.handler.space()
    const most = Math.min(this.#left, this.#turns.readBytesMax)
    return space.length > most ? space.subarray(0, most) : space
  }

  /** Whether to go on reading. */
  #onRead(bytes: number): boolean {
    this.#reads += 1
    if (!this.#turns.spend(bytes) && !this.#held) {
      this.#held = true
      this.#turns.next(this.#goOn)
    }
    try {
      const get = this.#get
      if (get === undefined) throw new AnswerFault('the server speaks out of turn')
      if (this.#direct) {
        this.#left -= bytes
        if (!get.handler.filled(bytes)) this.#paused = true
        if (this.#left === 0 && this.#get === get) this.#complete(true)
      } else this.#take(get, this.#scratch.subarray(0, bytes))
    } catch (thrown) {
      this.close(thrown instanceof Error ? thrown : new AnswerFault('the answer could not be taken'))
    }
    return !this.#paused && !this.#closed && !this.#held
  }

  readonly #goOn = (): void => {
    this.#held = false
    if (!this.#paused && !this.#closed) this.#socket.resume()
  }

  #take(get: Get, arrived: Buffer): void {
    let at = 0
    while (this.#head === undefined) {
      const bytes: Buffer = this.#partial === undefined ? arrived.subarray(at) : Buffer.concat([this.#partial, arrived.subarray(at)])
      const end = bytes.indexOf('\r\n\r\n', 0, 'latin1')
      if (end > headBytesMax || (end < 0 && bytes.length > headBytesMax)) throw new AnswerFault('the head of the answer is too long')
      if (end < 0) {
        if (this.#options.clock.monotonicMs() - this.#sentMs > this.#options.silenceMaxMs) throw fault('HEADERS_TIMEOUT')
        this.#partial = Buffer.from(bytes)
        return
      }
      at += end + 4 - (this.#partial?.length ?? 0)
      this.#partial = undefined
      const head = parseHead(bytes.toString('latin1', 0, end))
      if (head.status === 101) throw new AnswerFault('the server wants another protocol')
      if (head.status >= 200) this.#begin(get, head)
    }
    if (this.#get === get) this.#takeBody(get, arrived.subarray(at))
  }

  #begin(get: Get, head: AnswerHead): void {
    this.#head = head
    this.#left = typeof head.body === 'number' ? head.body : head.body === 'close' ? Number.POSITIVE_INFINITY : 0
    this.#chunked = head.body === 'chunked' ? new ChunkedBody() : undefined
    get.handler.head(head.status, head.headers)
  }

  #takeBody(get: Get, bytes: Buffer): void {
    const chunked = this.#chunked
    let used: number
    if (chunked === undefined) {
      used = Math.min(bytes.length, this.#left)
      this.#left -= used
      this.#copy(get, bytes.subarray(0, used))
    } else used = chunked.feed(bytes, (part) => this.#copy(get, part))
    // What comes behind an answer that nobody asked for ends the connection, not the answer.
    if (this.#get === get && (chunked === undefined ? this.#left === 0 : chunked.done)) this.#complete(used === bytes.length)
  }

  #copy(get: Get, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length && this.#get === get;) {
      const space = get.handler.space()
      const part = at === 0 && bytes.length <= space.length ? bytes : bytes.subarray(at, at + space.length)
      space.set(part)
      at += part.length
      if (!get.handler.filled(part.length)) this.#paused = true
    }
  }

  #complete(clean: boolean): void {
    const get = this.#get
    this.#get = undefined
    this.#left = 0
    this.#chunked = undefined
    this.#paused = false
    this.#endWatch()
    if (clean && this.#head?.keep === true) this.#becomeFree()
    else this.close(closedError())
    get?.handler.end()
  }
}

function openSocket(options: HttpGetOptions, onread: OnReadOpts, connected: () => void): Socket {
  const { origin, lookup, ca } = options
  const host = origin.hostname.replace(/^\[|\]$/g, '')
  const secure = origin.protocol === 'https:'
  const common = {
    host,
    port: origin.port === '' ? (secure ? 443 : 80) : Number(origin.port),
    lookup,
    noDelay: true,
    timeout: options.silenceMaxMs,
    keepAlive: true,
    onread,
  }
  if (!secure) return connectPlain(common, connected)
  // Certificates are checked against the host name; an address is checked as one, and has no SNI.
  const servername = isIP(host) === 0 ? host : ''
  return connectSecure({ ...common, servername, ALPNProtocols: ['http/1.1'], ...(ca === undefined ? {} : { ca }) }, connected)
}

/** Codes are explained in s3-errors.ts. */
function fault(code: 'CONNECT_TIMEOUT' | 'HEADERS_TIMEOUT' | 'BODY_TIMEOUT' | 'CONNECTION_CUT'): Error {
  return Object.assign(new Error(code), { code })
}

function closedError(): SkeinError {
  return new SkeinError('cancelled', 'the store was closed')
}
