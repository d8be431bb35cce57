// Why: what cannot work is refused at once, by one line that says why, before anything is written down or loaded.
// How: the request is checked, then the master is asked for the namespace, the path and the live workers.
import type { Clock } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'
import { formatPath, parsePath } from '../base/paths.ts'
import type { SubmitLoad } from '../load/commands.ts'
import type { SubmitLoadRequest } from '../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'
import type { JobMasterOptions } from './options.ts'

const requestKeyMax = 200
const countMax = 1_000_000
const safeModePollMs = 100

/**
 * The command of a request that may be accepted.
 * @throws SkeinError invalid_argument, not_found (namespace, path), failed_precondition (too few live workers), unavailable
 */
export async function checkSubmission(
  request: SubmitLoadRequest,
  master: Service<MasterServiceDefinition>,
  options: JobMasterOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<SubmitLoad> {
  const { requestKey } = request
  const path = parsePath(request.path)
  if (path.namespace === '') throw new SkeinError('invalid_argument', 'name a namespace to load: /namespace or /namespace/dir')
  if (requestKey.length > requestKeyMax)
    throw new SkeinError('invalid_argument', `the request key is longer than ${requestKeyMax} characters`)
  const replication = count('--replication', request.options?.replication ?? 1, 1)
  const activeJobs = count('--active-jobs', request.options?.activeJobs ?? options.activeJobsDefault, 1)
  const batchSize = count('--batch-size', request.options?.batchSize ?? 0, 0)
  await master.getNamespace({ name: path.namespace }, { signal })
  // Refuses a path at which there is nothing; an empty directory is something, and loads to nothing.
  await master.syncPage({ path: formatPath(path), cursor: '', limit: 1 }, { signal })
  await checkWorkers(master, replication, clock, signal)
  return {
    type: 'SubmitLoad',
    nowMs: clock.nowMs(),
    requestKey,
    path: formatPath(path),
    options: { replication, activeJobs, batchSize: batchSize === 0 ? options.batchFiles : batchSize },
  }
}

function count(name: string, value: number, minimum: number): number {
  if (!Number.isInteger(value) || value < minimum || value > countMax) {
    throw new SkeinError('invalid_argument', `${name} ${value}: must be a whole number from ${minimum} to ${countMax}`)
  }
  return value
}

/** A master in safe mode has not heard of all its workers yet: it is asked again until it has. */
async function checkWorkers(
  master: Service<MasterServiceDefinition>,
  replication: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let safeMode = true
  for (;;) {
    const { workers } = await master.listWorkers({}, { signal })
    const live = workers.filter((worker) => worker.live).length
    if (live >= replication) return
    if (!safeMode) throw tooFewWorkers(replication, live)
    // Where it has just ended, the workers that ended it are in the next list.
    ;({ safeMode } = await master.getClusterSummary({}, { signal }))
    if (safeMode) await clock.sleep(safeModePollMs, signal)
  }
}

function tooFewWorkers(replication: number, live: number): SkeinError {
  const [needs, are] = [replication === 1 ? '1 live worker' : `${replication} live workers`, live === 1 ? '1 is' : `${live} are`]
  return new SkeinError('failed_precondition', `replication ${replication} needs ${needs}, ${are} live`, { reason: 'too_few_workers' })
}
