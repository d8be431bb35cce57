// Why: one request of the data client. Every failure becomes one SkeinError: connection refused or
// dropped, silent peer, early refusal, the caller's signal. How: events only wake the one waiter
// (`#until`), which then checks the state, so no event is missed and no promise is left unhandled.
import type { ClientRequest, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { abortReason, type Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { exactBody, readWhole } from './http-body.ts'
import { IdleWatch } from './idle-watch.ts'
import { errorFromText } from '../status.ts'

export interface ExchangeOptions {
  /** For messages: `worker at host:port`. */
  readonly peer: string
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly connectMs: number
  readonly idleMs: number
}

const errorBodyBytesMax = 64 * 1024

/** One request and its response. The creator must call `release` or `destroy` at the end. */
export class HttpExchange {
  readonly #request: ClientRequest
  readonly #options: ExchangeOptions
  readonly #watch: IdleWatch
  readonly #onAbort = (): void => this.destroy(abortReason(this.#options.signal))
  #cancelConnect = (): void => undefined
  #waiting = false
  #response: IncomingMessage | undefined
  #failure: SkeinError | undefined
  #continued = false
  #stale = false
  #wake: (() => void) | undefined

  constructor(request: ClientRequest, options: ExchangeOptions) {
    this.#request = request
    this.#options = options
    const { peer, clock, idleMs, signal } = options
    this.#watch = new IdleWatch(clock, idleMs, () =>
      this.destroy(
        new SkeinError('deadline_exceeded', `the ${peer} made no progress for ${idleMs} ms`, { reason: 'stalled' }),
      ),
    )
    this.#listen()
    signal.addEventListener('abort', this.#onAbort, { once: true })
    if (signal.aborted) this.#onAbort()
  }

  /**
   * Whether it failed because a keep-alive connection was closed before it was sent. Nothing was
   * executed, so the caller should repeat it.
   */
  get stale(): boolean {
    return this.#stale
  }

  #listen(): void {
    const request = this.#request
    request.on('socket', (socket) => {
      if (socket.connecting) this.#limitConnecting(socket)
      if (this.#waiting) this.#watch.begin()
    })
    request.on('continue', () => {
      this.#continued = true
      this.#wake?.()
    })
    request.on('drain', () => this.#wake?.())
    request.on('response', (response) => {
      this.#response = response
      // Errors of the body are reported where it is read.
      response.on('error', () => undefined)
      this.#wake?.()
    })
    request.on('error', (error: NodeJS.ErrnoException) => {
      this.#stale ||=
        this.#failure === undefined && request.reusedSocket && !this.#continued && this.#response === undefined
      this.#fail(this.#connectionError(error))
    })
    request.on('close', () =>
      this.#fail(
        new SkeinError('unavailable', `the ${this.#options.peer} closed the connection`, { reason: 'connection_lost' }),
      ),
    )
  }

  #limitConnecting(socket: Socket): void {
    const { clock, connectMs, peer } = this.#options
    this.#cancelConnect = clock.schedule(connectMs, () => {
      if (!socket.connecting) return
      this.destroy(
        new SkeinError('unavailable', `cannot reach the ${peer} (no connection within ${connectMs} ms)`, {
          reason: 'unreachable',
        }),
      )
    })
  }

  #connectionError(error: NodeJS.ErrnoException): SkeinError {
    const { peer } = this.#options
    const code = error.code ?? error.message
    const lost = code === 'ECONNRESET' || code === 'EPIPE'
    const message = lost ? `lost the connection to the ${peer} (${code})` : `cannot reach the ${peer} (${code})`
    return new SkeinError('unavailable', message, { reason: lost ? 'connection_lost' : 'unreachable', cause: error })
  }

  #fail(error: SkeinError): void {
    this.#failure ??= error
    this.#wake?.()
  }

  async #until(condition: () => boolean): Promise<void> {
    // While the request waits for a connection, the worker is not slow.
    this.#waiting = true
    if (this.#hasSocket()) this.#watch.begin()
    while (!condition() && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#waiting = false
    this.#watch.end()
    // A response that arrived before the connection broke is more useful than the connection error.
    if (this.#response === undefined && this.#failure !== undefined) throw this.#failure
  }

  #hasSocket(): boolean {
    const socket: Socket | null = this.#request.socket
    return socket !== null
  }

  /**
   * Waits for `100 Continue`, or for an early success (of an empty body).
   * @throws the error that the server returned instead
   */
  async continued(): Promise<void> {
    await this.#until(() => this.#continued || this.#response !== undefined)
    if (!this.#continued && this.#response !== undefined && !isSuccess(this.#response))
      throw await this.#refusal(this.#response)
  }

  /**
   * Writes a chunk. Resolves when the connection accepts more data. The chunk must not be changed
   * until `sent` is called, when the system has its bytes.
   * @throws an early error response of the server
   */
  async write(chunk: Uint8Array, sent: () => void = () => undefined): Promise<void> {
    const onWritten = (error: Error | null | undefined): void => {
      if (error === null || error === undefined) sent()
    }
    if (this.#response === undefined && this.#failure === undefined && this.#request.write(chunk, onWritten)) return
    await this.#until(() => !this.#request.writableNeedDrain || this.#response !== undefined)
    if (this.#response !== undefined) throw await this.#refusal(this.#response)
  }

  /**
   * Ends the request and waits for the response. @param trailers only behind a chunked body
   * @throws the error that the server returned
   */
  async answer(last?: Uint8Array, trailers?: Readonly<Record<string, string>>): Promise<IncomingMessage> {
    if (this.#failure === undefined) {
      if (trailers !== undefined) this.#request.addTrailers(trailers)
      this.#request.end(last)
    }
    await this.#until(() => this.#response !== undefined)
    const response = this.#response
    if (response === undefined)
      throw this.#failure ?? new SkeinError('internal', 'an exchange ended without a response')
    if (!isSuccess(response)) throw await this.#refusal(response)
    return response
  }

  /** Exactly `length` bytes of the response's body. */
  async *body(response: IncomingMessage, length: number): AsyncGenerator<Uint8Array> {
    try {
      yield* exactBody(response, length, this.#watch, () => undefined)
    } catch (thrown) {
      throw this.#bodyFailure(thrown)
    }
  }

  /** The body of the response as text. */
  async text(response: IncomingMessage, bytesMax: number): Promise<string> {
    const length = Number(response.headers['content-length'] ?? Number.NaN)
    if (!(length <= bytesMax))
      throw new SkeinError('internal', `the ${this.#options.peer} sent a response of ${length} bytes`)
    try {
      return (await readWhole(response, length, this.#watch)).toString()
    } catch (thrown) {
      throw this.#bodyFailure(thrown)
    }
  }

  // Our own reason to stop has precedence over the error of the broken stream.
  #bodyFailure(thrown: unknown): unknown {
    return this.#failure !== undefined && this.#failure.code !== 'unavailable' ? this.#failure : thrown
  }

  async #refusal(response: IncomingMessage): Promise<SkeinError> {
    const text = await this.text(response, errorBodyBytesMax).catch(() => '')
    const error = errorFromText(text)
    if (!this.#request.writableEnded) this.destroy(error ?? new SkeinError('cancelled', 'the request was refused'))
    if (error !== undefined) return error
    if (this.#options.signal.aborted) return abortReason(this.#options.signal)
    const status = response.statusCode ?? 0
    return new SkeinError(
      status >= 500 ? 'unavailable' : 'internal',
      `the ${this.#options.peer} answered with HTTP status ${status}`,
    )
  }

  /** The response was read to its end: the connection may serve the next request. */
  release(): void {
    this.#cancelConnect()
    this.#watch.stop()
    this.#options.signal.removeEventListener('abort', this.#onAbort)
  }

  /** Drops the connection. A waiting caller gets `error`. */
  destroy(error: SkeinError): void {
    this.release()
    this.#fail(error)
    this.#request.destroy()
  }
}

function isSuccess(response: IncomingMessage): boolean {
  return response.statusCode === 200 || response.statusCode === 206
}
