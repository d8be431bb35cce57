// Why: what users change, as the one service they call. How: each part does its own; this puts them
// behind the generated definition.
import type { Random } from '../../base/clock.ts'
import type {
  DecommissionRequest,
  DecommissionResponse,
  ForgetWorkerRequest,
  ForgetWorkerResponse,
  LifecycleServiceDefinition,
} from '../../wire/generated/lifecycle.ts'
import type { Service } from '../../wire/service.ts'
import { AttributeService } from './attributes.ts'
import { BackgroundPersist } from '../written/background-persist.ts'
import { ConsistencyService } from './consistency-check.ts'
import type { MasterContext } from '../master-context.ts'
import type { DetachedClearing } from './detached-clearing.ts'
import { PathHolds } from '../paths/path-holds.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import { type PersistOn, PersistService } from '../written/persisting.ts'
import { RenameService } from './renaming.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { TreeService } from './tree-changes.ts'
import { TtlChecker } from './ttl-checker.ts'
import { WrittenFileService } from '../written/file-writing.ts'
import { UploadedFiles } from '../written/uploaded-files.ts'

export interface LifecycleParts {
  readonly locator: PathLocator
  readonly sync: StoreSync
  readonly clearing: DetachedClearing
  readonly random: Random
  readonly persistOn: PersistOn | undefined
  /** Blocks may be on workers that have not said so yet. */
  readonly mayBlocksCome: () => boolean
  readonly decommission: (request: DecommissionRequest) => Promise<DecommissionResponse>
  readonly forgetWorker: (request: ForgetWorkerRequest) => Promise<ForgetWorkerResponse>
}

export interface Lifecycle {
  readonly service: Service<typeof LifecycleServiceDefinition>
  /** What goes on without being asked, until the signal aborts. */
  run(signal: AbortSignal): void
}

export function createLifecycle(context: MasterContext, parts: LifecycleParts): Lifecycle {
  const { locator, sync, clearing, random, persistOn, mayBlocksCome, decommission, forgetWorker } = parts
  const holds = new PathHolds(context)
  const persisting = new PersistService(context, locator, holds, { persistOn, mayBlocksCome })
  const trees = new TreeService(context, locator, sync, { clearing, holds, persisting })
  const renames = new RenameService(context, locator, sync, holds, persisting)
  const attributes = new AttributeService(context, locator)
  const uploaded = new UploadedFiles(context, { holds, persisting, writes: persisting.writes, persistOn })
  const written = new WrittenFileService(context, { sync, holds, persisting, random, uploaded })
  const consistency = new ConsistencyService(context, locator, sync)
  const service: Lifecycle['service'] = {
    makeDirectory: async (request, options) => {
      await trees.makeDirectory(request, options)
      return {}
    },
    delete: (request, options) => trees.delete(request, options),
    rename: async (request, options) => {
      await renames.rename(request, options)
      return {}
    },
    setTtl: (request, options) => attributes.setTtl(request, options),
    setPinned: (request, options) => attributes.setPinned(request, options),
    setPathReplication: (request, options) => attributes.setReplication(request, options),
    setPathOwnership: (request, options) => attributes.setOwnership(request, options),
    setPathTimes: (request, options) => attributes.setTimes(request, options),
    setClientMetadata: (request, options) => attributes.setClientMetadata(request, options),
    createFile: (request, options) => written.create(request, options),
    placeBlock: (request) => written.place(request),
    completeFile: (request, options) => written.complete(request, options),
    getUnfinishedFile: async (request) => written.unfinished(request),
    abandonFile: async ({ fileId }) => {
      await written.abandon(fileId)
      return {}
    },
    noteUpload: async (request) => {
      await written.noteUpload(request)
      return {}
    },
    noteWrittenBlock: async (request) => {
      await written.note(request)
      return {}
    },
    persist: ({ path }, options) => persisting.persist(path, options),
    loadMetadata: (request, options) => consistency.loadMetadata(request, options),
    checkConsistency: (request, options) => consistency.check(request, options),
    decommission: (request) => decommission(request),
    forgetWorker: (request) => forgetWorker(request),
  }
  const ttlChecker = new TtlChecker(context, trees)
  const background = new BackgroundPersist(context, persisting)
  const run = (signal: AbortSignal): void => {
    attributes.finishTtlChanges(signal).catch((error: unknown) => {
      if (!signal.aborted)
        context.logger.warn("following a namespace's TTL did not end; it goes on after the next start", { error })
    })
    void ttlChecker.run(signal)
    if (persistOn !== undefined) void background.run(signal)
  }
  return { service, run }
}
