// Why: requests of S3 come from many clients of many kinds, and none may take the door from the
// others. How: each request has an id, a watch for silent and slow peers (wire/http), and a signal
// that ends what it started. The head is checked before anything is done (checked-request.ts), then
// the operation gives an answer, which is sent as it is.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Budget } from '../../base/flow/budget.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { DoorMetrics, DoorOperation, DoorOutcome } from '../../telemetry/door-metrics.ts'
import { IdleWatch } from '../../wire/http/idle-watch.ts'
import { Stragglers } from '../../wire/http/stragglers.ts'
import type { Callers } from '../callers.ts'
import { s3AnswerOf } from './answer/error-mapping.ts'
import { s3Error } from './answer/error-table.ts'
import { CheckedContent } from './body/checked-content.ts'
import { type CheckedRequest, checkedRequest } from './call/checked-request.ts'
import type { S3Call, S3Context, S3Reply } from './call/s3-call.ts'
import { KeptAlive, type Sending, sendError, sendReply } from './reply-sending.ts'
import { requestBody } from './request-body.ts'
import { s3Operations } from './s3-operations.ts'
import type { S3DoorLimits } from './s3-options.ts'
import { ChunkSignatures } from './signature/chunk-signatures.ts'
import { SigningKeys } from './signature/signing-keys.ts'

export interface S3ServerParts {
  readonly context: S3Context
  /** Undefined: everybody may do everything. */
  readonly callers: Callers | undefined
  readonly domains: readonly string[]
  readonly limits: S3DoorLimits
  readonly metrics: DoorMetrics
}

interface Exchange extends Sending {
  readonly request: IncomingMessage
  readonly signal: AbortSignal
  /** Whether the peer waits for `100 Continue`. Cleared when it was sent. */
  awaitsContinue: boolean
  /** Of an object or a part, when it is asked for. */
  content: CheckedContent | undefined
  keptAlive: KeptAlive | undefined
  kind: DoorOperation
}

/**
 * How long the rest of a body that nobody wants is read, so that its sender can read the answer.
 */
const unwantedBodyMs = 5000
const requestIdBytes = 8

export class S3Server {
  readonly #parts: S3ServerParts
  readonly #keys = new SigningKeys()
  readonly #documents: Budget
  readonly #stragglers: Stragglers
  readonly #running = new Set<AbortController>()

  constructor(parts: S3ServerParts) {
    this.#parts = parts
    const { limits, context } = parts
    this.#documents = new Budget('documents of S3 requests', limits.documentsBytesMax)
    this.#stragglers = new Stragglers({
      clock: context.clock,
      leastBytesPerSecond: limits.leastBytesPerSecond,
      isWanted: () => this.#running.size >= limits.requestsMax,
    })
  }

  cutOne(peer: string | undefined): boolean {
    return this.#stragglers.cutOne(peer)
  }

  abortAll(): void {
    for (const controller of this.#running)
      controller.abort(new SkeinError('unavailable', 'the gateway is stopping', { reason: 'stopping' }))
  }

  /** @param refusal why the request must be refused */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    refusal?: SkeinError,
  ): Promise<void> {
    const { clock } = this.#parts.context
    const { limits, metrics } = this.#parts
    const controller = new AbortController()
    const gone = (): void => controller.abort(new SkeinError('cancelled', 'the client closed the connection'))
    response.on('close', gone)
    const watch = new IdleWatch(clock, limits.idleMs, () => {
      controller.abort(s3Error('RequestTimeout'))
      request.socket.destroy()
    })
    const exchange: Exchange = {
      ...{
        request,
        response,
        watch,
        signal: controller.signal,
        awaitsContinue,
        content: undefined,
        keptAlive: undefined,
      },
      ...{ isHead: request.method === 'HEAD', requestId: randomBytes(requestIdBytes).toString('hex').toUpperCase() },
      ...{ resource: (request.url ?? '').split('?', 1)[0] ?? '', kind: 'other' },
    }
    const unwatch = this.#stragglers.watch({
      kind: 'request',
      peer: request.socket.remoteAddress ?? '',
      isWaiting: () => watch.isWaiting,
      movedBytes: () => watch.movedBytes,
      cut: (error) => {
        controller.abort(error)
        request.socket.destroy()
      },
    })
    const end = metrics.begin()
    const isOverLimit = this.#running.size >= limits.requestsMax
    this.#running.add(controller)
    let outcome: DoorOutcome = 'ok'
    try {
      if (refusal !== undefined) throw refusal
      if (isOverLimit) throw s3Error('SlowDown', `${limits.requestsMax} requests are being served. Try again.`)
      await this.#answer(exchange)
    } catch (thrown) {
      outcome = this.#refuse(exchange, toSkeinError(thrown))
    } finally {
      exchange.keptAlive?.end()
      response.off('close', gone)
      unwatch()
      watch.stop()
      this.#running.delete(controller)
      this.#dropBody(exchange)
      end(exchange.kind, outcome)
    }
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { request } = exchange
    const { callers, domains, context, limits, metrics } = this.#parts
    const { method = '', url = '', headers, rawHeaders } = request
    const checks = { domains, callers, keys: this.#keys, nowMs: context.clock.nowMs() }
    const checked = checkedRequest({ method, url, host: headers.host, rawHeaders }, checks)
    const { handler, kind, isSlow } = s3Operations[checked.operation]
    exchange.kind = kind
    if (isSlow === true) exchange.keptAlive = new KeptAlive(exchange, context.clock, limits.keepAliveMs)
    const reply = await handler(context, this.#callOf(exchange, checked))
    exchange.keptAlive?.end()
    await this.#send(exchange, reply)
    metrics.received(exchange.content?.digests.bytes ?? 0)
  }

  async #send(exchange: Exchange, reply: S3Reply): Promise<void> {
    this.#closeIfUnread(exchange)
    this.#parts.metrics.sent(await sendReply(exchange, reply))
  }

  #callOf(exchange: Exchange, checked: CheckedRequest): S3Call {
    const { request, response, watch, signal } = exchange
    const { target, query, headers, plan, caller, seed } = checked
    const { documentBytesMax } = this.#parts.limits
    const begin = (): void => {
      if (exchange.awaitsContinue) response.writeContinue()
      exchange.awaitsContinue = false
    }
    const received: S3Call['content'] = (algorithm) => {
      const checks = plan.chunked?.isSigned === true && seed !== undefined ? new ChunkSignatures(seed) : undefined
      return new CheckedContent(requestBody(request, watch, begin), plan, checks, algorithm)
    }
    const content: S3Call['content'] = (algorithm) => {
      exchange.content = received(algorithm)
      return exchange.content
    }
    const document = async (): Promise<string> => {
      const bytesMax = plan.contentBytes ?? documentBytesMax
      if (bytesMax > documentBytesMax) throw s3Error('MaxMessageLengthExceeded')
      const share = await this.#documents.acquire(bytesMax, signal)
      try {
        return await textOf(received(), bytesMax)
      } finally {
        share.release()
      }
    }
    const { bucket, key } = target
    return { bucket, key, query, headers, caller, signal, contentBytes: plan.contentBytes, content, document }
  }

  #refuse(exchange: Exchange, error: SkeinError): DoorOutcome {
    const { logger } = this.#parts.context
    const { requestId, resource, request } = exchange
    const answer = s3AnswerOf(error)
    const fields = { requestId, method: request.method, resource, s3Code: answer.code, error }
    if (answer.status === 500) logger.error('a request of S3 failed', fields)
    else logger.debug('a request of S3 was refused', fields)
    exchange.keptAlive?.end()
    this.#closeIfUnread(exchange)
    sendError(exchange, answer, exchange.keptAlive?.hasBegun === true)
    return answer.status >= 500 ? 'server_error' : 'client_error'
  }

  /** A peer that waits to be asked for its body is not asked any more. */
  #closeIfUnread({ awaitsContinue, response }: Exchange): void {
    if (awaitsContinue && !response.headersSent) response.setHeader('connection', 'close')
  }

  /** Closing at once would reset the connection, and the peer could lose the answer. */
  #dropBody({ request, awaitsContinue }: Exchange): void {
    if (awaitsContinue || request.complete || request.destroyed) return
    request.resume()
    const cancel = this.#parts.context.clock.schedule(unwantedBodyMs, () => request.socket.destroy())
    request.once('close', cancel)
  }
}

async function textOf(content: AsyncIterable<Uint8Array>, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of content) {
    bytes += chunk.length
    if (bytes > bytesMax) throw s3Error('MaxMessageLengthExceeded')
    chunks.push(chunk)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw s3Error('MalformedXML', 'The document is not UTF-8.')
  }
}
