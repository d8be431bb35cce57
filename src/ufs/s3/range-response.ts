// Why: a response is accepted as data only if every check passes. How: the handler of one GET
// (transport/http-pool.ts). It has the head checked (trust/range-answer.ts), counts the body, and
// reads it directly into the buffers of its sink. Of an error response it reads a limited part, to
// get the error code and to free the connection.
import { abortReason } from '../../base/clock.ts'
import { type SkeinError } from '../../base/errors.ts'
import { connectionError } from '../trust/connection-errors.ts'
import {
  answerError,
  badAnswerError,
  errorCodeOf,
  otherVersionError,
  plainToTlsError,
  requestName,
  type StoreAddress,
  unprovenError,
} from '../trust/s3-errors.ts'
import { AnswerFault, type AnswerHeaders } from '../transport/http-head.ts'
import type { AnswerHandler } from '../transport/http-connection.ts'
import type { PendingRequest } from '../transport/http-pool.ts'
import { isRedirect } from '../transport/redirects.ts'
import { encodingHint, type RangeProblem } from '../trust/range-answer.ts'
import { metadataIn } from '../trust/metadata-answer.ts'
import type { TrustRules } from '../trust/rules.ts'
import type { ReadRequest } from '../under-file-system.ts'

/** Receives one range. Exactly one of `end` and `fail` is called, once. */
export interface RangeSink {
  /**
   * The buffer for the next bytes, at least one byte long. Never asked for more bytes in total than
   * the range has.
   */
  space(): Uint8Array
  /** Reports that this many bytes were written. Returns false to pause. */
  filled(bytes: number): boolean
  end(): void
  fail(error: SkeinError): void
}

export interface RangeContext {
  readonly address: StoreAddress
  readonly rules: Pick<TrustRules, 'rangeProblem'>
  readonly signal: AbortSignal
  /** Called for all body bytes that arrive, wanted or not. */
  readonly onBytes: (bytes: number) => void
  /** Called when a response begins whose bytes are those that were requested. */
  readonly onData: () => void
  /** Called for each error response, with its code and its Date header. */
  readonly onRefusal: (code: string | undefined, date: string | undefined) => void
}

const errorBodyBytesMax = 16 * 1024

/** Handles the response to one range GET. */
export class RangeResponse implements AnswerHandler {
  readonly #request: ReadRequest
  readonly #sink: RangeSink
  readonly #context: RangeContext
  readonly #onAbort: () => void
  #get: PendingRequest | undefined
  #settled = false
  #received = 0
  /** The status of an error response; 0 for data. */
  #errorStatus = 0
  #errorBody = Buffer.alloc(0)
  #errorBytes = 0
  #problem: RangeProblem | undefined
  #encodingHint = ''
  #date: string | undefined
  /** The status and Location of a redirect. */
  redirect: { readonly status: number; readonly location: string } | undefined

  constructor(request: ReadRequest, sink: RangeSink, context: RangeContext) {
    this.#request = request
    this.#sink = sink
    this.#context = context
    this.#onAbort = () => this.stop(abortReason(context.signal))
    context.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Sets the request that this handler belongs to. */
  sent(get: PendingRequest): void {
    if (this.#settled) get.abort()
    else this.#get = get
  }

  /** Continues after the sink's `filled` returned false. */
  resume(): void {
    this.#get?.resume()
  }

  /** Ends the request. Closes the connection if a response is in progress. */
  stop(error: SkeinError): void {
    if (this.#settled) return
    this.#get?.abort()
    this.#fail(error)
  }

  head(status: number, headers: AnswerHeaders): void {
    if (status === 206 || status === 200) {
      this.#problem = this.#context.rules.rangeProblem(this.#request, status, headers)
      if (headers.has('content-encoding')) this.#encodingHint = encodingHint(headers)
      if (this.#problem === undefined) {
        this.#context.onData()
        this.#request.onMetadata?.(metadataIn(headers))
        return
      }
    }
    this.#errorStatus = status
    this.#errorBody = Buffer.allocUnsafe(errorBodyBytesMax)
    this.#date = headers.get('date')
    const location = headers.get('location')
    if (location !== undefined && isRedirect(status)) this.redirect = { status, location }
  }

  space(): Uint8Array {
    if (this.#errorStatus !== 0) return this.#errorBody.subarray(this.#errorBytes)
    // A body without a length may be longer than the range.
    if (this.#received >= this.#request.length)
      throw new AnswerFault(`the body has more than the requested ${this.#request.length} bytes`)
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
      this.#fail(this.#bad(`the body has ${this.#received} bytes instead of ${this.#request.length}`))
    else if (this.#settle()) this.#sink.end()
  }

  fail(error: Error): void {
    this.#fail(
      error instanceof AnswerFault
        ? this.#bad(error.message)
        : connectionError(this.#context.address, this.#what(), error),
    )
  }

  #answerError(): SkeinError {
    const text = this.#errorBody.toString('latin1', 0, this.#errorBytes)
    const code = errorCodeOf(text)
    this.#context.onRefusal(code, this.#date)
    if (this.#problem !== undefined && code === undefined) return this.#problemError(this.#problem)
    const { address } = this.#context
    return (
      plainToTlsError(address, this.#what(), this.#errorStatus, text) ??
      answerError(address, this.#what(), this.#errorStatus, code)
    )
  }

  #problemError({ kind, text }: RangeProblem): SkeinError {
    const { address } = this.#context
    if (kind === 'damaged') return this.#bad(text)
    return kind === 'changed'
      ? otherVersionError(address, this.#what(), text)
      : unprovenError(address, this.#what(), text)
  }

  #bad(problem: string): SkeinError {
    return badAnswerError(this.#context.address, this.#what(), `${problem}${this.#encodingHint}`)
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
