// Why: the data port and the web port start, refuse and stop in the same way. How: a node:http
// server with limits for headers, connections (connection-guard.ts) and pipelined requests
// (pipeline-gate.ts), which refuses requests of web pages (request-origin.ts). Close lets running
// requests finish, then aborts them.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { toSkeinError, type SkeinError } from '../../base/errors.ts'
import { bindError, formatAddress } from '../address.ts'
import { ConnectionGuard, type ConnectionGuardOptions } from '../connection-guard.ts'
import { PipelineGate } from './pipeline-gate.ts'
import { OwnNames } from './request-origin.ts'

export interface ListenOptions extends ConnectionGuardOptions {
  /** For messages: `data port`, `web port`. */
  readonly what: string
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  /** Pipelined requests that may wait on one connection. */
  readonly pipelineMax: number
  /**
   * Names of this server in Host headers, in addition to addresses, `localhost`, the name of this
   * machine and `host`.
   */
  readonly names: readonly string[]
  /** All names below them are names of this server, too. */
  readonly domains?: readonly string[]
  /**
   * Whether requests for any host are served, also from web pages: who asks is checked elsewhere.
   */
  readonly isForAnyHost?: boolean
  /** Called for each request; on one connection, one after the other. */
  readonly serve: (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean) => void
  /** Called instead of `serve` for a request that a web page may have sent. */
  readonly refuse: (
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    error: SkeinError,
  ) => void
}

const idleSweepMs = 20

/**
 * Settings of all HTTP servers: a time limit for headers, no limit for whole requests (idle limits
 * do that), and keep-alive for a minute.
 */
export const httpServerOptions = {
  headersTimeout: 10_000,
  connectionsCheckingInterval: 2000,
  requestTimeout: 0,
  keepAliveTimeout: 60_000,
  noDelay: true,
} as const

export interface Listening {
  /** `host:port` */
  readonly address: string
  readonly guard: ConnectionGuard
}

const ignored = (): void => undefined

/** Starts to listen. @throws SkeinError failed_precondition (`port_taken`, `cannot_listen`) */
export async function listenHttp(server: Server, options: ListenOptions): Promise<Listening> {
  const guard = new ConnectionGuard(options)
  guard.watch(server)
  const gate = new PipelineGate(options.pipelineMax)
  const names = new OwnNames([options.host, ...options.names, ...(options.domains ?? [])], options.domains)
  const serve = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void => {
    try {
      if (options.isForAnyHost !== true) names.check(request.headers)
    } catch (thrown) {
      return options.refuse(request, response, awaitsContinue, toSkeinError(thrown))
    }
    options.serve(request, response, awaitsContinue)
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void => {
    // Socket errors are reported where the socket is read or written. Without a listener they would
    // end the process.
    request.on('error', ignored)
    response.on('error', ignored)
    const { socket } = request
    guard.begin(socket)
    response.once('close', () => guard.end(socket))
    gate.enter(request, response, () => serve(request, response, awaitsContinue))
  }
  server.on('request', (request, response) => onRequest(request, response, false))
  server.on('checkContinue', (request, response) => onRequest(request, response, true))
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void =>
      reject(bindError(options.what, options.host, options.port, error.code ?? error.message, error))
    server.once('error', onError)
    server.listen(options.port, options.host, () => {
      server.off('error', onError)
      resolve()
    })
  })
  return { address: formatAddress(options.host, (server.address() as AddressInfo).port), guard }
}

/**
 * Accepts no new connection, lets running requests finish for `graceMs`, then calls `cut` and drops
 * the remaining connections.
 */
export async function closeHttp(
  server: Server,
  clock: Clock,
  graceMs: number,
  cut: () => void = () => undefined,
): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  const cancelCut = clock.schedule(graceMs, () => {
    cut()
    server.closeAllConnections()
  })
  // A keep-alive connection that was busy until now would keep the server open until the cut.
  let cancelSweep: () => void
  const sweep = (): void => {
    server.closeIdleConnections()
    cancelSweep = clock.schedule(idleSweepMs, sweep)
  }
  sweep()
  await closed.finally(() => cancelSweep())
  cancelCut()
}
