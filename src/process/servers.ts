// Why: all roles open their ports in the same way and close them in the same order. How: servers
// are started through the role's context, so that they are closed when a later part fails.
import type { Listen } from '../config/config.ts'
import { startDataServer } from '../wire/data/data-server.ts'
import type { DataPlaneHandlers } from '../wire/data/data-plane.ts'
import type { StreamMethod } from '../wire/rpc/grpc-streams.ts'
import { type ServedService, startServer } from '../wire/rpc/server.ts'
import { startWebServer } from '../wire/http/web.ts'
import type { RoleContext } from './role-shell.ts'

/**
 * Address of a server for others: the listening address on loopback, else the role's reachable
 * host.
 */
export function reachable(listening: string, listen: Pick<Listen, 'bindHost' | 'reachHost'>): string {
  return listen.reachHost === listen.bindHost
    ? listening
    : `${listen.reachHost}:${listening.slice(listening.lastIndexOf(':') + 1)}`
}

/**
 * Host names that clients may use for the HTTP ports of a role, as far as the configuration knows
 * them.
 */
function namesOf({ config }: RoleContext, listen: Listen): string[] {
  return [listen.reachHost, config.worker.hostname, ...config.httpHostNames]
}

/**
 * Serves gRPC.
 * @returns the address for other roles
 */
export async function serveRpc(
  context: RoleContext,
  what: string,
  listen: Listen,
  services: readonly ServedService[],
  streams: readonly (readonly StreamMethod[])[] = [],
): Promise<string> {
  const { logger, clock, metrics, config } = context
  const limits = config.rpcPort
  const server = await startServer({
    what,
    host: listen.bindHost,
    port: listen.rpcPort,
    services,
    streams,
    logger,
    clock,
    limits,
  })
  // The gauges sum all RPC ports of a process.
  for (const [name, read] of [
    ['skein_rpc_connections', (): number => server.sessions.connections],
    ['skein_rpc_rejections_total', (): number => server.sessions.turnedAway],
    ['skein_rpc_request_buffers_bytes', (): number => server.sessions.requestBytes],
  ] as const)
    metrics.observeMore(name, read)
  const address = reachable(server.address, listen)
  context.channels.set(address, server.channel)
  context.onStop(`${what} rpc`, () => server.close(context.drainMs()))
  return address
}

/**
 * Serves blocks.
 * @returns the address for other roles
 */
export async function serveData(
  context: RoleContext,
  listen: Listen & { readonly dataPort: number },
  handlers: DataPlaneHandlers,
): Promise<string> {
  const { logger, clock, config, metrics } = context
  const server = await startDataServer({
    host: listen.bindHost,
    port: listen.dataPort,
    handlers,
    logger,
    clock,
    limits: { ...config.worker.data, connectionsMax: config.worker.blockReadersMax },
    names: namesOf(context, listen),
    metrics,
  })
  context.onStop('data port', () => server.close(context.drainMs()))
  return reachable(server.address, listen)
}

/**
 * Serves /healthz, /readyz and /metrics.
 * @returns its address
 */
export async function serveWeb(
  context: RoleContext,
  listen: Listen,
  ready: () => { ready: boolean; why?: string },
): Promise<string> {
  const { clock, metrics } = context
  const server = await startWebServer({
    names: namesOf(context, listen),
    host: listen.bindHost,
    port: listen.webPort,
    metricsText: () => metrics.prometheusText(),
    ready,
    clock,
  })
  context.onStop('web port', () => server.close())
  return reachable(server.address, listen)
}

/** The port of `host:port`. */
export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
