// Why: operators' tools ask a role three things over plain HTTP: whether it is alive, whether it is
// ready, and its metrics.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import { closeHttp, httpServerOptions, listenHttp } from './http-listen.ts'

export interface WebServerOptions {
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  readonly clock: Clock
  /** Prometheus text exposition format 0.0.4. */
  readonly metricsText: () => string
  /** `why` is shown if the role is not ready. */
  readonly ready: () => { readonly ready: boolean; readonly why?: string }
  /**
   * Names of this server in Host headers, in addition to addresses, `localhost` and the name of
   * this machine.
   */
  readonly names?: readonly string[]
}

export interface RunningWebServer {
  readonly address: string
  close(): Promise<void>
}

const connectionsMax = 64
const peerConnectionsMax = 32
const pipelineMax = 8
/** Time limit for a whole request, and for a peer that does not read its response. */
const requestMs = 10_000
const closeGraceMs = 500

/**
 * Serves /healthz, /readyz (503 when not ready) and /metrics.
 * @throws SkeinError failed_precondition when it cannot listen
 */
export async function startWebServer(options: WebServerOptions): Promise<RunningWebServer> {
  const server = createServer({ ...httpServerOptions, requestTimeout: requestMs })
  server.timeout = requestMs
  /** Responses that their peers have not read yet. */
  const open = new Set<ServerResponse>()
  const send = (request: IncomingMessage, response: ServerResponse, { status, type, text }: Page): void => {
    open.add(response)
    response.once('close', () => open.delete(response))
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) })
    response.end(request.method === 'HEAD' ? undefined : text)
  }
  const { address } = await listenHttp(server, {
    what: 'web port',
    host: options.host,
    port: options.port,
    connectionsMax,
    peerConnectionsMax,
    pipelineMax,
    names: options.names ?? [],
    serve: (request, response) =>
      send(request, response, page(options, request.method ?? '', (request.url ?? '').split('?', 1)[0] ?? '')),
    refuse: (request, response, _, error) => send(request, response, plain(403, error.message)),
    cutOne: () => {
      const [oldest] = open
      oldest?.socket?.destroy()
      return oldest !== undefined && open.delete(oldest)
    },
  })
  return { address, close: () => closeHttp(server, options.clock, closeGraceMs) }
}

interface Page {
  readonly status: number
  readonly type: string
  readonly text: string
}

function plain(status: number, text: string): Page {
  return { status, type: 'text/plain; charset=utf-8', text: `${text}\n` }
}

function page(options: WebServerOptions, method: string, path: string): Page {
  if (method !== 'GET' && method !== 'HEAD') return plain(405, 'only GET is allowed')
  try {
    if (path === '/healthz') return plain(200, 'ok')
    if (path === '/metrics')
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', text: options.metricsText() }
    if (path === '/readyz') {
      const { ready, why } = options.ready()
      return ready ? plain(200, 'ready') : plain(503, `not ready${why === undefined ? '' : `: ${why}`}`)
    }
  } catch (thrown) {
    return plain(500, toSkeinError(thrown).message)
  }
  return plain(404, 'not found: use /healthz, /readyz or /metrics')
}
