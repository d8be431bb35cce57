// Why: a peer whose request was refused shall get to read why, though it may still be sending. How:
// the error goes out as JSON with its HTTP status when no other answer has begun; the rest of the
// body is read and dropped for a short time, since closing at once would reset the connection.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import type { SkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { errorToJson, statusTable } from '../status.ts'

interface RefusedExchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Whether the peer waits for `100 Continue`. */
  readonly awaitsContinue: boolean
}

/** How long a peer may go on sending a body that was refused, so that it gets to read why. */
const refusedBodyMs = 5000

/** Says why, if it still can be said; otherwise the cut connection says it. */
export function refuseRequest(exchange: RefusedExchange, error: SkeinError, logger: Logger, clock: Clock): void {
  const { request, response } = exchange
  if (error.code === 'internal')
    logger.error('a data request failed', { url: request.url, error: error.cause ?? error })
  else
    logger.debug('a data request was refused', {
      url: request.url,
      code: error.code,
      reason: error.reason,
      error: error.message,
    })
  if (response.headersSent || response.destroyed || request.socket.destroyed) {
    response.destroy()
    return
  }
  const json = errorToJson(error)
  const text = JSON.stringify(json)
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
  response.writeHead(
    statusTable[json.code].http,
    exchange.awaitsContinue ? { ...headers, connection: 'close' } : headers,
  )
  response.end(text)
  if (exchange.awaitsContinue || request.complete) return
  // Closing now would reset the connection, and the peer could lose the answer: read and drop a
  // little more of the body.
  request.resume()
  const cancel = clock.schedule(refusedBodyMs, () => request.destroy())
  request.once('close', cancel)
}
