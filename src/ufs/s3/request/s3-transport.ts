// Why: all connections to one bucket, and all their time-outs, are set up in one place. Without the
// time-outs, a silent connection would block its reader forever. How: one pool for the endpoint,
// and one for each host that it redirects reads to (store-requests.ts). All connect under the
// endpoint guard, through the proxy of the environment or the namespace.
import type { LookupFunction } from 'node:net'
import type { Clock } from '../../../base/clock.ts'
import { checkEndpointHost, guardedLookup, refusedAddress } from './endpoint-guard.ts'
import type { S3Options } from '../../store-options.ts'
import { HttpPool } from '../../transport/http-pool.ts'
import { type ProxyRules, proxyFor, type ProxyServer } from '../../transport/proxy-rules.ts'

const idleMaxMs = 15_000

/** Bytes that are read in one turn of the event loop. */
const backgroundTurnBytes = 1024 * 1024

export interface S3TransportDependencies {
  readonly allowPrivateEndpoints: boolean
  readonly clock: Clock
  readonly background?: boolean
  /** The proxies of the environment. */
  readonly proxies?: ProxyRules | undefined
  /** Additional certificate authorities for TLS, as PEM. For tests. */
  readonly ca?: string | undefined
}

export interface S3Transport {
  /** Scheme and authority of the host that serves the bucket. */
  readonly origin: URL
  /**
   * The part of the path before the encoded key, below the endpoint's own path: `/`, or `/bucket/`
   * in path style.
   */
  readonly pathPrefix: string
  /** The proxy for the endpoint, for messages. */
  readonly proxy: ProxyServer | undefined
  /**
   * Connections to a host. The caller closes them.
   * @throws SkeinError permission_denied when the host is private and private hosts are not allowed
   */
  connect(origin: URL): HttpPool
}

/**
 * Does not connect yet.
 * @throws SkeinError permission_denied when the endpoint is private and private endpoints are not
 *   allowed
 */
export function openTransport(options: S3Options, deps: S3TransportDependencies): S3Transport {
  const { allowPrivateEndpoints, clock, background, proxies = {}, ca } = deps
  const endpoint = new URL(options.endpoint)
  checkEndpointHost(endpoint.hostname, allowPrivateEndpoints)
  const own = options.proxy
  if (own?.guarded === true) checkEndpointHost(own.host, allowPrivateEndpoints)
  const lookup = guardedLookup(allowPrivateEndpoints)
  const proxyOf = (origin: URL): ProxyServer | undefined => own ?? proxyFor(origin, proxies)
  const basePath = endpoint.pathname.replace(/\/$/, '')
  const origin = new URL(
    `${endpoint.protocol}//${options.pathStyle ? endpoint.host : `${options.bucket}.${endpoint.host}`}`,
  )
  return {
    origin,
    pathPrefix: options.pathStyle ? `${basePath}/${options.bucket}/` : `${basePath}/`,
    proxy: proxyOf(origin),
    connect: (to) => {
      checkEndpointHost(to.hostname, allowPrivateEndpoints)
      const proxy = proxyOf(to)
      return new HttpPool({
        origin: to,
        lookup,
        proxy,
        // A proxy of the process may be private, because the operator chose it. A proxy of a
        // namespace is checked like an endpoint.
        proxyLookup: proxy?.guarded === false ? guardedLookup(true) : lookup,
        admission: proxy === undefined || allowPrivateEndpoints ? undefined : () => refusedName(to.hostname, lookup),
        connectionsMax: options.connectionsMax,
        connectTimeoutMs: options.connectionTimeoutMs,
        silenceMaxMs: options.socketTimeoutMs,
        leastBytesPerSecond: options.leastBytesPerSecond,
        idleMaxMs,
        clock,
        ca,
        ...(background === true && { turnBytes: backgroundTurnBytes }),
      })
    },
  }
}

/**
 * A proxy resolves names itself. If this machine can resolve a name, too, and the name leads to a
 * private address, it is refused as without a proxy.
 */
function refusedName(hostname: string, lookup: LookupFunction): Promise<Error | undefined> {
  return new Promise((resolve) => {
    lookup(hostname.replace(/^\[|\]$/g, ''), { all: true }, (error) =>
      resolve(error !== null && refusedAddress(error) ? error : undefined),
    )
  })
}
