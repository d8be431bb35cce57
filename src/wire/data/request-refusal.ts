// Why: a peer must be able to read why its request was refused, even while it is still sending.
// How: the error is sent as JSON with its HTTP status, if no other response has begun. The rest of
// the body is read and dropped for a short time, because closing at once would reset the
// connection.
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

/** How long a peer may continue to send a refused body, so that it can read the error. */
const refusedBodyMs = 5000

/** Sends the error if that is still possible; otherwise drops the connection. */
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
  // Closing now would reset the connection, and the peer could lose the response. So read and drop
  // some more of the body.
  request.resume()
  const cancel = clock.schedule(refusedBodyMs, () => request.destroy())
  request.once('close', cancel)
}
