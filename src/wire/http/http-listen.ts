// Why: the data port and the web port start, refuse and stop in the same way. How: a node:http
// server with bounded headers, connections (connection-guard.ts) and requests of one connection
// (pipeline-gate.ts), which web pages cannot use (request-origin.ts); closing lets running requests
// end, then cuts them.
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
  /** 0 takes a free one. */
  readonly port: number
  /** Requests of one connection that may wait for the one before them. */
  readonly pipelineMax: number
  /**
   * What clients may call this server, beside addresses, `localhost`, this machine's name and
   * `host`.
   */
  readonly names: readonly string[]
  /** Called for each request, one after the other of one connection. */
  readonly serve: (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean) => void
  /** Called in place of `serve` for a request that a web page may have sent. */
  readonly refuse: (
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    error: SkeinError,
  ) => void
}

const idleSweepMs = 20

/**
 * What every server here sets: no slow headers, no whole-request limit (idle limits do that),
 * kept-alive connections for a minute.
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

/** Listens. @throws SkeinError failed_precondition (`port_taken`, `cannot_listen`) */
export async function listenHttp(server: Server, options: ListenOptions): Promise<Listening> {
  const guard = new ConnectionGuard(options)
  guard.watch(server)
  const gate = new PipelineGate(options.pipelineMax)
  const names = new OwnNames([options.host, ...options.names])
  const serve = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void => {
    try {
      names.check(request.headers)
    } catch (thrown) {
      return options.refuse(request, response, awaitsContinue, toSkeinError(thrown))
    }
    options.serve(request, response, awaitsContinue)
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void => {
    // An error of a socket shows where it is read or written; without a listener it would end the
    // process.
    request.on('error', () => undefined)
    response.on('error', () => undefined)
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
 * Takes no new connection, lets running requests end for `graceMs`, then calls `cut` and drops what
 * is left.
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
  // A kept-alive connection that was busy until now would hold the server until the cut.
  let cancelSweep: () => void
  const sweep = (): void => {
    server.closeIdleConnections()
    cancelSweep = clock.schedule(idleSweepMs, sweep)
  }
  sweep()
  await closed.finally(() => cancelSweep())
  cancelCut()
}
