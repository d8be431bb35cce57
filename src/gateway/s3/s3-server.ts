// Why: requests of S3 come from many clients of many kinds, and none may take the door from the
// others. How: each request has an id, and ends when its peer is gone, silent or too slow
// (served-requests.ts). The head is checked before anything is done (checked-request.ts), then
// the operation gives an answer, which is sent as it is.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Budget } from '../../base/flow/budget.ts'
import { type SkeinError, toSkeinError } from '../../base/errors.ts'
import type { DoorMetrics, DoorOperation, DoorOutcome } from '../../telemetry/door-metrics.ts'
import { type ServedRequest, ServedRequests } from '../../wire/http/served-requests.ts'
import type { Callers } from '../callers.ts'
import { KeptAlive } from '../kept-alive.ts'
import { requestBody } from '../request-body.ts'
import { s3AnswerOf } from './answer/error-mapping.ts'
import { s3Error } from './answer/error-table.ts'
import { CheckedContent } from './body/checked-content.ts'
import { type CheckedRequest, checkedRequest } from './call/checked-request.ts'
import type { S3Call, S3Context, S3Reply } from './call/s3-call.ts'
import { beginDocument, type Sending, sendError, sendReply } from './reply-sending.ts'
import { RequestIds } from './request-ids.ts'
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
  readonly served: ServedRequest
  /** Of an object or a part, when it is asked for. */
  content: CheckedContent | undefined
  keptAlive: KeptAlive | undefined
  kind: DoorOperation
}

export class S3Server {
  readonly #parts: S3ServerParts
  readonly #keys = new SigningKeys()
  readonly #ids = new RequestIds()
  readonly #documents: Budget
  readonly #served: ServedRequests

  constructor(parts: S3ServerParts) {
    this.#parts = parts
    const { limits, context } = parts
    this.#documents = new Budget('documents of S3 requests', limits.documentsBytesMax)
    this.#served = new ServedRequests({
      what: 'the gateway',
      clock: context.clock,
      leastBytesPerSecond: limits.leastBytesPerSecond,
      idleMs: () => limits.idleMs,
      kindOf: () => 'request',
      isWanted: (_, running) => running >= limits.requestsMax || context.pieces.isWanted,
    })
  }

  cutOne(peer: string | undefined): boolean {
    return this.#served.cutOne(peer)
  }

  abortAll(): void {
    this.#served.abortAll()
  }

  /** @param refusal why the request must be refused */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    refusal?: SkeinError,
  ): Promise<void> {
    const { limits, metrics } = this.#parts
    const isOverLimit = this.#served.running >= limits.requestsMax
    const served = this.#served.begin(request, response, awaitsContinue)
    const exchange: Exchange = {
      ...{ served, response, watch: served.watch, content: undefined, keptAlive: undefined },
      ...{ isHead: request.method === 'HEAD', requestId: this.#ids.next() },
      ...{ resource: (request.url ?? '').split('?', 1)[0] ?? '', kind: 'other' },
    }
    const end = metrics.begin()
    let outcome: DoorOutcome = 'ok'
    try {
      if (refusal !== undefined) throw refusal
      if (isOverLimit) throw s3Error('SlowDown', `${limits.requestsMax} requests are being served. Try again.`)
      await this.#answer(exchange)
    } catch (thrown) {
      outcome = this.#refuse(exchange, toSkeinError(thrown))
    } finally {
      exchange.keptAlive?.end()
      served.end()
      end(exchange.kind, outcome)
    }
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { request } = exchange.served
    const { callers, domains, context, limits, metrics } = this.#parts
    const { method = '', url = '', headers, rawHeaders } = request
    const checks = { domains, callers, keys: this.#keys, nowMs: context.clock.nowMs() }
    const checked = checkedRequest({ method, url, host: headers.host, rawHeaders }, checks)
    const { handler, kind, isSlow } = s3Operations[checked.operation]
    exchange.kind = kind
    if (isSlow === true) {
      const begin = (): void => beginDocument(exchange)
      exchange.keptAlive = new KeptAlive(exchange.response, begin, context.clock, limits.keepAliveMs)
    }
    const reply = await handler(context, this.#callOf(exchange, checked))
    exchange.keptAlive?.end()
    await this.#send(exchange, reply)
    metrics.received(exchange.content?.digests.bytes ?? 0)
  }

  async #send(exchange: Exchange, reply: S3Reply): Promise<void> {
    exchange.served.closeIfUnasked()
    this.#parts.metrics.sent(await sendReply(exchange, reply))
  }

  #callOf(exchange: Exchange, checked: CheckedRequest): S3Call {
    const { request, watch, signal } = exchange.served
    const { target, query, headers, plan, caller, seed } = checked
    const { documentBytesMax } = this.#parts.limits
    const begin = (): void => exchange.served.askForBody()
    const received: S3Call['content'] = (algorithm) => {
      const checks = plan.chunked?.isSigned === true && seed !== undefined ? new ChunkSignatures(seed) : undefined
      return new CheckedContent(requestBody(request, watch, begin, cutBody), plan, checks, algorithm)
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
    const { requestId, resource } = exchange
    const { request } = exchange.served
    const answer = s3AnswerOf(error)
    const fields = { requestId, method: request.method, resource, s3Code: answer.code, error }
    if (answer.status === 500) logger.error('a request of S3 failed', fields)
    else logger.debug('a request of S3 was refused', fields)
    exchange.keptAlive?.end()
    exchange.served.closeIfUnasked()
    sendError(exchange, answer, exchange.keptAlive?.hasBegun === true)
    return answer.status >= 500 ? 'server_error' : 'client_error'
  }
}

function cutBody(message: string): SkeinError {
  return s3Error('IncompleteBody', message)
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
