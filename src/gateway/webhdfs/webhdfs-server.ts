// Why: a request of WebHDFS is answered as Hadoop's servers do. How: the lifetime of a request is
// the same at all doors (door-requests.ts); here its head is checked before anything is done
// (request/webhdfs-request.ts), then the operation gives an answer, which is sent as it is.
import { type SkeinError } from '../../base/errors.ts'
import type { DoorMetrics, DoorOutcome } from '../../telemetry/door-metrics.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { isOpenEnded } from '../../wire/http/request-shape.ts'
import type { ServedRequest } from '../../wire/http/served-requests.ts'
import { type DoorExchange, type DoorProtocol, DoorRequests } from '../door-requests.ts'
import { requestBody } from '../request-body.ts'
import { hadoopAnswerOf, hadoopError } from './answer/hadoop-exceptions.ts'
import type { WebHdfsCall, WebHdfsContext, WebHdfsReply } from './call/webhdfs-call.ts'
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

interface Exchange extends DoorExchange {
  receivedBytes: number
}

export class WebHdfsServer implements DoorProtocol<Exchange, WebHdfsReply> {
  readonly requests: DoorRequests<Exchange, WebHdfsReply>
  readonly #parts: WebHdfsServerParts

  constructor(parts: WebHdfsServerParts) {
    this.#parts = parts
    const { limits, metrics, context } = parts
    this.requests = new DoorRequests({ limits, metrics, clock: context.clock }, this)
  }

  begin(served: ServedRequest): Exchange {
    return { served, kind: 'other', keptAlive: undefined, receivedBytes: 0 }
  }

  tooMany(message: string): SkeinError {
    return hadoopError('RetriableException', message)
  }

  isWanted(): boolean {
    return this.#parts.context.pieces.isWanted
  }

  async answer(exchange: Exchange): Promise<WebHdfsReply> {
    const { context } = this.#parts
    const { request, response } = exchange.served
    const { method = '', url = '', headers } = request
    const checked = webHdfsRequest({ method, url, host: headers.host ?? this.#parts.ownAddress() })
    const { handler, kind, access, isSlow } = operationNamed(checked.operation)
    exchange.kind = kind
    const { topName, user, path } = checked
    if (topName !== '' && !context.permissions.may(user, access, topName))
      throw hadoopError('AccessControlException', `Permission denied: user=${user}, access=${access}, path=${path}`)
    if (isSlow === true) this.requests.keepAlive(exchange, () => beginJson(response))
    return await handler(context, this.#callOf(exchange, checked))
  }

  send({ served: { response, watch } }: Exchange, reply: WebHdfsReply): Promise<number> {
    return sendReply(response, watch, reply)
  }

  receivedBytes(exchange: Exchange): number {
    return exchange.receivedBytes
  }

  refuse({ served }: Exchange, error: SkeinError): DoorOutcome {
    const { request, response } = served
    const answer = hadoopAnswerOf(error)
    const { method, url = '' } = request
    const fields = { method, url: url.slice(0, 500), exception: answer.exception, error }
    if (answer.status === 500) this.#parts.logger.error('a request of WebHDFS failed', fields)
    else this.#parts.logger.debug('a request of WebHDFS was refused', fields)
    sendRefusal(response, answer)
    const isOurs = answer.exception === 'RuntimeException' || error.code === 'unavailable'
    return isOurs ? 'server_error' : 'client_error'
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
}

function cutBody(message: string): SkeinError {
  return hadoopError('IOException', message)
}
