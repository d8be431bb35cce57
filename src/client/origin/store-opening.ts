// Why: every process that opens stores uses the same defaults and the same guard. How: both come
// from its configuration.
import type { Clock, Random } from '../../base/clock.ts'
import { Secret } from '../../base/secret.ts'
import type { ProxyConfig, UfsConfig } from '../../config/config.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { openUnderFileSystem, type StoreAccess } from '../../ufs/open-store.ts'
import { proxyOfKeys } from '../../ufs/store-options.ts'
import { parseProxy, type ProxyRules } from '../../ufs/transport/proxy-rules.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'
import type { NamespaceAccess } from '../../wire/generated/master.ts'

export interface StoreOpeningOptions {
  readonly ufs: UfsConfig
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  /** No user waits for the reads. */
  readonly background?: boolean
}

export type OpenAccess = (access: StoreAccess) => Promise<UnderFileSystem>

/** @throws SkeinError see ufs/open-store.ts */
export function storeOpening({ ufs, background = false, ...context }: StoreOpeningOptions): OpenAccess {
  const { clock, random, logger, metrics } = context
  const { allowPrivateEndpoints, fileRoots, cosn, proxy } = ufs
  return async (access) => {
    // An invalid proxy setting is reported only when a bucket is opened.
    const isBucket = !access.uri.startsWith('file:')
    const proxies = isBucket ? environmentProxies(proxy) : {}
    const deps = { clock, random, logger, metrics, allowPrivateEndpoints, fileRoots, background, proxies }
    const own = isBucket ? proxyOfKeys({ ...proxy, guarded: false }) : undefined
    return await openUnderFileSystem(access, { ...cosn, proxy: own }, deps)
  }
}

/** Opens what the master describes. @param secrets default: those of the answer */
export function openAccess(
  open: OpenAccess,
  { uri, attributes, secrets: told }: NamespaceAccess,
  secrets: Readonly<Record<string, string>> = told,
): Promise<UnderFileSystem> {
  const named = Object.entries(secrets).map(([name, value]) => [name, new Secret(value)] as const)
  return open({ uri, attributes, secrets: Object.fromEntries(named) })
}

function environmentProxies({ http, https, except }: ProxyConfig): ProxyRules {
  return {
    http: http === undefined ? undefined : parseProxy(http.reveal(), 'HTTP_PROXY (skein.ufs.http.proxy)'),
    https: https === undefined ? undefined : parseProxy(https.reveal(), 'HTTPS_PROXY (skein.ufs.https.proxy)'),
    except,
  }
}
