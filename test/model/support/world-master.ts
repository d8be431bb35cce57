// Why: what the job master asks of the cache master is answered by the world of the load model.
// How: pure over the world's files and workers; what the job master says is kept for the tests.
import { blockCount, blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { firstNameOf } from '../../../src/base/paths.ts'
import type {
  ClusterSummary,
  LoadIds,
  MasterServiceDefinition,
  SyncedFile,
} from '../../../src/wire/generated/master.ts'
import type { Service } from '../../../src/wire/service.ts'
import type { VirtualClock } from './load-doubles.ts'
import type { WorldFile, WorldOptions } from './world-options.ts'
import { workerInfo, type WorldWorker } from './world-worker.ts'

/** What the master sees of the world, and what it is told. */
export interface MasterWorld {
  readonly clock: VirtualClock
  readonly files: ReadonlyMap<string, WorldFile>
  readonly workers: readonly WorldWorker[]
  /** When the master hears of a block, by `worker/block`. */
  readonly reportedMs: ReadonlyMap<string, number>
  readonly options: Pick<WorldOptions, 'blindAudit'>
  /** `worker/block`: gone, and listed still. */
  readonly listedStill: ReadonlySet<string>
  readonly masterDown: boolean
  readonly safeMode: boolean
  readonly committed: string[]
  readonly keptAside: { readonly atMs: number; readonly untilMs: number }[]
  readonly replicationOf: Map<number, number>
  runningLoads: LoadIds | undefined
}

const clusterSummary: ClusterSummary = {
  ...{
    masterAddress: '',
    webPort: 0,
    rpcPort: 0,
    startedMs: 0,
    nowMs: 0,
    version: '',
    safeMode: false,
    clusterId: '',
    refusedWorkers: [],
  },
  ...{ liveWorkers: 0, lostWorkers: 0, capacityBytes: 0, usedBytes: 0, tiers: [], files: 0 },
}

/** The live workers that have a block. */
export function replicas(world: MasterWorld, file: WorldFile, index: number): string[] {
  return world.workers
    .filter((worker) => worker.live && worker.blocks.has(blockIdOf(file.fileId, index)))
    .map((worker) => worker.workerId)
}

/** Of which the master has heard. */
function reported(world: MasterWorld, file: WorldFile, index: number): string[] {
  const reportedMs = (workerId: string): number =>
    world.reportedMs.get(`${workerId}/${blockIdOf(file.fileId, index)}`) ?? 0
  return replicas(world, file, index).filter((workerId) => reportedMs(workerId) <= world.clock.now)
}

export function fewestReplicas(world: MasterWorld, file: WorldFile): number {
  const counts = Array.from(
    { length: blockCount(file.length, file.blockSizeBytes) },
    (_, index) => replicas(world, file, index).length,
  )
  return Math.min(...counts, Number.POSITIVE_INFINITY)
}

function synced(world: MasterWorld, file: WorldFile): SyncedFile {
  const blocks = Array.from({ length: blockCount(file.length, file.blockSizeBytes) }, (_, index) => ({
    workerIds: world.workers
      .map(({ workerId }) => workerId)
      .filter(
        (workerId) =>
          reported(world, file, index).includes(workerId) ||
          world.listedStill.has(`${workerId}/${blockIdOf(file.fileId, index)}`),
      ),
  }))
  const { fileId, key, length, etag, blockSizeBytes } = file
  return {
    fileId,
    key,
    length,
    etag,
    blockSizeBytes,
    blocks: blocks.some((block) => block.workerIds.length > 0) ? blocks : [],
    problem: '',
  }
}

/** The master of the world, as the job master asks it. */
export function worldMaster(world: MasterWorld): Service<MasterServiceDefinition> {
  const up =
    <Request, Response>(answer: (request: Request) => Response) =>
    async (request: Request): Promise<Response> => {
      if (world.masterDown) throw new SkeinError('unavailable', 'master down')
      return answer(request)
    }
  const answers: Partial<Service<MasterServiceDefinition>> = {
    getNamespace: up((request) => {
      if (request.path === '/') throw new SkeinError('invalid_argument', 'there is no root mount')
      const name = request.path === undefined ? request.name.slice(1) : firstNameOf(request.path)
      if (name !== 'ns') throw new SkeinError('not_found', `there is no namespace ${name}`)
      return {
        namespaceId: 'n1',
        name,
        uri: '',
        attributes: {},
        secretNames: [],
        createdMs: 0,
        ttlMs: 0,
        ttlAction: 'FREE',
      }
    }),
    listWorkers: up(() => ({ workers: world.workers.map(workerInfo) })),
    syncPage: up(({ path, cursor, limit, stagingExpiresMs }) => {
      if (stagingExpiresMs !== undefined) world.keptAside.push({ atMs: world.clock.nowMs(), untilMs: stagingExpiresMs })
      const prefix = path.slice('/ns/'.length)
      const all = [...world.files.values()]
        .filter(({ key }) => key.startsWith(prefix))
        .toSorted((a, b) => (a.key < b.key ? -1 : 1))
      if (all.length === 0 && prefix !== '') throw new SkeinError('not_found', `${path} does not exist`)
      const rest = all.filter(({ key }) => key > cursor)
      const page = rest.slice(0, limit)
      const files = page.map((file) => synced(world, file))
      return { namespaceId: 'n1', files, nextCursor: rest.length > limit ? (page.at(-1)?.key ?? '') : '' }
    }),
    refreshFile: up(({ key }) => {
      const file = world.files.get(key)
      if (file === undefined) throw new SkeinError('not_found', `there is no object ${key}`)
      return { file: synced(world, file) }
    }),
    getClusterSummary: up(() => ({ ...clusterSummary, safeMode: world.safeMode })),
    commitStaging: up(({ stagingId }) => {
      world.committed.push(stagingId)
      return { changed: 0 }
    }),
    auditFiles: up(({ fileIds, replication }) => {
      if (world.options.blindAudit === true) return { files: [] }
      const byId = new Map([...world.files.values()].map((file) => [file.fileId, file]))
      const audited = fileIds.map((fileId) => {
        const file = byId.get(fileId)
        if (file === undefined) return { fileId, gone: true, shortages: [] }
        const blocks = Array.from({ length: blockCount(file.length, file.blockSizeBytes) }, (_, index) => ({
          blockIndex: index,
          workerIds: reported(world, file, index),
        }))
        return { fileId, gone: false, shortages: blocks.filter((block) => block.workerIds.length < replication) }
      })
      return { files: audited.filter((file) => file.gone || file.shortages.length > 0) }
    }),
    setReplication: up(({ fileIds, min }) => {
      const changed = fileIds.filter((fileId) => (world.replicationOf.get(fileId) ?? min) !== min).length
      for (const fileId of fileIds) world.replicationOf.set(fileId, min)
      return { changed }
    }),
    registerJobMaster: up(({ runningLoads }) => {
      world.runningLoads = runningLoads
      return {}
    }),
  }
  return answers as Service<MasterServiceDefinition>
}
