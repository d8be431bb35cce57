// Why: requests come from many clients, and none may take the door from the others. How: each
// request ends when its peer is gone, silent or too slow (served-requests.ts). Its head is checked
// before anything is done (request/webhdfs-request.ts), then the operation gives an answer, which
// is sent as it is.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type SkeinError, toSkeinError } from '../../base/errors.ts'
import type { DoorMetrics, DoorOperation, DoorOutcome } from '../../telemetry/door-metrics.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { isOpenEnded } from '../../wire/http/request-shape.ts'
import { type ServedRequest, ServedRequests } from '../../wire/http/served-requests.ts'
import { KeptAlive } from '../kept-alive.ts'
import { requestBody } from '../request-body.ts'
import { hadoopAnswerOf, hadoopError } from './answer/hadoop-exceptions.ts'
import type { WebHdfsCall, WebHdfsContext } from './call/webhdfs-call.ts'
import { type WebHdfsRequest, webHdfsRequest } from './request/webhdfs-request.ts'
import { operationNamed } from './webhdfs-operations.ts'
import type { WebHdfsDoorLimits } from './webhdfs-options.ts'
import { beginJson, sendRefusal, sendReply } from './webhdfs-sending.ts'

export interface WebHdfsServerParts {
  readonly context: WebHdfsContext
  readonly limits: WebHdfsDoorLimits
  readonly metrics: DoorMetrics
  readonly logger: Logger
  /** `host:port` for clients that send no Host header. */
  readonly ownAddress: () => string
}

interface Exchange {
  readonly served: ServedRequest
  kind: DoorOperation
  keptAlive: KeptAlive | undefined
  receivedBytes: number
}

export class WebHdfsServer {
  readonly #parts: WebHdfsServerParts
  readonly #served: ServedRequests

  constructor(parts: WebHdfsServerParts) {
    this.#parts = parts
    const { limits, context } = parts
    this.#served = new ServedRequests({
      what: 'the gateway',
      clock: context.clock,
      leastBytesPerSecond: limits.leastBytesPerSecond,
      idleMs: () => limits.idleMs,
      kindOf: () => 'request',
      isWanted: (_, running) => running >= limits.requestsMax,
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
    const exchange: Exchange = { served, kind: 'other', keptAlive: undefined, receivedBytes: 0 }
    const end = metrics.begin()
    let outcome: DoorOutcome = 'ok'
    try {
      if (refusal !== undefined) throw refusal
      if (isOverLimit)
        throw hadoopError('RetriableException', `${limits.requestsMax} requests are being served. Try again.`)
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
    const { context, limits, metrics } = this.#parts
    const { request, response, watch } = exchange.served
    const { method = '', url = '', headers } = request
    const checked = webHdfsRequest({ method, url, host: headers.host ?? this.#parts.ownAddress() })
    const { handler, kind, access, isSlow } = operationNamed(checked.operation)
    exchange.kind = kind
    const { namespace, user, path } = checked
    if (namespace !== '' && !context.permissions.may(user, access, namespace))
      throw hadoopError('AccessControlException', `Permission denied: user=${user}, access=${access}, path=${path}`)
    if (isSlow === true)
      exchange.keptAlive = new KeptAlive(response, () => beginJson(response), context.clock, limits.keepAliveMs)
    const reply = await handler(context, this.#callOf(exchange, checked))
    exchange.keptAlive?.end()
    exchange.served.closeIfUnasked()
    metrics.sent(await sendReply(response, watch, reply))
    metrics.received(exchange.receivedBytes)
  }

  #callOf(exchange: Exchange, checked: WebHdfsRequest): WebHdfsCall {
    const { request, watch, signal } = exchange.served
    const { path, parameters, user, isData, dataUrl, fileUrl } = checked
    const announced = request.headers['content-length']
    return {
      ...{ path, parameters, user, isData, dataUrl, fileUrl, signal },
      contentBytes: announced === undefined || isOpenEnded(request) ? undefined : Number(announced),
      content: async function* () {
        const begin = (): void => exchange.served.askForBody()
        for await (const chunk of requestBody(request, watch, begin, cutBody)) {
          exchange.receivedBytes += chunk.length
          yield chunk
        }
      },
    }
  }

  #refuse(exchange: Exchange, error: SkeinError): DoorOutcome {
    const { request, response } = exchange.served
    const answer = hadoopAnswerOf(error)
    const { method, url = '' } = request
    const fields = { method, url: url.slice(0, 500), exception: answer.exception, error }
    if (answer.status === 500) this.#parts.logger.error('a request of WebHDFS failed', fields)
    else this.#parts.logger.debug('a request of WebHDFS was refused', fields)
    exchange.keptAlive?.end()
    exchange.served.closeIfUnasked()
    sendRefusal(response, answer)
    const isOurs = answer.exception === 'RuntimeException' || error.code === 'unavailable'
    return isOurs ? 'server_error' : 'client_error'
  }
}

function cutBody(message: string): SkeinError {
  return hadoopError('IOException', message)
}
