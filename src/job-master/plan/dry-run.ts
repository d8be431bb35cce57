// Why: a dry run shows what a load would read and write, and its cost and duration. How: it uses
// the listing and the planner of real loads on a copy of the placement ledger. Nothing is journaled
// or dispatched. A limited number of plans is kept in memory for some minutes.
import { bandwidthAt, parseBandwidth } from '../../base/flow/bandwidth.ts'
import { parseBytes } from '../../base/bytes.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { formatPath } from '../../base/paths.ts'
import type { SubmitLoad } from '../../load/state/load-commands.ts'
import { costOf, getRequests, type ReadShape } from '../../load/plan/cost.ts'
import { estimateOf } from '../../load/state/estimate.ts'
import type { Placement } from '../../load/placing/placement.ts'
import { namespaceOfLoad, pieceBytes, setBytes } from '../../load/load.ts'
import type { PagePlan } from '../../load/plan/planner.ts'
import { rateSamples } from '../../load/state/rate-samples.ts'
import type { PlanReport } from '../../wire/generated/job.ts'
import type { NamespaceInfo } from '../../wire/generated/master.ts'
import { LoadListing, planStaging, type ListingPage } from './file-pages.ts'
import { planListed, plannerOptionsOf, refusalOf } from './page-planning.ts'
import type { JobMasterContext } from '../job-master-context.ts'

type PlanContext = Pick<JobMasterContext, 'tables' | 'master' | 'cluster' | 'clock' | 'options'>

type StoreTerms = JobMasterContext['options']['storeTerms']

/** Failing files that a plan lists. */
const failingNamedMax = 20
const plansMax = 64
const runningMax = 8
const keepMs = 10 * 60_000
const retryMs = 500
const reportLookMs = 250
/** A plan that no client polls for this long is cancelled. */
const unaskedMs = 60_000

interface Plan {
  readonly report: PlanReport
  readonly createdMs: number
  /** Time of the last poll. */
  askedMs: number
}

export class LoadPlans {
  readonly #context: PlanContext
  readonly #plans = new Map<string, Plan>()
  #next = 1

  constructor(context: PlanContext) {
    this.#context = context
  }

  /**
   * Starts a plan for a checked submission. `keep` gets the promise of the work.
   * @throws SkeinError resource_exhausted (too many at once)
   */
  start(command: SubmitLoad, stop: AbortSignal, keep: (work: Promise<void>) => void): string {
    this.#forget()
    if ([...this.#plans.values()].filter(({ report }) => !report.done).length >= runningMax)
      throw new SkeinError('resource_exhausted', `${runningMax} plans are running: try again in a moment`, {
        retryable: false,
      })
    const planId = `P${this.#next}-${this.#context.clock.nowMs().toString(36)}`
    this.#next += 1
    const report = emptyReport(planId, command.path)
    const now = this.#context.clock.monotonicMs()
    const plan = { report, createdMs: now, askedMs: now }
    this.#plans.set(planId, plan)
    keep(this.#make(command, plan, stop))
    return planId
  }

  /** @throws SkeinError not_found */
  get(planId: string): PlanReport {
    const plan = this.#plans.get(planId)
    if (plan === undefined)
      throw new SkeinError('not_found', `there is no plan ${planId}: plans are kept for ${keepMs / 60_000} minutes`)
    plan.askedMs = this.#context.clock.monotonicMs()
    return {
      ...plan.report,
      placement: plan.report.placement.map((row) => ({ ...row })),
      failing: [...plan.report.failing],
    }
  }

  #forget(): void {
    const now = this.#context.clock.monotonicMs()
    for (const [planId, { report, createdMs }] of this.#plans)
      if (report.done && (now - createdMs > keepMs || this.#plans.size >= plansMax)) this.#plans.delete(planId)
  }

  async #make(command: SubmitLoad, plan: Plan, stop: AbortSignal): Promise<void> {
    const { report } = plan
    try {
      await this.#fill(command, plan, stop)
    } catch (thrown) {
      const error = toSkeinError(thrown)
      report.error = error.message
      report.errorCode = error.code
    }
    report.done = true
  }

  async #fill(command: SubmitLoad, plan: Plan, stop: AbortSignal): Promise<void> {
    const { cluster, options, master, clock } = this.#context
    const { report } = plan
    await cluster.refresh(stop)
    const info = await master.getNamespace({ name: `/${namespaceOfLoad(command)}` }, { signal: stop })
    const terms = storeTerms(info, options.storeTerms)
    const startedMs = clock.monotonicMs()
    let books = await this.#plan(command, plan, terms.reads, stop)
    // Like a real load, waits before reporting a lack of room: recent reports may not yet include
    // room that another load has just released or that was freed.
    while (books.shortBytes > 0 && cluster.placement.mayHaveMore(startedMs, clock.monotonicMs())) {
      await clock.sleep(reportLookMs, stop)
      await cluster.refresh(stop)
      if (cluster.placement.mayHaveMore(startedMs, clock.monotonicMs())) continue
      Object.assign(report, emptyReport(report.planId, report.path))
      books = await this.#plan(command, plan, terms.reads, stop)
    }
    books.close(command.options.evict === true)
    if (books.shortBytes > 0) {
      const refused = refusalOf(command.path, books.shortBytes)
      report.missingBytes = refused.missingBytes
      report.error = refused.error.message
      report.errorCode = refused.error.code
    }
    this.#tellTime(command, info, report, books.filesToLoad)
    const cost = costOf(
      { gets: report.getRequests, lists: report.listRequests, bytes: report.bytesToLoad },
      terms.prices,
      sourceOf(info),
    )
    if (cost.amount !== undefined) report.cost = cost.amount
    report.currency = cost.amount === undefined ? '' : terms.prices.currency
    report.costBasis = cost.basis
  }

  /** Plans the whole load on a copy of the ledger. */
  async #plan(command: SubmitLoad, plan: Plan, reads: ReadShape, stop: AbortSignal): Promise<PlanBooks> {
    const { cluster, options, clock } = this.#context
    const { report } = plan
    const placement = cluster.placement.copy()
    const books = new PlanBooks(report, namespaceOfLoad(command), placement, reads)
    const listing = new LoadListing(command, this.#context, () => planStaging)
    const live = cluster.liveCount()
    let cursor = ''
    let shortBooks: Placement | undefined
    do {
      const page = await this.#page(listing, cursor, stop)
      if (clock.monotonicMs() - plan.askedMs > unaskedMs)
        throw new SkeinError('cancelled', 'the plan was no longer polled')
      listing.taken(page)
      const planner = { ...plannerOptionsOf(command.options, options, report.files, live), shortBooks }
      const planned = planListed(page, command.options, planner, placement)
      shortBooks = planned.shortBooks
      books.add(page, planned)
      cursor = page.nextCursor
    } while (cursor !== '')
    return books
  }

  async #page(listing: LoadListing, cursor: string, stop: AbortSignal): Promise<ListingPage> {
    const { clock, options } = this.#context
    const until = clock.monotonicMs() + options.listingPatienceMs
    for (;;) {
      try {
        return await listing.page(cursor, options.pageFiles, stop)
      } catch (thrown) {
        const error = toSkeinError(thrown)
        if (stop.aborted || !error.retryable || clock.monotonicMs() >= until) throw error
        await clock.sleep(retryMs, stop)
      }
    }
  }

  #tellTime(command: SubmitLoad, info: NamespaceInfo, report: PlanReport, files: number): void {
    const { tables, clock } = this.#context
    const { namespaceId, name: namespace } = info
    const work = { namespaceId, namespace, bytes: report.bytesToLoad, files }
    const estimate = estimateOf(work, rateSamples(tables))
    report.rateBytesPerSecond = estimate.bytesPerSecond
    report.rateFilesPerSecond = estimate.filesPerSecond
    report.rateBasis = estimate.basis
    const limit = bandwidthAt(parseBandwidth(command.options.bandwidth ?? '', '--bandwidth'), clock.nowMs())
    const limitedMs = limit === undefined || limit === 0 ? 0 : (report.bytesToLoad / limit) * 1000
    const { lowMs = 0, highMs = 0 } = estimate.range ?? {}
    const isLimited = limitedMs > lowMs
    if (isLimited) report.rateBasis = `--bandwidth ${command.options.bandwidth ?? ''}; ${estimate.basis}`
    // A load that would be refused has no duration, not even 0 ms.
    if (report.error !== '' || (estimate.range === undefined && !isLimited)) return
    report.estimateLowMs = Math.max(lowMs, limitedMs)
    report.estimateHighMs = Math.max(highMs, limitedMs)
    report.estimateMs = report.estimateHighMs
  }
}

/** Totals of all pages. */
class PlanBooks {
  readonly #report: PlanReport
  readonly #namespace: string
  readonly #reads: ReadShape
  readonly #rows = new Map<string, PlanReport['placement'][number]>()
  /** Bytes of files that fit on no worker. */
  shortBytes = 0
  filesToLoad = 0

  constructor(report: PlanReport, namespace: string, placement: Placement, reads: ReadShape) {
    this.#report = report
    this.#namespace = namespace
    this.#reads = reads
    for (const { workerId, hostname, capacityBytes } of placement.liveWorkers()) {
      const freeBytes = placement.freeBytes(workerId)
      this.#rows.set(workerId, { workerId, hostname, bytes: 0, blocks: 0, freeBytes })
      report.capacityBytes += capacityBytes
      report.freeBytes += freeBytes
    }
    // The submission sends one request for the path before the listing starts.
    report.listRequests = 1
  }

  add(page: ListingPage, plan: PagePlan): void {
    const report = this.#report
    report.files += plan.counts.files
    report.bytes += plan.counts.bytes
    report.filesCached += plan.counts.filesCached
    report.bytesCached += plan.counts.bytesCached
    report.filesExcluded += page.filesExcluded
    report.listRequests += page.lists + page.looks
    const failing = plan.failed.filter(({ code }) => code !== 'resource_exhausted')
    const [first] = failing
    if (report.filesFailing === 0 && first !== undefined) report.failingCode = first.code
    report.filesFailing += failing.length
    const named = failing.slice(0, failingNamedMax - report.failing.length)
    report.failing.push(
      ...named.map(({ key, reason }) => ({ path: formatPath({ namespace: this.#namespace, key }), reason })),
    )
    report.tasks += plan.sets.length
    this.shortBytes += plan.missingBytes
    const files = new Set<number>()
    for (const set of plan.sets) {
      const bytes = setBytes(set)
      if (set.verify === true) {
        report.filesCached += set.pieces.length
        report.bytesCached += bytes
        continue
      }
      report.bytesToLoad += bytes
      report.bytesToWrite += bytes * set.targets.length
      for (const piece of set.pieces) {
        files.add(piece.fileId)
        report.blocks += piece.blockCount
        report.getRequests += getRequests(piece, this.#reads)
        for (const target of set.targets) {
          const row = this.#rows.get(target)
          if (row === undefined) continue
          row.bytes += pieceBytes(piece)
          row.blocks += piece.blockCount
        }
      }
    }
    this.filesToLoad += files.size
  }

  close(mayEvict: boolean): void {
    const rows = [...this.#rows.values()]
    this.#report.placement = rows
    if (mayEvict) this.#report.evictBytes = rows.reduce((sum, row) => sum + Math.max(0, row.bytes - row.freeBytes), 0)
  }
}

/**
 * Prices and read sizes of a namespace: its attributes take precedence over the configuration.
 * Prices from the configuration apply only to object stores.
 */
function storeTerms({ attributes, uri }: NamespaceInfo, configured: StoreTerms): StoreTerms {
  const { reads, prices } = configured
  const given = (key: string): number | undefined =>
    attributes[key] === undefined ? undefined : Number(attributes[key])
  const ofStore = uri.startsWith('file:')
    ? { ...prices, getPer10k: undefined, listPer10k: undefined, egressPerGb: undefined }
    : prices
  const range = attributes['fs.cosn.read.ahead.block.size']
  return {
    reads: { ...reads, rangeBytes: range === undefined ? reads.rangeBytes : parseBytes(range) },
    prices: {
      getPer10k: given('skein.price.get.per10k') ?? ofStore.getPer10k,
      listPer10k: given('skein.price.list.per10k') ?? ofStore.listPer10k,
      egressPerGb: given('skein.price.egress.per.gb') ?? ofStore.egressPerGb,
      currency: attributes['skein.price.currency'] ?? prices.currency,
    },
  }
}

function sourceOf({ attributes, name }: NamespaceInfo): string {
  const own = Object.keys(attributes).some((key) => key.startsWith('skein.price.'))
  return own ? `attributes of /${name}` : 'configuration'
}

function emptyReport(planId: string, path: string): PlanReport {
  return {
    ...{
      planId,
      path,
      done: false,
      error: '',
      errorCode: '',
      placement: [],
      failing: [],
      rateBasis: '',
      currency: '',
      costBasis: '',
    },
    ...{ files: 0, bytes: 0, filesCached: 0, bytesCached: 0, filesFailing: 0, filesExcluded: 0 },
    ...{ bytesToLoad: 0, bytesToWrite: 0, blocks: 0, tasks: 0, listRequests: 0, getRequests: 0 },
    ...{ capacityBytes: 0, freeBytes: 0, evictBytes: 0, missingBytes: 0 },
    ...{ rateBytesPerSecond: 0, rateFilesPerSecond: 0, estimateMs: 0 },
  }
}
