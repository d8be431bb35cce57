// Why: the master opens stores from its own records; workers and job workers use what the master
// tells them. How: both use the same defaults and the same guard.
import { randomUUID } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import type { ProxyConfig } from '../config/config.ts'
import { openUnderFileSystem, type StoreAccess } from '../ufs/open-store.ts'
import { proxyOfKeys } from '../ufs/store-options.ts'
import { parseProxy, type ProxyRules } from '../ufs/transport/proxy-rules.ts'
import type { UnderFileSystem } from '../ufs/under-file-system.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'
import { NamespaceDefinitions } from './namespace-definitions.ts'
import type { RoleContext } from './role-shell.ts'

/** Opens stores with the defaults of this process. `background`: no user waits for the reads. */
export function storeOpener(
  context: RoleContext,
  background = false,
): (access: StoreAccess) => Promise<UnderFileSystem> {
  const { clock, random, logger, metrics, config } = context
  const { allowPrivateEndpoints, fileRoots, cosn, proxy } = config.ufs
  return async (access) => {
    // An invalid proxy setting is reported only when a bucket is opened.
    const isBucket = !access.uri.startsWith('file:')
    const proxies = isBucket ? environmentProxies(proxy) : {}
    const deps = { clock, random, logger, metrics, allowPrivateEndpoints, fileRoots, background, proxies }
    const own = isBucket ? proxyOfKeys({ ...proxy, guarded: false }) : undefined
    return await openUnderFileSystem(access, { ...cosn, proxy: own }, deps)
  }
}

function environmentProxies({ http, https, except }: ProxyConfig): ProxyRules {
  return {
    http: http === undefined ? undefined : parseProxy(http.reveal(), 'HTTP_PROXY (skein.ufs.http.proxy)'),
    https: https === undefined ? undefined : parseProxy(https.reveal(), 'HTTPS_PROXY (skein.ufs.https.proxy)'),
    except,
  }
}

/** The namespace definitions that a role uses to open stores. Closed when the process ends. */
export function namespaceDefinitions(
  context: RoleContext,
  master: Pick<Service<MasterServiceDefinition>, 'getNamespaceAccess' | 'holdNamespaces'>,
  background = false,
): NamespaceDefinitions {
  const openStore = storeOpener(context, background)
  const definitions = new NamespaceDefinitions({
    ...{ holderId: randomUUID(), master, clock: context.clock, random: context.random, logger: context.logger },
    open: ({ uri, attributes, secrets }) =>
      openStore({
        uri,
        attributes,
        secrets: Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, new Secret(value)])),
      }),
  })
  context.onStop('namespace definitions', () => definitions.close())
  return definitions
}
