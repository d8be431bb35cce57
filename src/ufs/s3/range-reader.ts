// Why: the hot path of every load: one small object in one request, or a stream of ranges. How:
// lean SigV4 (request/sigv4.ts) and GETs without intermediate streams (transport/http-pool.ts). The
// bytes are read directly into the buffers that the caller receives: one exact buffer for a small
// object, large pieces for a stream. Back-pressure pauses the connection. A retry continues after
// the last byte received.
import { type Clock, type Random, throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { waited } from '../../base/flow/lent-share.ts'
import { backoffMs, type RetryPolicy } from '../../base/flow/retry.ts'
import { StreamSink, WholeSink } from './range-sinks.ts'
import { type RangeContext, RangeResponse, type RangeSink } from './range-response.ts'
import { finalAnswerError, isBadAnswer, requestName, type StoreAddress } from '../trust/s3-errors.ts'
import type { SlowDownGate } from './request/slow-down-gate.ts'
import type { StorePlace, StoreRequests } from './request/store-requests.ts'
import type { TrustRules } from '../trust/rules.ts'
import type { ReadRequest } from '../under-file-system.ts'

interface RangeReaderOptions {
  readonly address: StoreAddress
  readonly requests: StoreRequests
  readonly rules: Pick<TrustRules, 'rangeProblem'>
  readonly gate: SlowDownGate
  readonly policy: RetryPolicy
  readonly clock: Clock
  readonly random: Random
  /** The prefix of the namespace, which precedes every key. */
  readonly prefix: string
  readonly onRequest: () => void
  readonly onBytes: (bytes: number) => void
  /** Called when data begins, with the time since its request. */
  readonly onFirstByte: (ms: number) => void
  readonly onRetry: (error: SkeinError) => void
}

/** An attempt that delivered this many bytes made progress: the count of attempts starts again. */
const progressBytes = 256 * 1024

/**
 * After this many time-outs the read fails: each one costs the full time-out, and the caller may
 * have an alternative, such as another job worker.
 */
const silentAttemptsMax = 2

/**
 * After this many identical bad responses in a row, the error is final: the store, or a proxy in
 * front of it, really responds like this.
 */
const sameAnswersMax = 5

function isSilence(error: SkeinError): boolean {
  return error.code === 'deadline_exceeded'
}

/** The attempts of one read. */
class Attempts {
  count = 1
  silent = 0
  #same = 0
  #lastProblem = ''

  /** Records a failed attempt. Returns the error to report. */
  failed(error: SkeinError): SkeinError {
    if (isSilence(error)) this.silent += 1
    if (!isBadAnswer(error)) return error
    this.#same = error.message === this.#lastProblem ? this.#same + 1 : 1
    this.#lastProblem = error.message
    return this.#same >= sameAnswersMax ? finalAnswerError(error) : error
  }

  /** Records that an attempt made progress before it failed. */
  moved(): void {
    this.count = 1
    this.silent = 0
  }
}

/** Reads ranges of one bucket. */
export class RangeReader {
  readonly #options: RangeReaderOptions

  constructor(options: RangeReaderOptions) {
    this.#options = options
  }

  /** Returns exactly `request.length` bytes in one buffer, from one request if nothing fails. */
  readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array> {
    if (request.length === 0) return Promise.resolve(new Uint8Array(0))
    return this.#readWhole(request, signal)
  }

  async #readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array> {
    const attempts = new Attempts()
    for (;;) {
      try {
        return await this.#attemptWhole(request, signal)
      } catch (thrown) {
        await this.#backOff(attempts.failed(toSkeinError(thrown)), attempts, request, signal)
      }
    }
  }

  /** Yields exactly `request.length` bytes in order. No byte is yielded twice. */
  async *read(request: ReadRequest, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    let done = 0
    const attempts = new Attempts()
    while (done < request.length) {
      const before = done
      try {
        for await (const chunk of this.#attempt(
          { ...request, offset: request.offset + done, length: request.length - done },
          signal,
        )) {
          done += chunk.length
          yield chunk
        }
      } catch (thrown) {
        if (done - before >= progressBytes) attempts.moved()
        const cause = toSkeinError(thrown)
        const error = attempts.failed(cause)
        if (request.inOneAnswer === true && done > 0) throw error
        // A body that is not what its head says (compressed on the way, for one) gave bytes that
        // nothing can be added to, even if they are as many as were asked for.
        if (isBadAnswer(cause) && done > before) throw error
        await this.#backOff(error, attempts, request, signal)
      }
    }
  }

  /** Waits before the next attempt. @throws the error when no attempt is left */
  async #backOff(
    error: SkeinError,
    attempts: Attempts,
    { lend = waited }: ReadRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const { policy, clock, random, onRetry } = this.#options
    const { count, silent } = attempts
    if (!error.retryable || count >= policy.attemptsMax || silent >= silentAttemptsMax || signal.aborted) throw error
    onRetry(error)
    await lend(() => clock.sleep(backoffMs(policy, count, random), signal))
    attempts.count += 1
  }

  async #attemptWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array> {
    throwIfAborted(signal)
    if (this.#options.gate.closed) await this.#throughGate(request, signal)
    for (let place = this.#placeOf(request); ;) {
      let response: RangeResponse | undefined
      try {
        return await new Promise<Uint8Array>((resolve, reject) => {
          response = this.#dispatch(place, request, new WholeSink(request, resolve, reject), signal)
        })
      } catch (thrown) {
        place = this.#sentOn(place, request, response, thrown)
      }
    }
  }

  async *#attempt(request: ReadRequest, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    throwIfAborted(signal)
    if (this.#options.gate.closed) await this.#throughGate(request, signal)
    for (let place = this.#placeOf(request); ;) {
      const sink = new StreamSink(request.length, request.pieces)
      const response = this.#dispatch(place, request, sink, signal)
      try {
        for (let chunk = sink.take(); ; chunk = sink.take()) {
          if (sink.mayGoOn()) response.resume()
          if (chunk !== undefined) yield chunk
          else if (await sink.finished()) return
        }
      } catch (thrown) {
        place = this.#sentOn(place, request, response, thrown)
      } finally {
        response.stop(new SkeinError('cancelled', 'the reader stopped'))
      }
    }
  }

  async #throughGate({ lend = waited }: ReadRequest, signal: AbortSignal): Promise<void> {
    const { gate } = this.#options
    // `lend` may return after the gate has closed again.
    while (gate.closed) await lend(() => gate.wait(signal))
  }

  #placeOf({ key }: ReadRequest): StorePlace {
    return this.#options.requests.placeOf(this.#options.prefix + key)
  }

  /** The target of a redirect. @throws `thrown` when the response was not a redirect */
  #sentOn(place: StorePlace, { key }: ReadRequest, response: RangeResponse | undefined, thrown: unknown): StorePlace {
    const redirect = response?.redirect
    if (redirect === undefined) throw thrown
    return this.#options.requests.sentOn(place, requestName('GET', key), redirect.status, redirect.location)
  }

  #dispatch(place: StorePlace, request: ReadRequest, sink: RangeSink, signal: AbortSignal): RangeResponse {
    const { requests, rules, address, clock, onRequest, onBytes, onFirstByte } = this.#options
    const sentMs = clock.monotonicMs()
    const context: RangeContext = {
      address,
      rules,
      signal,
      onBytes,
      onData: () => onFirstByte(clock.monotonicMs() - sentMs),
      onRefusal: (code, date) => requests.noteClock(place, code, date),
    }
    const response = new RangeResponse(request, this.#watched(sink, signal), context)
    const headers = requests.readHeaders(place)
    headers.push(
      'range',
      `bytes=${request.offset}-${request.offset + request.length - 1}`,
      'if-match',
      `"${request.etag}"`,
    )
    onRequest()
    try {
      const path = place.query === '' ? place.path : `${place.path}?${place.query}`
      response.sent(place.host.pool.get(path, headers, response))
    } catch (thrown) {
      response.stop(toSkeinError(thrown))
    }
    return response
  }

  /** Wraps the sink so that the bucket's gate learns the result. */
  #watched(sink: RangeSink, signal: AbortSignal): RangeSink {
    const { gate } = this.#options
    return {
      space: () => sink.space(),
      filled: (bytes) => sink.filled(bytes),
      end: () => {
        gate.succeeded()
        sink.end()
      },
      fail: (error) => {
        // An abort, for whatever reason, is not a response of the store.
        if (!signal.aborted) gate.failed(error)
        sink.fail(error)
      },
    }
  }
}
