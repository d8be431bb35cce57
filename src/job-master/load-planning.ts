// Why: a listing of a billion objects must not be in memory, and a load that cannot fit should not begin. How: page by
// page from the master, each page one command; nothing goes out before the listing has ended or the gate's time has
// passed, and planning pauses while enough sets wait.
import { formatBytes } from '../base/bytes.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { LoadRecord } from '../load/load.ts'
import { planPage, releasePlan, type PagePlan } from '../load/planner.ts'
import { settleMs } from '../load/placement.ts'
import type { SyncPageResponse } from '../wire/generated/master.ts'
import type { RunningLoad } from './running-load.ts'

export interface Refusal {
  readonly error: SkeinError
  readonly missingBytes: number
}

/** Plans until the listing has ended. Gives the refusal when nothing has gone out and the load does not fit. */
export async function planLoad(runner: RunningLoad, signal: AbortSignal): Promise<Refusal | undefined> {
  const { clock, options, dispatcher } = runner.deps
  const { loadId } = runner
  let gateOpen = false
  const openGate = (): void => {
    gateOpen = true
    dispatcher.openLoad(loadId, runner.load().options.activeJobs)
  }
  const closed = new AbortController()
  const cancelTimer = clock.schedule(options.gateMs, () => {
    if (!closed.signal.aborted && !signal.aborted) openGate()
  })
  const listing = new ListingAhead(runner, signal)
  try {
    let isShort = false
    for (let load = runner.load(); !load.listingDone; load = runner.load()) {
      if (await mustPause(runner, load, signal)) continue
      const page = await listing.page(load)
      if (page === undefined) break
      let plan = planThePage(runner, load, page)
      if (plan.missingBytes > 0 && gateOpen && !isShort) {
        releasePlan(plan, runner.deps.cluster.placement)
        await waitForSettledRoom(runner, signal)
        plan = planThePage(runner, load, page)
        isShort = plan.missingBytes > 0
      }
      const { namespaceId, nextCursor } = page
      await runner.submit({ type: 'PagePlanned', nowMs: clock.nowMs(), loadId, page: load.pagesPlanned, namespaceId, nextCursor, ...plan })
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

/** Waits while there is enough planned, or too few workers to plan for; true when it waited. */
async function mustPause(runner: RunningLoad, load: LoadRecord, signal: AbortSignal): Promise<boolean> {
  const { cluster, options } = runner.deps
  const { replication, activeJobs } = load.options
  if (load.openSets > activeJobs * options.plannedAheadFactor) {
    await runner.pause(500, signal)
    await runner.giveUpStalled()
    return true
  }
  if (!cluster.known || cluster.liveCount() < replication) {
    await cluster.refresh(signal)
    if (cluster.known && cluster.liveCount() >= replication) return true
    runner.waitFor(
      cluster.masterError === undefined
        ? `waiting for workers: ${cluster.liveCount()} live, ${replication} needed`
        : `the master does not answer: ${cluster.masterError.message}`,
    )
    await runner.pause(500, signal)
    return true
  }
  runner.waitFor('')
  return false
}

/** Reads the listing one page ahead: the store answers while the page before is planned and written down. */
class ListingAhead {
  readonly #runner: RunningLoad
  readonly #signal: AbortSignal
  #next: { readonly cursor: string; readonly page: Promise<SyncPageResponse | SkeinError> } | undefined

  constructor(runner: RunningLoad, signal: AbortSignal) {
    this.#runner = runner
    this.#signal = signal
  }

  /** The page at the load's cursor; undefined when the listing was stopped because it cannot be read. */
  async page(load: LoadRecord): Promise<SyncPageResponse | undefined> {
    const { clock, options, logger } = this.#runner.deps
    const until = clock.monotonicMs() + options.listingPatienceMs
    for (;;) {
      const answer = await this.#ask(load.path, load.cursor)
      this.#next = undefined
      if (!(answer instanceof SkeinError)) {
        this.#runner.waitFor('')
        if (answer.nextCursor !== '') void this.#ask(load.path, answer.nextCursor)
        return answer
      }
      if (this.#signal.aborted) throw answer
      if (answer.retryable && clock.monotonicMs() < until) {
        this.#runner.waitFor(`the listing waits: ${answer.message}`)
        await this.#runner.pause(500, this.#signal)
        continue
      }
      logger.warn('a listing was stopped', { loadId: load.loadId, error: answer })
      const reason = `the listing of ${load.path} stopped: ${answer.message}`
      await this.#runner.submit({ type: 'ListingStopped', nowMs: clock.nowMs(), loadId: load.loadId, reason, errorCode: answer.code })
      return undefined
    }
  }

  /** Never rejects, so that a page which nobody waits for yet cannot go unhandled. */
  #ask(path: string, cursor: string): Promise<SyncPageResponse | SkeinError> {
    if (this.#next?.cursor === cursor) return this.#next.page
    const { master, options } = this.#runner.deps
    const page = master.syncPage({ path, cursor, limit: options.pageFiles }, { signal: this.#signal }).catch(toSkeinError)
    this.#next = { cursor, page }
    return page
  }
}

function planThePage(runner: RunningLoad, load: LoadRecord, page: SyncPageResponse): PagePlan {
  const { options, cluster } = runner.deps
  const { replication, batchSize } = load.options
  const planner = { replication, batchFiles: batchSize, batchBytes: options.batchBytes, largeSetBytes: options.largeSetBytes }
  return planPage(page.files, planner, cluster.placement)
}

/** Usage reports lag: before saying that there is no room, waits until nothing of this load is under way and reports are fresh. */
async function waitForSettledRoom(runner: RunningLoad, signal: AbortSignal): Promise<void> {
  const { cluster, clock } = runner.deps
  while (runner.load().openSets > 0) {
    await runner.pause(500, signal)
    await runner.giveUpStalled()
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
  const { placement } = runner.deps.cluster
  const free = placement.liveWorkers().reduce((sum, worker) => sum + placement.freeBytes(worker.workerId), 0)
  // What was planned has its room; what was not may still use what is left, if only in part.
  const missingBytes = load.missingCapacityBytes > free ? load.missingCapacityBytes - free : load.missingCapacityBytes
  const message = `the cache has no room for ${load.path}: ${missingBytes} bytes (${formatBytes(missingBytes)}) are missing; free space, add workers, or load less`
  return { error: new SkeinError('resource_exhausted', message), missingBytes }
}
