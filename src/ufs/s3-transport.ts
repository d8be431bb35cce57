// Why: the connections to one bucket, with every time-out set, in one place. How: an undici pool for the signed range
// GETs, and an undici agent behind the SDK's handler for the rest; both connect through the endpoint guard.
// Without these time-outs a connection that falls silent would hang its reader for ever.
import { UndiciHttpHandler } from '@smithy/undici-http-handler'
import { Agent, Pool } from 'undici'
import { checkEndpointHost, guardedLookup } from './endpoint-guard.ts'
import type { S3Options } from './store-options.ts'

export interface S3Transport {
  /** Connections to the host that answers for the bucket. */
  readonly pool: Pool
  /** The `Host` header of requests that go through the pool. */
  readonly host: string
  /** What comes before the encoded key in a path: `/`, or `/bucket/` in path style. */
  readonly pathPrefix: string
  readonly sdkHandler: UndiciHttpHandler
  close(): Promise<void>
}

/** Opens no connection yet. @throws SkeinError permission_denied when the endpoint is private and that is not allowed */
export function openTransport(options: S3Options, allowPrivateEndpoints: boolean): S3Transport {
  const endpoint = new URL(options.endpoint)
  checkEndpointHost(endpoint.hostname, allowPrivateEndpoints)
  const host = options.pathStyle ? endpoint.host : `${options.bucket}.${endpoint.host}`
  const limits = {
    connections: options.connectionsMax,
    pipelining: 1,
    allowH2: false,
    headersTimeout: options.socketTimeoutMs,
    bodyTimeout: options.socketTimeoutMs,
    keepAliveTimeout: 15_000,
    connect: { timeout: options.connectionTimeoutMs, lookup: guardedLookup(allowPrivateEndpoints) },
  }
  const pool = new Pool(`${endpoint.protocol}//${host}`, limits)
  const agent = new Agent(limits)
  return {
    pool,
    host,
    pathPrefix: options.pathStyle ? `/${options.bucket}/` : '/',
    sdkHandler: new UndiciHttpHandler({ dispatcher: agent }),
    close: async () => {
      await Promise.all([pool.destroy(), agent.destroy()])
    },
  }
}
