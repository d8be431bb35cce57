// Why: before a client opens a file that a worker names, it must know the directories of that
// worker (block/disk/known-place.ts). How: the master knows them from the registration of the
// worker. It is asked once per worker, and again when a file is in none of the known directories.
import type { CallOptions } from '../wire/service.ts'
import type { WorkerList } from '../wire/generated/master.ts'

export type DirectoriesOf = (workerId: string, signal: AbortSignal) => Promise<readonly string[]>

const askMs = 5000

/**
 * Returns no directories for a worker that the master does not know.
 * @throws what the master throws
 */
export function directoriesAtMaster(
  listWorkers: (request: object, options: CallOptions) => Promise<WorkerList>,
): DirectoriesOf {
  return async (workerId, signal) => {
    const { workers } = await listWorkers({}, { signal, deadlineMs: askMs })
    return workers.find((worker) => worker.workerId === workerId)?.directories.map(({ path }) => path) ?? []
  }
}
