// Why: a listing of a billion objects does not fit in memory, and a load that cannot fit should not
// start. How: the listing is planned page by page, one command per page. Nothing is dispatched
// before the listing has ended or the gate time has passed. Planning pauses while enough sets wait.
import { formatBytes } from '../../base/bytes.ts'
import { SkeinError } from '../../base/errors.ts'
import { wishOf, type LoadOptions, type LoadRecord } from '../../load/load.ts'
import { planMetadata } from '../../load/plan/metadata-plan.ts'
import { keepReplication } from '../../load/plan/kept-replication.ts'
import { groupFilesOf } from '../../load/plan/file-groups.ts'
import { planPage, releasePlan, type PagePlan, type PlannerOptions } from '../../load/plan/planner.ts'
import type { Placement } from '../../load/placing/placement.ts'
import { settleMs } from '../../load/placing/worker-ledger.ts'
import type { ListingPage } from './file-pages.ts'
import { holdCached } from './held-blocks.ts'
import { ListingAhead } from './listing-ahead.ts'
import { retargetHeldSets } from './retarget.ts'
import type { JobMasterOptions } from '../options/job-master-options.ts'
import type { RunningLoad } from '../running-load.ts'

const reportLookMs = 250

export interface Refusal {
  readonly error: SkeinError
  readonly missingBytes: number
}

/**
 * Plans until the listing has ended.
 * @returns the refusal when the load does not fit and nothing was dispatched
 */
export async function planLoad(runner: RunningLoad, signal: AbortSignal): Promise<Refusal | undefined> {
  const { clock, options, dispatcher, cluster } = runner.context
  const { loadId } = runner
  const placement = cluster.placementOf(loadId)
  let gateOpen = false
  let isGateDue = false
  // Nothing is dispatched while room is being checked: a load that has started can no longer be
  // refused as a whole.
  let isGateHeld = false
  const openGate = (): void => {
    isGateDue = true
    if (isGateHeld) return
    gateOpen = true
    dispatcher.openLoad(loadId, runner.load().options.activeJobs)
  }
  const closed = new AbortController()
  const cancelTimer = clock.schedule(options.gateMs, () => {
    if (!closed.signal.aborted && !signal.aborted) openGate()
  })
  const listing = new ListingAhead(runner, (load) => plannerOf(runner, load), signal)
  const shortage: Shortage = { sinceMs: undefined }
  const short: ShortBooks = { books: undefined }
  try {
    let isShort = false
    for (let load = runner.load(); !load.listingDone; load = runner.load()) {
      if (await mustPause(runner, load, shortage, signal)) continue
      const listed = await listing.page(load)
      if (listed === undefined) break
      const page = await holdCached(runner, listed, signal)
      let plan: PagePlan | undefined = isShort
        ? planThePage(runner, load, page, short)
        : await planWithAllWorkers(runner, load, page, { shortage, short }, signal)
      if (plan === undefined) break
      if (plan.missingBytes > 0 && !gateOpen) {
        isGateHeld = true
        plan = await planWithSettledReports(runner, load, page, { plan, short }, signal)
        isGateHeld = false
        // If the listing ends here, the load is refused. A longer listing may have room for the
        // rest.
        if (isGateDue && (plan.missingBytes === 0 || page.nextCursor !== '')) openGate()
      }
      if (plan.missingBytes > 0 && gateOpen && !isShort) {
        releasePlan(plan, placement)
        await waitForSettledRoom(runner, signal)
        plan = planThePage(runner, load, page, short)
        isShort = plan.missingBytes > 0
      }
      const { namespaceId, nextCursor } = page
      short.books = plan.shortBooks
      const {
        held: _held,
        shortBooks: _books,
        ...planned
      } = { ...plan, ...(page.stagingId !== undefined && { stagingId: page.stagingId }) }
      await runner.submit({
        type: 'PagePlanned',
        nowMs: clock.nowMs(),
        loadId,
        page: load.pagesPlanned,
        namespaceId,
        nextCursor,
        ...planned,
      })
      runner.notify(true)
      dispatcher.notify()
    }
    return gateOpen ? undefined : refusal(runner)
  } finally {
    closed.abort()
    cancelTimer()
    runner.waitFor('')
  }
}

/** Since when too few workers are live. */
interface Shortage {
  sinceMs: number | undefined
}

/** Ledger of the bytes that previous pages could not place. */
interface ShortBooks {
  books: Placement | undefined
}

/**
 * Waits while enough sets are planned or too few workers are live.
 * @returns whether it waited
 */
async function mustPause(
  runner: RunningLoad,
  load: LoadRecord,
  shortage: Shortage,
  signal: AbortSignal,
): Promise<boolean> {
  const { cluster, options, outstanding } = runner.context
  const { replication } = load.options
  if (isPlannedAhead(load, outstanding.countOf(load.loadId), options)) {
    await pauseAndMove(runner, signal)
    return true
  }
  if (load.options.metadataOnly !== true && (!cluster.known || cluster.liveCount() < replication)) {
    await cluster.refresh(signal)
    if (cluster.known && cluster.liveCount() >= replication) return true
    runner.waitFor(
      cluster.masterError === undefined
        ? `waiting for workers: ${cluster.liveCount()} live, ${replication} needed`
        : `the master does not respond: ${cluster.masterError.message}`,
    )
    await pauseAndMove(runner, signal)
    await stopWithoutWorkers(runner, load, shortage)
    return true
  }
  shortage.sinceMs = undefined
  runner.waitFor('')
  return false
}

/**
 * Whether enough sets wait. More planning would only make the listing outdated and the tables
 * larger.
 */
export function isPlannedAhead(
  { openSets, counts, options: { activeJobs } }: Pick<LoadRecord, 'openSets' | 'counts' | 'options'>,
  setsOut: number,
  { plannedAheadFactor, plannedFilesMax }: Pick<JobMasterOptions, 'plannedAheadFactor' | 'plannedFilesMax'>,
): boolean {
  if (openSets > activeJobs * plannedAheadFactor) return true
  if (openSets <= setsOut) return false
  const openFiles = counts.files - counts.filesCached - counts.filesLoaded - counts.filesFailed
  return openFiles * (1 - setsOut / openSets) > plannedFilesMax
}

/**
 * Waits a moment and retargets sets that wait for workers: sets of a lost worker go elsewhere, or
 * are finally given up.
 */
async function pauseAndMove(runner: RunningLoad, signal: AbortSignal): Promise<void> {
  await runner.pause(500, signal)
  await retargetHeldSets(runner.context, runner.loadId)
  await runner.giveUpStalled()
}

/** Stops the listing if too few workers were live for the load's patience. */
async function stopWithoutWorkers(runner: RunningLoad, load: LoadRecord, shortage: Shortage): Promise<void> {
  const { cluster, clock, options, logger } = runner.context
  // Without an answer from the master the state of the workers is unknown.
  if (cluster.masterError !== undefined) shortage.sinceMs = undefined
  else shortage.sinceMs ??= clock.monotonicMs()
  if (
    shortage.sinceMs === undefined ||
    clock.monotonicMs() - shortage.sinceMs < options.patienceMs ||
    !runner.outOfPatience()
  )
    return
  const { loadId, path } = load
  const live = cluster.liveCount()
  const reason = `the listing of ${path} stopped: too few workers, ${live} live, ${load.options.replication} needed`
  logger.warn('a listing was stopped', { loadId, reason })
  await runner.submit({ type: 'ListingStopped', nowMs: clock.nowMs(), loadId, reason, errorCode: 'unavailable' })
}

function planThePage(runner: RunningLoad, load: LoadRecord, page: ListingPage, short: ShortBooks): PagePlan {
  const planner = { ...plannerOf(runner, load), shortBooks: short.books }
  return planListed(page, load.options, planner, runner.context.cluster.placementOf(runner.loadId))
}

/** Plans one page of a listing with the options of a load. */
export function planListed(
  page: ListingPage,
  options: LoadOptions,
  planner: PlannerOptions,
  placement: Placement,
): PagePlan {
  const holds = placement.liveWorkers().filter(({ workerId }) => placement.holdsFor(workerId, options.hosts))
  const files =
    options.keepReplication === true ? page.files.map((file) => keepReplication(file, holds.length)) : page.files
  const plan = options.metadataOnly === true ? planMetadata(files) : planPage(files, planner, placement)
  return { ...plan, counts: { ...plan.counts, ...page.delta, filesExcluded: page.filesExcluded } }
}

/**
 * Before reporting a lack of room, refreshes the list of workers: workers may have left while the
 * page was fetched, or a restarted master may not know all of them yet.
 * @returns undefined when the listing was stopped
 */
async function planWithAllWorkers(
  runner: RunningLoad,
  load: LoadRecord,
  page: ListingPage,
  { shortage, short }: { readonly shortage: Shortage; readonly short: ShortBooks },
  signal: AbortSignal,
): Promise<PagePlan | undefined> {
  const { cluster, master } = runner.context
  for (;;) {
    const plan = planThePage(runner, load, page, short)
    if (plan.missingBytes === 0) return plan
    const live = cluster.liveCount()
    const safeMode = await master.getClusterSummary({}, { signal }).then(
      (summary) => summary.safeMode,
      () => true,
    )
    await cluster.refresh(signal)
    const isWhole =
      !safeMode && cluster.masterError === undefined && cluster.liveCount() === live && live >= load.options.replication
    if (isWhole) return plan
    releasePlan(plan, cluster.placementOf(runner.loadId))
    if (safeMode) await pauseAndMove(runner, signal)
    while (!runner.load().listingDone && (await mustPause(runner, runner.load(), shortage, signal)));
    if (runner.load().listingDone) return undefined
  }
}

/**
 * Plans the page again if the missing room may only be unreported: other loads have written or
 * freed blocks recently. Waits for the next reports of the workers, for a limited time, if they can
 * make the difference.
 */
async function planWithSettledReports(
  runner: RunningLoad,
  load: LoadRecord,
  page: ListingPage,
  { plan: first, short }: { readonly plan: PagePlan; readonly short: ShortBooks },
  signal: AbortSignal,
): Promise<PagePlan> {
  const { cluster, clock } = runner.context
  const placement = cluster.placementOf(runner.loadId)
  let plan = first
  await cluster.refresh(signal)
  const startedMs = clock.monotonicMs()
  while (
    plan.missingBytes > 0 &&
    plan.missingBytes <= placement.unsettledBytes(startedMs) &&
    placement.mayHaveMore(startedMs, clock.monotonicMs())
  ) {
    runner.waitFor('waiting for the cache workers to report their room')
    await clock.sleep(reportLookMs, signal)
    await cluster.refresh(signal)
    releasePlan(plan, placement)
    plan = planThePage(runner, load, page, short)
  }
  runner.waitFor('')
  return plan
}

function plannerOf(runner: RunningLoad, load: LoadRecord): PlannerOptions {
  const { options, cluster } = runner.context
  return plannerOptionsOf(load.options, options, load.counts.files, cluster.liveCount())
}

/** @param filesPlanned files of the previous pages of the load */
export function plannerOptionsOf(
  load: LoadOptions,
  { batchBytes, largeSetBytes }: Pick<JobMasterOptions, 'batchBytes' | 'largeSetBytes'>,
  filesPlanned: number,
  liveWorkers: number,
): PlannerOptions {
  const { replication, batchSize } = load
  const groupFiles = groupFilesOf(filesPlanned, liveWorkers, batchSize)
  return {
    replication,
    batchFiles: batchSize,
    batchBytes,
    largeSetBytes,
    groupFiles,
    wish: wishOf(load),
    verify: load.verify === true,
  }
}

/**
 * Usage reports lag. Before reporting a lack of room, waits until nothing of this load is in flight
 * and reports are fresh.
 */
async function waitForSettledRoom(runner: RunningLoad, signal: AbortSignal): Promise<void> {
  const { cluster, clock } = runner.context
  while (runner.load().openSets > 0) {
    await pauseAndMove(runner, signal)
  }
  const until = clock.monotonicMs() + 2 * settleMs
  while (clock.monotonicMs() < until && !cluster.placement.settled) {
    await clock.sleep(250, signal)
    await cluster.refresh(signal)
  }
}

function refusal(runner: RunningLoad): Refusal | undefined {
  const load = runner.load()
  if (load.missingCapacityBytes === 0 || load.counts.tasksDone > 0) return undefined
  return refusalOf(load.path, load.missingCapacityBytes)
}

/** @param missingBytes bytes that the planner could not place */
export function refusalOf(path: string, missingBytes: number): Refusal {
  const missing = `${missingBytes} bytes (${formatBytes(missingBytes)}) are missing`
  const message = `the cache has no room for ${path}: ${missing}; free space, add workers, or load less`
  return { error: new SkeinError('resource_exhausted', message), missingBytes }
}
