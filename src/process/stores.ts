// Why: the master opens stores from its own records; workers and job workers use what the master
// tells them. How: both use the same defaults and the same guard (client/origin/store-opening.ts).
import { randomUUID } from 'node:crypto'
import { NamespaceDefinitions } from '../client/origin/namespace-definitions.ts'
import { openAccess, storeOpening } from '../client/origin/store-opening.ts'
import type { StoreAccess } from '../ufs/open-store.ts'
import type { UnderFileSystem } from '../ufs/under-file-system.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'
import type { RoleContext } from './role-shell.ts'

/** Opens stores with the defaults of this process. `background`: no user waits for the reads. */
export function storeOpener(
  context: RoleContext,
  background = false,
): (access: StoreAccess) => Promise<UnderFileSystem> {
  return storeOpening({ ...context, ufs: context.config.ufs, background })
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
    open: (access) => openAccess(openStore, access),
  })
  context.onStop('namespace definitions', () => definitions.close())
  return definitions
}
