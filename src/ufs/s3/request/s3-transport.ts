// Why: the connections to one bucket, with every time-out set, in one place. How: a pool for the
// endpoint, and one for each host that it sends reads on to (store-requests.ts); all connect under
// the endpoint guard, by the proxy that the environment or the namespace names. Without these
// time-outs a connection that falls silent would hang its reader for ever.
import type { LookupFunction } from 'node:net'
import type { Clock } from '../../../base/clock.ts'
import { checkEndpointHost, guardedLookup, refusedAddress } from './endpoint-guard.ts'
import type { S3Options } from '../../store-options.ts'
import { HttpPool } from '../../transport/http-pool.ts'
import { type ProxyRules, proxyFor, type ProxyServer } from '../../transport/proxy-rules.ts'

const idleMaxMs = 15_000

/** Bytes that arrive in one turn of the event loop. */
const backgroundTurnBytes = 1024 * 1024

export interface S3TransportDependencies {
  readonly allowPrivateEndpoints: boolean
  readonly clock: Clock
  readonly background?: boolean
  /** Proxies of the environment. */
  readonly proxies?: ProxyRules | undefined
  /** Further authorities for TLS, as PEM. For tests. */
  readonly ca?: string | undefined
}

export interface S3Transport {
  /** Scheme and authority of the host that answers for the bucket. */
  readonly origin: URL
  /**
   * What comes before the encoded key in a path: `/`, or `/bucket/` in path style, below the
   * endpoint's own path.
   */
  readonly pathPrefix: string
  /** The proxy on the way to the endpoint, for messages. */
  readonly proxy: ProxyServer | undefined
  /**
   * Connections to a host. The caller closes them. @throws SkeinError permission_denied when it is
   * private and that is not allowed
   */
  connect(origin: URL): HttpPool
}

/**
 * Opens no connection yet. @throws SkeinError permission_denied when the endpoint is private and
 * that is not allowed
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
        // Whoever set the proxy of a process may reach it where it is; one that a namespace names
        // is as an endpoint is.
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
 * A proxy looks names up itself: where this machine can, too, a name that leads inside is refused
 * as without a proxy.
 */
function refusedName(hostname: string, lookup: LookupFunction): Promise<Error | undefined> {
  return new Promise((resolve) => {
    lookup(hostname.replace(/^\[|\]$/g, ''), { all: true }, (error) =>
      resolve(error !== null && refusedAddress(error) ? error : undefined),
    )
  })
}
