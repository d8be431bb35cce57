// Why: a load that cannot work is refused at once, with one line that says why, before anything is
// journaled or loaded. How: the request is checked, then the master is asked for the namespace, the
// path and the live workers.
import type { JobMasterContext } from '../job-master-context.ts'
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { formatPath, placeWithin } from '../../base/paths.ts'
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
/** Maximum number of unfinished loads. Each submission is compared with all of them. */
const activeLoadsMax = 5000
const safeModePollMs = 100

/**
 * Returns the command for an acceptable request.
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
  if (requestKey.length > requestKeyMax)
    throw new SkeinError('invalid_argument', `the request key is longer than ${requestKeyMax} characters`)
  if (tables.active.scan([], 0, activeLoadsMax).length >= activeLoadsMax)
    throw new SkeinError(
      'resource_exhausted',
      `${activeLoadsMax} loads are running or waiting: wait until some have ended`,
    )
  const loadOptions = loadOptionsOf(request, options)
  const { replication } = loadOptions
  const indexId = request.indexId === undefined || request.indexId === '' ? undefined : request.indexId
  const { name } = await master.getNamespace({ name: '', path: request.path }, { signal })
  const inRoot = name === ''
  // As it is written otherwise, the same load would not be known.
  const path = formatPath(placeWithin(name, request.path))
  const known = { path, options: loadOptions, ...(inRoot && { inRoot }) }
  // Must come before the lookup below, which creates the first file: an atomic load shows nothing
  // until its end.
  checkNoOverlap(tables, { ...known, ...(indexId !== undefined && { indexId }) })
  let delta: Delta | undefined
  if (indexId !== undefined) checkIndex(tables, indexId, name)
  else {
    // Refuses a path that does not exist. An empty directory exists, and its load has no files.
    const staging = isPlan ? planStaging : stagingOf(known, clock.nowMs())
    const page = await master.syncPage({ path, inRoot, cursor: '', limit: 1, ...staging }, { signal })
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

/** The changes that a page found. Undefined: none. */
function deltaOf({ files, removed = 0 }: SyncPageResponse): Delta | undefined {
  const filesAdded = files.filter((file) => file.change === 'ADDED').length
  const filesChanged = files.filter((file) => file.change === 'CHANGED').length
  return filesAdded + filesChanged + removed === 0 ? undefined : { filesAdded, filesChanged, filesRemoved: removed }
}

/** A master in safe mode does not know all workers yet: it is asked again until safe mode ends. */
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
    // If safe mode has just ended, the next list has the workers that ended it.
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
