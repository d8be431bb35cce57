// Why: the data port and the web port start, refuse and stop in the same way. How: a node:http server with bounded headers and
// connections; closing lets running requests end, then cuts them.
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { bindError, checkBindHost, formatAddress } from './address.ts'

export interface ListenOptions {
  /** For messages: `data port`, `web port`. */
  readonly what: string
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly allowRemote: boolean
  readonly connectionsMax: number
}

const idleSweepMs = 20

/** What every server here sets: no slow headers, no whole-request limit (idle limits do that), kept-alive connections for a minute. */
export const httpServerOptions = { headersTimeout: 10_000, requestTimeout: 0, keepAliveTimeout: 60_000, noDelay: true } as const

/** Listens and gives `host:port`. @throws SkeinError failed_precondition (`port_taken`, `cannot_listen`, `remote_not_allowed`) */
export async function listenHttp(server: Server, options: ListenOptions): Promise<string> {
  checkBindHost(options.what, options.host, options.allowRemote)
  server.maxConnections = options.connectionsMax
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void =>
      reject(bindError(options.what, options.host, options.port, error.code ?? error.message, error))
    server.once('error', onError)
    server.listen(options.port, options.host, () => {
      server.off('error', onError)
      resolve()
    })
  })
  return formatAddress(options.host, (server.address() as AddressInfo).port)
}

/** Takes no new connection, lets running requests end for `graceMs`, then calls `cut` and drops what is left. */
export async function closeHttp(server: Server, clock: Clock, graceMs: number, cut: () => void = () => undefined): Promise<void> {
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
