// Why: requests to one host share its connections. How: HTTP/1.1 only, one request per connection
// at a time (http-connection.ts); further requests wait in line. Through a proxy, http requests
// name the full URL (RFC 9112 3.2.2).
import type { Clock } from '../../base/clock.ts'
import { requestText } from './http-head.ts'
import { ReadTurns } from '../read-turns.ts'
import {
  type AnswerHandler,
  closedError,
  type ConnectionOptions,
  type ConnectionRequest,
  HttpConnection,
} from './http-connection.ts'

export interface HttpPoolOptions extends ConnectionOptions {
  /** Maximum connections. Further requests wait in line. */
  readonly connectionsMax: number
  /**
   * Bytes to read in one turn of the event loop. Undefined: all that has arrived (read-turns.ts).
   */
  readonly turnBytes?: number | undefined
  readonly clock: Pick<Clock, 'monotonicMs' | 'schedule'>
  /** Called once before the first connection. An error refuses all requests. */
  readonly admission?: (() => Promise<Error | undefined>) | undefined
}

/** A request that is waiting or in flight. */
export interface PendingRequest {
  /** Continues after `filled` returned false. */
  resume(): void
  /**
   * Cancels the request: the handler is not called again. If the request was already sent, its
   * connection is closed.
   */
  abort(): void
}

export type HttpMethod = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'

const scratchBytes = 64 * 1024

export class HttpPool {
  readonly #options: HttpPoolOptions
  readonly #scratch = Buffer.allocUnsafeSlow(scratchBytes)
  readonly #turns: ReadTurns
  readonly #connections = new Set<HttpConnection>()
  // The connection that was used last is used first: the server is least likely to have closed it.
  readonly #idle: HttpConnection[] = []
  readonly #waiting = new Set<Sending>()
  /** The text before each path, and a header of each request. */
  readonly #target: string
  readonly #proxyHeaders: readonly string[]
  #connecting = 0
  #closed = false
  #admitted: 'yes' | 'asking' | 'unknown'

  constructor(options: HttpPoolOptions) {
    this.#options = options
    this.#turns = new ReadTurns(options.turnBytes)
    const { proxy, origin } = options
    const isForwarded = proxy !== undefined && origin.protocol === 'http:'
    this.#target = isForwarded ? `http://${origin.host}` : ''
    this.#proxyHeaders =
      isForwarded && proxy.authorization !== undefined ? ['proxy-authorization', proxy.authorization.reveal()] : []
    this.#admitted = options.admission === undefined ? 'yes' : 'unknown'
  }

  /** Whether no request is waiting or in flight. */
  get isIdle(): boolean {
    return this.#waiting.size === 0 && this.#idle.length === this.#connections.size
  }

  /**
   * Sends a GET. In `headers`, names and values alternate.
   * @throws SkeinError when a header cannot be sent unchanged
   */
  get(path: string, headers: readonly string[], handler: AnswerHandler): PendingRequest {
    return this.send('GET', path, headers, undefined, handler)
  }

  /**
   * Sends a request. A request with a body must have its length among the headers.
   * @throws SkeinError when a header cannot be sent unchanged
   */
  send(
    method: HttpMethod,
    path: string,
    headers: readonly string[],
    body: Uint8Array | undefined,
    handler: AnswerHandler,
  ): PendingRequest {
    const text = requestText(
      this.#target + path,
      this.#proxyHeaders.length === 0 ? headers : [...headers, ...this.#proxyHeaders],
      method,
    )
    const sending = new Sending(text, body, method === 'HEAD', handler, () => this.#waiting.delete(sending))
    if (this.#closed) throw closedError()
    const connection = this.#takeIdle()
    if (connection !== undefined) {
      sending.connection = connection
      connection.send(sending)
    } else {
      this.#waiting.add(sending)
      this.#connectMore()
    }
    return sending
  }

  /** Closes all connections. Requests in flight fail. */
  close(): void {
    this.#closed = true
    const error = closedError()
    for (const sending of [...this.#waiting]) this.#failWaiting(sending, error)
    for (const connection of [...this.#connections]) connection.close(error)
  }

  #takeIdle(): HttpConnection | undefined {
    const now = this.#options.clock.monotonicMs()
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (now < connection.usableUntilMs) return connection
      connection.close(closedError())
    }
    return undefined
  }

  #connectMore(): void {
    if (this.#admitted !== 'yes') {
      if (this.#admitted === 'unknown') void this.#ask()
      return
    }
    while (
      !this.#closed &&
      this.#waiting.size > this.#connecting &&
      this.#connections.size < this.#options.connectionsMax
    ) {
      this.#connecting += 1
      let connecting = true
      const connected = (): void => {
        if (connecting) this.#connecting -= 1
        connecting = false
      }
      const connection: HttpConnection = new HttpConnection(this.#options, this.#scratch, this.#turns, {
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

  async #ask(): Promise<void> {
    this.#admitted = 'asking'
    const refusal = await this.#options.admission?.()
    this.#admitted = refusal === undefined ? 'yes' : 'unknown'
    if (refusal === undefined) this.#connectMore()
    else for (const sending of [...this.#waiting]) this.#failWaiting(sending, refusal)
  }

  #give(connection: HttpConnection): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#idle.push(connection)
      return
    }
    this.#waiting.delete(next)
    next.connection = connection
    connection.send(next)
  }

  #failWaiting(sending: Sending, error: Error): void {
    this.#waiting.delete(sending)
    sending.handler.fail(error)
  }
}

class Sending implements PendingRequest, ConnectionRequest {
  readonly text: string
  readonly body: Uint8Array | undefined
  readonly isHead: boolean
  readonly handler: AnswerHandler
  readonly #leaveLine: () => void
  connection: HttpConnection | undefined

  constructor(
    text: string,
    body: Uint8Array | undefined,
    isHead: boolean,
    handler: AnswerHandler,
    leaveLine: () => void,
  ) {
    this.text = text
    this.body = body
    this.isHead = isHead
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
