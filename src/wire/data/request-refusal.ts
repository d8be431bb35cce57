// Why: a peer must be able to read why its request was refused, even while it is still sending.
// How: the error is sent as JSON with its HTTP status, if no other response has begun. The rest of
// the body is dropped when the request ends (served-requests.ts).
import type { SkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ServedRequest } from '../http/served-requests.ts'
import { errorToJson, statusTable } from '../status.ts'

/** Sends the error if that is still possible; otherwise drops the connection. */
export function refuseRequest(exchange: ServedRequest, error: SkeinError, logger: Logger): void {
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
  exchange.closeIfUnasked()
  response.writeHead(statusTable[json.code].http, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  })
  response.end(text)
}
