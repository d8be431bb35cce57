// Why: the cache master as one thing: what it is given, what it serves, how it starts and ends.
// How: the state is opened and brought up to the journal, then the parts are put together behind
// the generated service (master-service.ts).
import { extname, join } from 'node:path'
import { makeDirectories } from '../base/files/make-directories.ts'
import { blockCount, containerOf } from '../base/block-id.ts'
import { type Clock, type Random, systemRandom } from '../base/clock.ts'
import { Standstill } from '../base/flow/standstill.ts'
import { type SkeinError, toSkeinError } from '../base/errors.ts'
import { CommandLog } from '../journal/command-log.ts'
import type { Journal } from '../journal/journal.ts'
import { LmdbState } from '../journal/state/lmdb-state.ts'
import type { JournalSkip } from '../journal/replay.ts'
import type { WalkResult } from '../journal/state/state-walk.ts'
import { BlockMap, unknownBlockCount } from '../meta/block-map.ts'
import { commandProblem } from '../meta/commands/meta-command-checks.ts'
import type { Command, Effect } from '../meta/commands/commands.ts'
import { namespaceById } from '../meta/resolve-path.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import {
  type DecommissionRequest,
  type DecommissionResponse,
  LifecycleServiceDefinition,
} from '../wire/generated/lifecycle.ts'
import { MasterServiceDefinition } from '../wire/generated/master.ts'
import { limited } from '../wire/limits/all-limits.ts'
import type { Service } from '../wire/service.ts'
import { BackupService } from './state/backup.ts'
import { ClusterGate } from './workers/cluster-gate.ts'
import { BlockNotices } from './workers/block-notices.ts'
import { ClusterService } from './cluster/cluster-summary.ts'
import { decodeCommand, encodeCommand } from './state/command-codec.ts'
import { mountConfiguredRoot, type WantedRoot } from './namespaces/configured-root.ts'
import { DetachedClearing } from './files/detached-clearing.ts'
import { Decommission } from './cluster/decommission.ts'
import { DelayedDrops } from './workers/delayed-drops.ts'
import { FileService } from './paths/file-look-up.ts'
import { NextFiles } from './paths/next-files.ts'
import { FreeService } from './files/freeing.ts'
import { createLifecycle } from './files/lifecycle-calls.ts'
import { ListService } from './listings/listing.ts'
import { type Accepted, LmdbTables } from './state/lmdb-tables.ts'
import type { MasterContext, MasterOptions } from './master-context.ts'
import { masterService } from './master-service.ts'
import { NamespaceService } from './namespaces/namespaces.ts'
import { PathLocator } from './paths/path-locator.ts'
import type { PersistOn } from './written/persisting.ts'
import { DefinitionHolders } from './workers/definition-holders.ts'
import { PersistProblems } from './state/persist-problems.ts'
import { RecentChanges } from './state/recent-changes.ts'
import { ReplicationChecker } from './replication/replication-checker.ts'
import { SafeMode } from './cluster/safe-mode.ts'
import { markLostSecrets } from './state/lost-secrets.ts'
import { SecretSealing } from './state/secret-sealing.ts'
import { type OpenStore, StorePool } from './state/store-pool.ts'
import { StagingService } from './loads/load-staging.ts'
import { newClusterId, readClusterId, writeClusterId } from './state/cluster-id.ts'
import { StateIdentity } from './state/state-identity.ts'
import { StoreSync } from './store/store-sync.ts'
import { SyncService } from './loads/load-sync.ts'
import { WorkerCalls } from './cluster/worker-calls.ts'
import { WorkerRegistry } from './workers/worker-registry.ts'

export interface CacheMasterDependencies {
  /** `skein.home`; the state lies in `<home>/master`. */
  readonly home: string
  /** Seals the namespaces' secrets; default `<home>/master/secret.key`. */
  readonly secretKeyFile?: string
  /**
   * What the key does not open is marked as lost, in place of a refused start (lost-secrets.ts).
   */
  readonly isSecretKeyLost?: boolean
  /** The caller closes it, after this. */
  readonly journal: Journal
  /** Default: no entry is left out. */
  readonly skip?: JournalSkip
  readonly openStore: OpenStore
  readonly clock: Clock
  /** Default: the system's. */
  readonly random?: Random
  /** Default: none; then nothing can be persisted. */
  readonly persistOn?: PersistOn
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options: MasterOptions
  /** Ends a start that waits for its turn at the journal. */
  readonly signal: AbortSignal
}

export interface CacheMaster {
  readonly service: Service<typeof MasterServiceDefinition>
  readonly lifecycle: Service<typeof LifecycleServiceDefinition>
  /**
   * Makes the root mount that is set, before anybody calls. @throws SkeinError, see
   * configured-root.ts
   */
  mountRoot(wanted: WantedRoot): Promise<void>
  /** As `lifecycle.decommission`. */
  decommission(request: DecommissionRequest): Promise<DecommissionResponse>
  /**
   * Aborts, with the reason, when changes can no longer be made and the process should be started
   * again.
   */
  readonly stopped: AbortSignal
  /**
   * Watches the workers and finishes what a restart interrupted, until the signal aborts or close.
   */
  start(signal: AbortSignal): void
  close(): Promise<void>
}

/** How long a version that a swap replaced can be read by those who have opened it. */
const replacedReadableMs = 60_000
const watchIntervalMs = 1000

/** @throws SkeinError when the state, the key or the journal cannot be opened */
export async function createCacheMaster(deps: CacheMasterDependencies): Promise<CacheMaster> {
  const { clock, logger, metrics, options } = deps
  const directory = join(deps.home, 'master')
  await makeDirectories(directory, 0o700)
  const secretKeyFile = deps.secretKeyFile ?? join(directory, 'secret.key')
  const idPath = join(directory, 'cluster.id')
  const writtenId = await readClusterId(idPath)
  // First the right to write, then the state: another master may have written until now.
  const term = await deps.journal.campaign(writtenId ?? 'new cluster', deps.signal)
  const damaged = new AbortController()
  const onDamage = (error: SkeinError): void => {
    logger.error(error.message, { error })
    damaged.abort(error)
  }
  const agreement = join(import.meta.dirname, 'state', `state-agreement${extname(import.meta.filename)}`)
  const state = await LmdbState.open({ directory: join(directory, 'state'), logger, onDamage, agreement })
  const tables = new LmdbTables(state)
  const identity = new StateIdentity(state)
  const blocks = new BlockMap()
  const countOf = (fileId: number): number | undefined => {
    const inode = tables.inode(fileId)
    if (inode?.kind === 'pending') return unknownBlockCount
    return inode?.kind === 'file' ? blockCount(inode.length, inode.blockSizeBytes) : undefined
  }
  const isDecommissioning = (workerId: string): boolean => tables.decommissioning().has(workerId)
  const standstill = new Standstill(clock)
  const workers = new WorkerRegistry({
    ...{ blocks, blockCount: countOf, clock, logger, workerLostMs: options.workerLostMs, isDecommissioning },
    stoodStillMs: () => standstill.totalMs,
    // Damage that no walk has come across yet may hide the row of a file that only a worker has.
    wasDeleted: (fileId) =>
      state.isWalked &&
      tables.inode(fileId) === undefined &&
      identity.gaveOut(containerOf(fileId), tables.counter('containers')),
  })
  const { random = systemRandom } = deps
  const replication = new ReplicationChecker({
    tables,
    blocks,
    workers,
    clock,
    random,
    logger,
    metrics,
    options: options.replication,
  })
  workers.watch(replication)
  const notices = new BlockNotices(tables, blocks)
  const replaced = new DelayedDrops(clock, replacedReadableMs, (fileId) => workers.dropFile(fileId))
  try {
    const log = await CommandLog.open<Command, Accepted, Effect>({
      journal: deps.journal,
      term,
      state: tables,
      check: commandProblem,
      ...(deps.skip === undefined ? {} : { skip: deps.skip }),
      encode: encodeCommand,
      decode: decodeCommand,
      onEffect: (effect) => {
        if (effect.type === 'replication_changed') replication.changed(effect.fileId)
        else if (effect.type === 'persisted') notices.persisted(effect.fileId)
        else if (effect.type === 'pin_changed') notices.pinChanged(effect.fileId)
        else if (effect.mayBeRead === true) replaced.add(effect.fileId)
        else workers.dropFile(effect.fileId)
      },
      logger,
      checkpointEntries: options.checkpointEntries,
      checkpointBytes: options.checkpointBytes,
    })
    const { isSecretKeyLost = false } = deps
    const sealing = await SecretSealing.openFor(secretKeyFile, tables.namespaces(), isSecretKeyLost).catch(
      async (error: unknown) => {
        await log.close()
        throw error
      },
    )
    if (isSecretKeyLost) await markLostSecrets(log, tables, sealing, clock, logger)
    // The id is written last: with it, the home is a master's and has all of its parts
    // (journal/log/home-parts.ts).
    const clusterId = writtenId ?? identity.clusterId ?? newClusterId(state.lastApplied, idPath)
    await identity.ensure(clusterId, tables.counter('containers'))
    if (writtenId === undefined) await writeClusterId(idPath, clusterId)
    const stores = new StorePool(deps.openStore, sealing, (id) => namespaceById(tables, id), logger)
    metrics.observe('skein_master_files', () => tables.counter('files'))
    metrics.observe('skein_master_unfinished_files', () => tables.counter('pending'))
    metrics.observe('skein_master_block_map_bytes', () => blocks.bytes)
    metrics.observe('skein_master_state_used_bytes', () => state.usedBytes())
    const workersThat = (live: boolean) => (): number => workers.list().filter((worker) => worker.live === live).length
    metrics.observe('skein_master_workers', workersThat(true), { state: 'live' })
    metrics.observe('skein_master_workers', workersThat(false), { state: 'lost' })
    const changes = new RecentChanges(tables)
    const context = {
      ...{ tables, changes, log: changes.watching(log), blocks, workers },
      stores,
      holders: new DefinitionHolders(tables, clock, options.definitionLeaseMs),
      sealing,
      persistProblems: new PersistProblems(clock),
      clock,
      logger,
      metrics,
      options,
    }
    const backup = new BackupService({
      ...{ state, tables, identity, home: deps.home, clock, logger },
      version: options.version,
    })
    const checkState = (): Promise<WalkResult> => state.check()
    const closeState = (): Promise<void> => state.close()
    return assemble(context, {
      replication,
      standstill,
      notices,
      backup,
      identity,
      random,
      persistOn: deps.persistOn,
      checkState,
      closeState,
      damaged: damaged.signal,
    })
  } catch (error) {
    await state.close()
    throw error
  }
}

interface Assembly {
  readonly replication: ReplicationChecker
  readonly standstill: Standstill
  readonly notices: BlockNotices
  readonly backup: BackupService
  readonly identity: StateIdentity
  readonly random: Random
  readonly persistOn: PersistOn | undefined
  readonly checkState: () => Promise<WalkResult>
  readonly closeState: () => Promise<void>
  /** Aborts when something in the state is found to be wrong. */
  readonly damaged: AbortSignal
}

function assemble(context: MasterContext, assembly: Assembly): CacheMaster {
  const { replication, standstill, notices, backup, identity, random, persistOn, checkState, closeState } = assembly
  const sync = new StoreSync(context)
  const locator = new PathLocator(context, sync)
  const lists = new ListService(context, locator, sync)
  const clearing = new DetachedClearing(context)
  const namespaces = new NamespaceService(context, clearing, locator)
  const safeMode = new SafeMode(context)
  const staging = new StagingService(context, sync)
  const gate = new ClusterGate(identity, context.clock, context.logger)
  const cluster = new ClusterService(context, identity.clusterId ?? '', safeMode, () => gate.refusedWorkers())
  const workerCalls = new WorkerCalls({
    ...{ gate, workers: context.workers, replication, safeMode, notices, metrics: cluster.sums },
    runningLoads: () => cluster.runningLoads(),
  })
  const decommission = new Decommission(context, replication, safeMode)
  const lifecycle = createLifecycle(context, {
    ...{ locator, sync, clearing, random, persistOn, mayBlocksCome: () => safeMode.isOn },
    decommission: (request) => decommission.decommission(request),
    forgetWorker: (request) => decommission.forget(request),
  })
  const service = masterService(context, {
    namespaces,
    files: new FileService(context, locator, sync),
    nextFiles: new NextFiles(context, locator),
    freeing: new FreeService(context, locator, () => safeMode.isOn),
    lists,
    syncs: new SyncService(context, sync, staging),
    cluster,
    workerCalls,
    gate,
    backup,
    checkState,
    staging,
    setTtl: lifecycle.service.setTtl,
  })
  const closing = new AbortController()
  return {
    service: limited(MasterServiceDefinition, service),
    lifecycle: limited(LifecycleServiceDefinition, lifecycle.service),
    mountRoot: (wanted) => mountConfiguredRoot(context, namespaces, wanted, closing.signal),
    decommission: (request) => decommission.decommission(request),
    stopped: AbortSignal.any([context.log.stopped, assembly.damaged]),
    start: (signal) => {
      const either = AbortSignal.any([signal, closing.signal])
      void watchWorkers(context, safeMode, workerCalls, either)
      void replication.run(either)
      lifecycle.run(either)
      void staging.run(either)
      standstill.watch(either)
      if (clearing.isNeeded) {
        clearing
          .run()
          .catch((error: unknown) => context.logger.warn('clearing deleted namespaces did not end', { error }))
      }
    },
    close: async () => {
      closing.abort()
      lists.close()
      sync.close()
      try {
        await context.log.close()
      } finally {
        await context.stores.close()
        await closeState()
      }
    },
  }
}

async function watchWorkers(
  context: MasterContext,
  safeMode: SafeMode,
  calls: WorkerCalls,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await context.clock.sleep(watchIntervalMs, signal)
      context.workers.expire()
      calls.forgetLost()
      await safeMode.forgetLost()
    }
  } catch (error) {
    if (!signal.aborted) context.logger.error('watching the workers ended', { error: toSkeinError(error) })
  }
}
