// Why: before a file that a worker names is opened it must be known which directories are the
// worker's (block/disk/known-place.ts). How: the master knows them from the worker's registration;
// asked once for each worker, and again when what a worker names is in none.
import type { CallOptions } from '../wire/service.ts'
import type { WorkerList } from '../wire/generated/master.ts'

export type DirectoriesOf = (workerId: string, signal: AbortSignal) => Promise<readonly string[]>

const askMs = 5000

/** Those of a worker that the master does not know: none. @throws what the master throws */
export function directoriesAtMaster(
  listWorkers: (request: object, options: CallOptions) => Promise<WorkerList>,
): DirectoriesOf {
  return async (workerId, signal) => {
    const { workers } = await listWorkers({}, { signal, deadlineMs: askMs })
    return workers.find((worker) => worker.workerId === workerId)?.directories.map(({ path }) => path) ?? []
  }
}
