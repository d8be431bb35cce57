// Why: a request of S3 is answered as S3 does. How: the lifetime of a request is the same at all
// doors (door-requests.ts); here it gets an id, its head is checked before anything is done
// (checked-request.ts), then the operation gives an answer, which is sent as it is.
import { Budget } from '../../base/flow/budget.ts'
import { type SkeinError } from '../../base/errors.ts'
import type { DoorMetrics, DoorOutcome } from '../../telemetry/door-metrics.ts'
import type { ServedRequest } from '../../wire/http/served-requests.ts'
import type { Callers } from '../callers.ts'
import { type DoorExchange, type DoorProtocol, DoorRequests } from '../door-requests.ts'
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

interface Exchange extends Sending, DoorExchange {
  /** Of an object or a part, when it is asked for. */
  content: CheckedContent | undefined
}

export class S3Server implements DoorProtocol<Exchange, S3Reply> {
  readonly requests: DoorRequests<Exchange, S3Reply>
  readonly #parts: S3ServerParts
  readonly #keys = new SigningKeys()
  readonly #ids = new RequestIds()
  readonly #documents: Budget

  constructor(parts: S3ServerParts) {
    this.#parts = parts
    const { limits, metrics, context } = parts
    this.#documents = new Budget('documents of S3 requests', limits.documentsBytesMax)
    this.requests = new DoorRequests({ limits, metrics, clock: context.clock }, this)
  }

  begin(served: ServedRequest): Exchange {
    const { request, response, watch } = served
    const { method, url = '' } = request
    const mark = url.indexOf('?')
    return {
      served,
      response,
      watch,
      content: undefined,
      keptAlive: undefined,
      isHead: method === 'HEAD',
      requestId: this.#ids.next(),
      resource: mark < 0 ? url : url.slice(0, mark),
      kind: 'other',
    }
  }

  isWanted(): boolean {
    return this.#parts.context.pieces.isWanted
  }

  tooMany(message: string): SkeinError {
    return s3Error('SlowDown', message)
  }

  async answer(exchange: Exchange): Promise<S3Reply> {
    const { request } = exchange.served
    const { callers, domains, context } = this.#parts
    const { method = '', url = '', headers, rawHeaders } = request
    const checks = { domains, callers, keys: this.#keys, nowMs: context.clock.nowMs() }
    const checked = checkedRequest({ method, url, host: headers.host, rawHeaders }, checks)
    const { handler, kind, isSlow } = s3Operations[checked.operation]
    exchange.kind = kind
    const { bucket } = checked.target
    if (bucket !== '' && checked.operation !== 'CreateBucket') await context.buckets.check(bucket, exchange.served)
    if (isSlow === true) this.requests.keepAlive(exchange, () => beginDocument(exchange))
    return await handler(context, this.#callOf(exchange, checked))
  }

  send(exchange: Exchange, reply: S3Reply): Promise<number> {
    return sendReply(exchange, reply)
  }

  receivedBytes({ content }: Exchange): number {
    return content?.digests.bytes ?? 0
  }

  refuse(exchange: Exchange, error: SkeinError): DoorOutcome {
    const { logger } = this.#parts.context
    const { requestId, resource } = exchange
    const { request } = exchange.served
    const answer = s3AnswerOf(error)
    const fields = { requestId, method: request.method, resource, s3Code: answer.code, error }
    if (answer.status === 500) logger.error('a request of S3 failed', fields)
    else logger.debug('a request of S3 was refused', fields)
    sendError(exchange, answer, exchange.keptAlive?.hasBegun === true)
    return answer.status >= 500 ? 'server_error' : 'client_error'
  }

  #callOf(exchange: Exchange, checked: CheckedRequest): S3Call {
    const { request, watch, signal } = exchange.served
    const { target, query, headers, plan, caller, seed } = checked
    const { documentBytesMax } = this.#parts.limits
    const begin = (): void => exchange.served.askForBody()
    const received: S3Call['content'] = (algorithm) => {
      const checks = plan.chunked?.isSigned === true && seed !== undefined ? new ChunkSignatures(seed) : undefined
      const body = requestBody(request, watch, begin, cutBody)
      return new CheckedContent(body, plan, checks, algorithm, this.#parts.context.digests.of(plan.contentBytes))
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
    // Its memory is freed when the next one is asked for.
    chunks.push(new Uint8Array(chunk))
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw s3Error('MalformedXML', 'The document is not UTF-8.')
  }
}
