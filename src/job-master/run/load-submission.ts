// Why: what cannot work is refused at once, by one line that says why, before anything is written
// down or loaded. How: the request is checked, then the master is asked for the namespace, the path
// and the live workers.
import type { JobMasterContext } from '../job-master-context.ts'
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { formatPath, parsePath } from '../../base/paths.ts'
import { stagingOf } from '../../load/load.ts'
import { type HostChoice, isChosenHost } from '../../load/placing/placement.ts'
import type { Delta, SubmitLoad } from '../../load/state/load-commands.ts'
import type { SubmitLoadRequest } from '../../wire/generated/job.ts'
import type { MasterServiceDefinition, SyncPageResponse } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import { checkNoOverlap } from './atomic-load.ts'
import { checkIndex } from './staged-list.ts'
import { planStaging } from '../plan/file-pages.ts'
import { loadOptionsOf } from '../options/load-options.ts'

const requestKeyMax = 200
/** Loads that have not ended: each submission is held against all of them. */
const activeLoadsMax = 5000
const safeModePollMs = 100

/**
 * The command of a request that may be accepted.
 * @throws SkeinError invalid_argument, not_found (namespace, path), failed_precondition (too few
 *   live workers, an atomic load that overlaps), unavailable
 */
export async function checkSubmission(
  request: SubmitLoadRequest,
  { master, tables, options, clock }: Pick<JobMasterContext, 'master' | 'tables' | 'options' | 'clock'>,
  signal: AbortSignal,
  isPlan = false,
): Promise<SubmitLoad> {
  const { requestKey } = request
  const path = parsePath(request.path)
  if (path.namespace === '')
    throw new SkeinError('invalid_argument', 'name a namespace to load: /namespace or /namespace/dir')
  if (requestKey.length > requestKeyMax)
    throw new SkeinError('invalid_argument', `the request key is longer than ${requestKeyMax} characters`)
  if (tables.active.scan([], 0, activeLoadsMax).length >= activeLoadsMax)
    throw new SkeinError(
      'resource_exhausted',
      `${activeLoadsMax} loads run or wait already: wait until some have ended`,
    )
  const loadOptions = loadOptionsOf(request, options)
  const { replication } = loadOptions
  const indexId = request.indexId === undefined || request.indexId === '' ? undefined : request.indexId
  await master.getNamespace({ name: path.namespace }, { signal })
  const known = { path: formatPath(path), options: loadOptions }
  // Before the look below, which makes the first file known: an atomic load shows nothing of itself
  // until its end.
  checkNoOverlap(tables, { ...known, ...(indexId !== undefined && { indexId }) })
  let delta: Delta | undefined
  if (indexId !== undefined) checkIndex(tables, indexId, path.namespace)
  else {
    // Refuses a path at which there is nothing; an empty directory is something, and loads to
    // nothing.
    const staging = isPlan ? planStaging : stagingOf(known, clock.nowMs())
    const page = await master.syncPage({ path: known.path, cursor: '', limit: 1, ...staging }, { signal })
    delta = deltaOf(page)
  }
  if (loadOptions.metadataOnly !== true) await checkWorkers(master, replication, loadOptions.hosts, clock, signal)
  return {
    type: 'SubmitLoad',
    nowMs: clock.nowMs(),
    requestKey,
    ...known,
    ...(indexId !== undefined && { indexId }),
    ...(delta !== undefined && { delta }),
  }
}

/** What a page found new; undefined when nothing. */
function deltaOf({ files, removed = 0 }: SyncPageResponse): Delta | undefined {
  const filesAdded = files.filter((file) => file.change === 'ADDED').length
  const filesChanged = files.filter((file) => file.change === 'CHANGED').length
  return filesAdded + filesChanged + removed === 0 ? undefined : { filesAdded, filesChanged, filesRemoved: removed }
}

/** A master in safe mode has not heard of all its workers yet: it is asked again until it has. */
async function checkWorkers(
  master: Service<MasterServiceDefinition>,
  replication: number,
  hosts: HostChoice | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let safeMode = true
  for (;;) {
    const { workers } = await master.listWorkers({}, { signal })
    const chosen = workers.filter((worker) => worker.live && isChosenHost(hosts, worker.hostname))
    const live = chosen.filter((worker) => worker.decommissioning !== true).length
    if (live >= replication) return
    if (!safeMode) throw tooFewWorkers(replication, live, chosen.length - live, hosts)
    // Where it has just ended, the workers that ended it are in the next list.
    ;({ safeMode } = await master.getClusterSummary({}, { signal }))
    if (safeMode) await clock.sleep(safeModePollMs, signal)
  }
}

function tooFewWorkers(replication: number, live: number, leaving: number, hosts: HostChoice | undefined): SkeinError {
  const [needs, are] = [
    replication === 1 ? '1 live worker' : `${replication} live workers`,
    live === 1 ? '1 is' : `${live} are`,
  ]
  const where =
    hosts === undefined || hosts.hosts.length + hosts.excludedHosts.length === 0 ? '' : ' on the chosen hosts'
  const besides = leaving === 0 ? '' : `, ${leaving} more ${leaving === 1 ? 'is' : 'are'} being decommissioned`
  return new SkeinError(
    'failed_precondition',
    `replication ${replication} needs ${needs}, ${are} live${where}${besides}`,
    {
      reason: 'too_few_workers',
    },
  )
}
