// Why: `skein tune probe` measures where reading happens: on a worker, which has the definition and
// the secrets of the namespace, its own network and its own disks. A client has none of these. How:
// one measurement at a time; whoever may call a worker cannot use these calls to read a store with
// many connections at once, or to fill a disk. The limits of a request are those of its fields
// (wire/limits/worker-limits.ts).
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockStore, DirectoryUsage } from '../../block/block-store.ts'
import { measureWrites } from '../../block/disk/directory-speed.ts'
import type {
  DiskProbe,
  ProbeDisksRequest,
  ProbeDisksResponse,
  WorkerServiceDefinition,
} from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'
import { StoreProbe, type StoreProbeDependencies } from './store-probe.ts'

export interface WorkerProbesDependencies extends StoreProbeDependencies {
  readonly store: Pick<BlockStore, 'usage'>
}

export interface WorkerProbes extends Pick<Service<WorkerServiceDefinition>, 'probeStore' | 'probeDisks'> {
  close(): Promise<void>
}

export function createWorkerProbes(deps: WorkerProbesDependencies): WorkerProbes {
  const stores = new StoreProbe(deps)
  let isBusy = false
  const alone = async <T>(measure: () => Promise<T>): Promise<T> => {
    if (isBusy) {
      const message = 'this worker makes another measurement: try again when it has ended'
      throw new SkeinError('resource_exhausted', message, { reason: 'probe_busy' })
    }
    isBusy = true
    try {
      return await measure()
    } finally {
      isBusy = false
    }
  }
  return {
    probeStore: (request, { signal }) => alone(() => stores.run(request, signal)),
    probeDisks: (request, { signal }) => alone(() => probeDisks(deps, request, signal)),
    close: () => stores.close(),
  }
}

/** One after the other: directories may share a disk. */
async function probeDisks(
  { store, clock }: Pick<WorkerProbesDependencies, 'store' | 'clock'>,
  request: ProbeDisksRequest,
  signal: AbortSignal,
): Promise<ProbeDisksResponse> {
  const disks: DiskProbe[] = []
  for (const usage of store.usage()) {
    throwIfAborted(signal)
    const { path, tier, mediumType } = usage
    const named = { path, tier, mediumType }
    const problem = problemOf(usage, request.bytesMax)
    try {
      if (problem !== undefined) throw new SkeinError('resource_exhausted', problem)
      const { bytes, ms } = await measureWrites(path, request, clock, signal)
      disks.push({ ...named, bytes, writeMs: ms, problem: '' })
    } catch (thrown) {
      throwIfAborted(signal)
      disks.push({ ...named, bytes: 0, writeMs: 0, problem: toSkeinError(thrown).message })
    }
  }
  return { disks }
}

/** The file is no block: it must fit beside the blocks. */
function problemOf({ state, quotaBytes, usedBytes }: DirectoryUsage, bytes: number): string | undefined {
  if (state !== 'normal') return `not measured: the directory is ${state}`
  return quotaBytes - usedBytes < bytes ? 'not measured: its quota has no room for the file' : undefined
}
