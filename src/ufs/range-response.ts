// Why: a range is only data when every sign says so: status 206, the Content-Range that was asked for, the wanted ETag,
// and exactly as many bytes. How: a handler of one GET (http-get.ts) that checks the head, counts the body, and lets it be
// read into its sink's own bytes; an error answer is read (a little of it) to know its code and to free the connection.
import { abortReason } from '../base/clock.ts'
import { type SkeinError } from '../base/errors.ts'
import { answerError, badAnswerError, connectionError, errorCodeOf, type StoreAddress } from './s3-errors.ts'
import type { AnswerHandler, PendingGet } from './http-get.ts'
import { AnswerFault, type AnswerHeaders } from './http-head.ts'
import type { ReadRequest } from './under-file-system.ts'

/** Receives one range. Exactly one of `end` and `fail` is called, once. */
export interface RangeSink {
  /** Where the next bytes go, at least one; never asked for more bytes in all than the range has. */
  space(): Uint8Array
  /** So many bytes were put there. False: no more for now. */
  filled(bytes: number): boolean
  end(): void
  fail(error: SkeinError): void
}

export interface RangeContext {
  readonly address: StoreAddress
  readonly signal: AbortSignal
  /** Body bytes as they come, wanted or not. */
  readonly onBytes: (bytes: number) => void
  /** The store's clock as its answer says, when a request was refused for its time. */
  readonly onClockSkew: (storeMs: number) => void
}

const errorBodyBytesMax = 16 * 1024

/** Handles the answer to one range GET. */
export class RangeResponse implements AnswerHandler {
  readonly #request: ReadRequest
  readonly #sink: RangeSink
  readonly #context: RangeContext
  readonly #onAbort: () => void
  #get: PendingGet | undefined
  #settled = false
  #received = 0
  /** Status of an answer that is no data; 0 while it is. */
  #errorStatus = 0
  #errorBody = Buffer.alloc(0)
  #errorBytes = 0
  #problem: string | undefined
  #dateMs = Number.NaN

  constructor(request: ReadRequest, sink: RangeSink, context: RangeContext) {
    this.#request = request
    this.#sink = sink
    this.#context = context
    this.#onAbort = () => this.stop(abortReason(context.signal))
    context.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** The request that this handles the answer to. */
  sent(get: PendingGet): void {
    if (this.#settled) get.abort()
    else this.#get = get
  }

  /** After `filled` of the sink was false. */
  resume(): void {
    this.#get?.resume()
  }

  /** Ends the request now; the connection is dropped if its answer is under way. */
  stop(error: SkeinError): void {
    if (this.#settled) return
    this.#get?.abort()
    this.#fail(error)
  }

  head(status: number, headers: AnswerHeaders): void {
    if (status === 206 || status === 200) {
      this.#problem = this.#headProblem(status, headers)
      if (this.#problem === undefined) return
    }
    this.#errorStatus = status
    this.#errorBody = Buffer.allocUnsafe(errorBodyBytesMax)
    this.#dateMs = Date.parse(headers.get('date') ?? '')
  }

  space(): Uint8Array {
    if (this.#errorStatus !== 0) return this.#errorBody.subarray(this.#errorBytes)
    // A body without a length may be longer than the range.
    if (this.#received >= this.#request.length) throw new AnswerFault(`more bytes came than the ${this.#request.length} asked for`)
    return this.#sink.space()
  }

  filled(bytes: number): boolean {
    this.#context.onBytes(bytes)
    if (this.#errorStatus !== 0) {
      this.#errorBytes += bytes
      if (this.#errorBytes === errorBodyBytesMax) this.stop(this.#answerError())
      return true
    }
    this.#received += bytes
    return this.#sink.filled(bytes)
  }

  end(): void {
    if (this.#errorStatus !== 0) this.#fail(this.#answerError())
    else if (this.#received !== this.#request.length)
      this.#fail(this.#bad(`${this.#received} bytes came instead of ${this.#request.length}`))
    else if (this.#settle()) this.#sink.end()
  }

  fail(error: Error): void {
    this.#fail(error instanceof AnswerFault ? this.#bad(error.message) : connectionError(this.#context.address, this.#what(), error))
  }

  /** Why a 200 or 206 is not the range of the version that was asked for; undefined when it is. */
  #headProblem(status: number, headers: AnswerHeaders): string | undefined {
    const { offset, length, etag } = this.#request
    const given = headers.get('etag')
    if (given !== undefined && bareEtag(given) !== etag) return `ETag ${safe(given)} came instead of ${safe(etag)}`
    if (status === 200) {
      // A store may ignore the range when it is the whole object; then the head must prove that it is the object.
      const whole = offset === 0 && headers.get('content-length') === String(length) && given !== undefined
      return whole ? undefined : 'the answer is not the range that was asked for'
    }
    const range = headers.get('content-range')
    const wanted = `bytes ${offset}-${offset + length - 1}/`
    if (range === undefined || !range.startsWith(wanted)) return `Content-Range ${safe(String(range))} came instead of ${wanted}`
    const announced = headers.get('content-length')
    if (announced !== undefined && announced !== String(length)) return `${safe(announced)} bytes announced instead of ${length}`
    return undefined
  }

  #answerError(): SkeinError {
    const code = errorCodeOf(this.#errorBody.toString('latin1', 0, this.#errorBytes))
    if (code === 'RequestTimeTooSkewed' && Number.isFinite(this.#dateMs)) this.#context.onClockSkew(this.#dateMs)
    if (this.#problem !== undefined && code === undefined) return this.#bad(this.#problem)
    return answerError(this.#context.address, this.#what(), this.#errorStatus, code)
  }

  #bad(problem: string): SkeinError {
    return badAnswerError(this.#context.address, this.#what(), problem)
  }

  #what(): string {
    return requestName('GET', this.#request.key)
  }

  #fail(error: SkeinError): void {
    if (this.#settle()) this.#sink.fail(error)
  }

  #settle(): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#context.signal.removeEventListener('abort', this.#onAbort)
    return true
  }
}

/** A request's name in messages: the key quoted, on one line, cut. */
export function requestName(verb: string, key: string): string {
  return `${verb} ${JSON.stringify(key.length > 200 ? `${key.slice(0, 200)}...` : key)}`
}

/** An ETag as the house writes it: without quotes. */
export function bareEtag(text: string): string {
  return text.replace(/^"|"$/g, '')
}

function safe(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
