// Why: every bound of the job master by name, in one place; the composition root fills it from the
// configuration.
import type { Bandwidth } from '../../base/flow/bandwidth.ts'
import type { RetryPolicy } from '../../base/flow/retry.ts'
import type { Prices, ReadShape } from '../../load/plan/cost.ts'

export interface JobMasterOptions {
  /** Objects asked for in one page of the listing. */
  readonly pageFiles: number
  /** Files in a set of small files, when the load does not say. */
  readonly batchFiles: number
  readonly batchBytes: number
  readonly largeSetBytes: number
  /** Tasks of a load out at once, when the load does not say. */
  readonly activeJobsDefault: number
  /** Planned sets that wait, as a multiple of the load's active jobs: planning pauses above it. */
  readonly plannedAheadFactor: number
  /** Files of planned sets that wait, about: planning pauses above it. */
  readonly plannedFilesMax: number
  /**
   * Tasks queued and running on a job worker, as a multiple of what it runs at once, and at most.
   */
  readonly laneTasksFactor: number
  readonly laneTasksMax: number
  readonly laneBytesMax: number
  /**
   * A listing that ends within this time is checked for room as a whole before anything is loaded;
   * the first task goes out after it at the latest.
   */
  readonly gateMs: number
  /** A job worker whose heartbeats stop for this long is lost. */
  readonly jobWorkerLostMs: number
  /** Tasks that were put into the queue and not started are put in again after this time. */
  readonly addAgainMs: number
  /** After a start, how long running tasks have to be reported before sets go out again. */
  readonly recoveryGraceMs: number
  /** How long a load waits for workers that do not come back before it gives their blocks up. */
  readonly patienceMs: number
  /** How long a listing that cannot be read is tried again. */
  readonly listingPatienceMs: number
  /** How long reports of blocks may lag behind completions. */
  readonly auditGraceMs: number
  /** Rounds of repair after which what is missing is given up. */
  readonly repairRoundsMax: number
  /** How long a cancelled load waits for its running tasks to stop. */
  readonly cancelGraceMs: number
  /** Losses of job workers on one set after which it is halved. */
  readonly lossesMax: number
  /** Ended loads that are remembered. */
  readonly historyMax: number
  /** Files of all ended loads that are remembered, together. */
  readonly historyFilesMax: number
  /** For how long; -1: no limit. */
  readonly historyAgeMs: number
  readonly retry: RetryPolicy
  /** What all loads together may read. */
  readonly bandwidth: Bandwidth
  /** How job workers read, and what stores ask, where a namespace says nothing else: for plans. */
  readonly storeTerms: { readonly reads: ReadShape; readonly prices: Prices }
  /** A checkpoint is made after so many commands or bytes of them. */
  readonly checkpointEntries: number
  readonly checkpointBytes: number
}

/** What no key says. */
export const fixedBounds = {
  plannedAheadFactor: 4,
  laneTasksFactor: 4,
  addAgainMs: 3000,
  recoveryGraceMs: 2500,
  listingPatienceMs: 300_000,
  auditGraceMs: 5000,
  cancelGraceMs: 5000,
  lossesMax: 3,
  checkpointEntries: 10_000,
  checkpointBytes: 64 * 1024 ** 2,
} satisfies Partial<JobMasterOptions>
