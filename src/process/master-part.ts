// Why: the cache master as a part, alone in its process or beside the other roles.
import { join } from 'node:path'
import { type CacheMaster, createCacheMaster } from '../cache-master/master-service.ts'
import { openLocalJournal } from '../journal/local-journal.ts'
import { MasterServiceDefinition } from '../wire/generated/master.ts'
import { serving } from '../wire/server.ts'
import type { RoleContext } from './role-shell.ts'
import { portOf, serveRpc } from './servers.ts'
import { storeOpener } from './stores.ts'
import { packageVersion } from './version.ts'

export interface MasterPart {
  readonly master: CacheMaster
  readonly rpc: string
}

const checkpointBytes = 64 * 1024 ** 2
const checkpointEntries = 10_000

/** Brings the state up to the journal, listens, and watches the workers. */
export async function startMasterPart(context: RoleContext, web: string): Promise<MasterPart> {
  const { config, clock, logger, metrics, signal } = context
  const journal = await openLocalJournal({
    directory: join(config.home, 'master', 'journal'),
    segmentBytesMax: config.journal.segmentBytes,
    logger,
    metrics,
    clock,
  })
  context.onStop('master journal', () => journal.close())
  let rpc = config.master.address
  const master = await createCacheMaster({
    home: config.home,
    secretKeyFile: config.master.secretKeyFile,
    journal,
    openStore: storeOpener(context),
    clock,
    logger,
    metrics,
    signal,
    options: {
      blockSizeBytesDefault: config.user.blockSizeBytes,
      workerLostMs: config.master.workerLostTimeoutMs,
      metadataSyncIntervalMs: config.user.metadataSyncIntervalMs,
      version: packageVersion(),
      webPort: portOf(web),
      get rpcPort() {
        return portOf(rpc)
      },
      address: () => rpc,
      checkpointEntries,
      checkpointBytes,
    },
  })
  context.onStop('cache master', () => master.close())
  master.stopped.addEventListener('abort', () => context.fail(master.stopped.reason), { once: true })
  rpc = await serveRpc(context, 'master', config.master, [serving(MasterServiceDefinition, master.service)])
  master.start(signal)
  return { master, rpc }
}
