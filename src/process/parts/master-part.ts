// Why: starts the cache master as a part, alone in its process or together with other roles. How:
// opens its journal and state, then its RPC server.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { restoreBackup } from '../../cache-master/state/backup.ts'
import { type CacheMaster, createCacheMaster } from '../../cache-master/master.ts'
import type { RootMountConfig } from '../../config/config.ts'
import { announceReaders } from './announce-readers.ts'
import { goosefsMasterServices } from './goosefs-part.ts'
import type { DemandGauge } from '../../base/flow/demand-gauge.ts'
import { checkHome } from '../../journal/log/home-parts.ts'
import { openLocalJournal } from '../../journal/log/local-journal.ts'
import { LifecycleServiceDefinition, PersistServiceDefinition } from '../../wire/generated/lifecycle.ts'
import { MasterServiceDefinition } from '../../wire/generated/master.ts'
import { serving } from '../../wire/rpc/server.ts'
import type { ServiceClient } from '../../wire/rpc/channel.ts'
import type { Service } from '../../wire/service.ts'
import { connector } from '../links.ts'
import type { RoleContext } from '../role-shell.ts'
import { portOf, serveRpc } from '../servers.ts'
import { storeOpener } from '../stores.ts'
import { packageVersion } from '../../base/version.ts'

export interface MasterPart {
  readonly master: CacheMaster
  readonly rpc: string
}

const checkpointBytes = 64 * 1024 ** 2
const checkpointEntries = 10_000

/** Replays the journal, listens, and monitors the workers. */
export async function startMasterPart(
  context: RoleContext,
  web: string,
  /** Counts readers that open uncached files. Default: none. */
  demand?: DemandGauge,
): Promise<MasterPart> {
  const { config, clock, logger, metrics, signal } = context
  const { secretKeyFile, isSecretKeyLost, restoreFrom } = config.master
  if (restoreFrom !== undefined)
    await restoreBackup({ file: restoreFrom, home: config.home, secretKeyFile, isSecretKeyLost, logger })
  await checkHome({ directory: join(config.home, 'master'), role: 'master', idName: 'cluster.id' })
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
    secretKeyFile,
    isSecretKeyLost,
    journal,
    skip: { key: 'skein.master.journal.skip', sequence: BigInt(config.journal.masterSkip) },
    openStore: storeOpener(context),
    persistOn: persistConnections(context),
    clock,
    logger,
    metrics,
    signal,
    options: {
      blockSizeBytesDefault: config.user.blockSizeBytes,
      workerLostMs: config.master.workerLostTimeoutMs,
      replication: { graceMs: config.master.replicationGraceMs, intervalMs: config.master.replicationIntervalMs },
      ttlCheckIntervalMs: config.master.ttlCheckerIntervalMs,
      unfinishedFileMs: config.master.unfinishedFileMs,
      unfinishedFilesMax: config.master.unfinishedFilesMax,
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
  if (config.master.root !== undefined) await mountRoot(master, config.master.root)
  const service = demand === undefined ? master.service : announceReaders(master.service, demand, clock)
  const services = [serving(MasterServiceDefinition, service), serving(LifecycleServiceDefinition, master.lifecycle)]
  rpc = await serveRpc(context, 'master', config.master, services, goosefsMasterServices(context, master))
  master.start(signal)
  return { master, rpc }
}

async function mountRoot(master: CacheMaster, { uri, directory }: RootMountConfig): Promise<void> {
  if (directory !== undefined) await mkdir(directory, { recursive: true, mode: 0o700 })
  await master.mountRoot({ uri, isInHome: directory !== undefined })
}

/** One connection per worker address, kept until the role stops. */
function persistConnections(
  context: RoleContext,
): (workerRpcAddress: string) => Service<typeof PersistServiceDefinition> {
  const connect = connector(context)
  const known = new Map<string, ServiceClient<typeof PersistServiceDefinition>>()
  context.onStop('links to workers', () => {
    for (const client of known.values()) client.close()
  })
  return (address) => {
    const client = known.get(address) ?? connect(PersistServiceDefinition, address)
    known.set(address, client)
    return client.service
  }
}
