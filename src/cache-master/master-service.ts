// Why: one look shows which part of the master answers which call. How: the generated service as a
// table; calls that may wait for a store answer in time (store-patience.ts).
import type { WalkResult } from '../journal/state/state-walk.ts'
import type { LifecycleServiceDefinition } from '../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'
import type { ClusterService } from './cluster/cluster-summary.ts'
import type { WorkerCalls } from './cluster/worker-calls.ts'
import type { FreeService } from './files/freeing.ts'
import type { ListService } from './listings/listing.ts'
import type { NamespaceService } from './namespaces/namespaces.ts'
import type { StagingService } from './loads/load-staging.ts'
import type { SyncService } from './loads/load-sync.ts'
import type { MasterContext } from './master-context.ts'
import type { FileService } from './paths/file-look-up.ts'
import type { NextFiles } from './paths/next-files.ts'
import type { BackupService } from './state/backup.ts'
import { askInTime } from './store/store-patience.ts'
import type { ClusterGate } from './workers/cluster-gate.ts'

interface ServiceParts {
  readonly namespaces: NamespaceService
  readonly files: FileService
  readonly nextFiles: NextFiles
  readonly freeing: FreeService
  readonly lists: ListService
  readonly syncs: SyncService
  readonly cluster: ClusterService
  readonly workerCalls: WorkerCalls
  readonly gate: ClusterGate
  readonly backup: BackupService
  readonly checkState: () => Promise<WalkResult>
  readonly staging: StagingService
  readonly setTtl: Service<typeof LifecycleServiceDefinition>['setTtl']
}

export function masterService(context: MasterContext, parts: ServiceParts): Service<typeof MasterServiceDefinition> {
  const {
    namespaces,
    files,
    nextFiles,
    freeing,
    lists,
    syncs,
    cluster,
    workerCalls,
    gate,
    backup,
    checkState,
    staging,
    setTtl,
  } = parts
  const { workers } = context
  return {
    createNamespace: (request, options) => namespaces.create(request, options),
    getNamespace: async (request) => namespaces.get(request),
    listNamespaces: async () => ({ namespaces: namespaces.list() }),
    updateNamespace: (request, options) => namespaces.update(request, setTtl, options),
    deleteNamespace: async (request, options) => {
      await namespaces.delete(request, options)
      return {}
    },
    getNamespaceAccess: async (request) => namespaces.access(request),
    holdNamespaces: async (request) => context.holders.hold(request),
    getStatus: async (request, options) =>
      files.knownStatus(request) ??
      (await askInTime(context, request.path, options, (inTime) => files.getStatus(request, inTime))),
    listStatus: (request, options) =>
      askInTime(context, request.path, options, (inTime) => lists.list(request, inTime)),
    count: (request, options) => askInTime(context, request.path, options, (inTime) => files.count(request, inTime)),
    free: (request, options) => freeing.free(request, options),
    openFile: async (request, options) => {
      if (request.fileId !== undefined) return files.openById(request.fileId)
      const known = files.openKnown(request)
      return known ?? (await askInTime(context, request.path, options, (inTime) => files.openFile(request, inTime)))
    },
    openNextFiles: async (request) => nextFiles.open(request),
    syncPage: (request, options) => syncs.syncPage(request, options),
    refreshFile: (request, options) => syncs.refreshFile(request, options),
    auditFiles: (request, options) => syncs.auditFiles(request, options),
    setReplication: (request) => syncs.setReplication(request),
    reportMetadata: (request) => syncs.reportMetadata(request),
    commitStaging: ({ stagingId }) => staging.commit(stagingId),
    dropStaging: ({ stagingId }) => staging.drop(stagingId),
    registerWorker: (request) => workerCalls.register(request),
    reportBlocks: async (request) => workerCalls.report(request),
    workerHeartbeat: async (request) => workerCalls.heartbeat(request),
    listWorkers: async () => ({ workers: workers.list() }),
    getClusterSummary: async () => cluster.summary(),
    getClusterMetrics: async () => cluster.metrics(),
    backup: ({ directory }) => backup.write(directory),
    checkState: () => checkState(),
    adoptCluster: (request) => gate.adopt(request),
    registerJobMaster: async (request) => {
      cluster.registerJobMaster(request)
      return {}
    },
    getJobMaster: async () => cluster.jobMaster(),
  }
}
