// Why: the master opens stores from its own records, workers and job workers from what the master tells them; both with
// the same defaults and the same guard.
import { Secret } from '../base/secret.ts'
import { openUnderFileSystem, type StoreAccess } from '../ufs/open.ts'
import type { UnderFileSystem } from '../ufs/under-file-system.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'
import type { RoleContext } from './role-shell.ts'

/** Opens stores with this process's defaults. `background`: nobody waits for what is read. */
export function storeOpener(context: RoleContext, background = false): (access: StoreAccess) => Promise<UnderFileSystem> {
  const { clock, random, logger, metrics, config } = context
  const { allowPrivateEndpoints, fileRoots } = config.ufs
  const deps = { clock, random, logger, metrics, allowPrivateEndpoints, fileRoots, background }
  return (access) => openUnderFileSystem(access, config.ufs.cosn, deps)
}

/** Opens the store of a namespace with what the master says of it. */
export function namespaceStoreOpener(
  context: RoleContext,
  master: Pick<Service<MasterServiceDefinition>, 'getNamespaceAccess'>,
  background = false,
): (namespaceId: string, signal: AbortSignal) => Promise<UnderFileSystem> {
  const open = storeOpener(context, background)
  return async (namespaceId, signal) => {
    const { uri, attributes, secrets } = await master.getNamespaceAccess({ namespaceId }, { signal })
    return open({ uri, attributes, secrets: Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, new Secret(value)])) })
  }
}
