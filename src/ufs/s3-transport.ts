// Why: the connections to one bucket, with every time-out set, in one place. How: http-get.ts for the signed range GETs, and
// an undici agent behind the SDK's handler for the rest; both connect through the endpoint guard.
// Without these time-outs a connection that falls silent would hang its reader for ever.
import { UndiciHttpHandler } from '@smithy/undici-http-handler'
import { Agent } from 'undici'
import type { Clock } from '../base/clock.ts'
import { checkEndpointHost, guardedLookup } from './endpoint-guard.ts'
import { HttpGetPool } from './http-get.ts'
import type { S3Options } from './store-options.ts'

const idleMaxMs = 15_000

/** Bytes that arrive in one turn of the event loop. */
const backgroundTurnBytes = 1024 * 1024

interface S3TransportDependencies {
  readonly allowPrivateEndpoints: boolean
  readonly clock: Clock
  readonly background?: boolean
}

export interface S3Transport {
  /** Connections to the host that answers for the bucket. */
  readonly pool: HttpGetPool
  /** The `Host` header of requests that go through the pool. */
  readonly host: string
  /** What comes before the encoded key in a path: `/`, or `/bucket/` in path style. */
  readonly pathPrefix: string
  readonly sdkHandler: UndiciHttpHandler
  close(): Promise<void>
}

/** Opens no connection yet. @throws SkeinError permission_denied when the endpoint is private and that is not allowed */
export function openTransport(options: S3Options, { allowPrivateEndpoints, clock, background }: S3TransportDependencies): S3Transport {
  const endpoint = new URL(options.endpoint)
  checkEndpointHost(endpoint.hostname, allowPrivateEndpoints)
  const host = options.pathStyle ? endpoint.host : `${options.bucket}.${endpoint.host}`
  const lookup = guardedLookup(allowPrivateEndpoints)
  const pool = new HttpGetPool({
    origin: new URL(`${endpoint.protocol}//${host}`),
    lookup,
    connectionsMax: options.connectionsMax,
    connectTimeoutMs: options.connectionTimeoutMs,
    silenceMaxMs: options.socketTimeoutMs,
    idleMaxMs,
    clock,
    ...(background === true && { turnBytes: backgroundTurnBytes }),
  })
  const agent = new Agent({
    connections: options.connectionsMax,
    pipelining: 1,
    allowH2: false,
    headersTimeout: options.socketTimeoutMs,
    bodyTimeout: options.socketTimeoutMs,
    keepAliveTimeout: idleMaxMs,
    connect: { timeout: options.connectionTimeoutMs, lookup },
  })
  return {
    pool,
    host,
    pathPrefix: options.pathStyle ? `/${options.bucket}/` : '/',
    sdkHandler: new UndiciHttpHandler({ dispatcher: agent }),
    close: async () => {
      pool.close()
      await agent.destroy()
    },
  }
}
