// Why: all limits of the job master by name, in one place. How: the composition root takes them
// from the configuration.
import type { Bandwidth } from '../../base/flow/bandwidth.ts'
import type { RetryPolicy } from '../../base/flow/retry.ts'
import type { Prices, ReadShape } from '../../load/plan/cost.ts'
import type { PlacementPolicy } from '../../load/placing/ranking.ts'

export interface JobMasterOptions {
  /** Objects per page of a listing. */
  readonly pageFiles: number
  /** Files in a set of small files, unless the load has its own value. */
  readonly batchFiles: number
  readonly batchBytes: number
  readonly largeSetBytes: number
  /** How workers are chosen for blocks. Default: rendezvous. */
  readonly placementPolicy?: PlacementPolicy
  /** Tasks of a load in flight, unless the load has its own value. */
  readonly activeJobsDefault: number
  /**
   * Planned sets that may wait, as a multiple of the load's active jobs. Planning pauses above it.
   */
  readonly plannedAheadFactor: number
  /** Approximate number of files in planned sets that wait. Planning pauses above it. */
  readonly plannedFilesMax: number
  /** Maximum of queued and running tasks per job worker, as a multiple of its active tasks. */
  readonly laneTasksFactor: number
  readonly laneTasksMax: number
  readonly laneBytesMax: number
  /**
   * A listing that ends within this time is checked for room as a whole before anything is loaded.
   * The first task is dispatched after this time at the latest.
   */
  readonly gateMs: number
  /** A job worker whose heartbeats stop for this long is lost. */
  readonly jobWorkerLostMs: number
  /** Tasks that were queued but not started are added to the queue again after this time. */
  readonly addAgainMs: number
  /** How long running tasks may take to be reported after a start, before sets are dispatched. */
  readonly recoveryGraceMs: number
  /** How long a load waits for lost workers before it gives up their blocks. */
  readonly patienceMs: number
  /** How long a failing listing is retried. */
  readonly listingPatienceMs: number
  /** How long block reports may lag behind completions. */
  readonly auditGraceMs: number
  /** Number of repair rounds after which missing blocks are given up. */
  readonly repairRoundsMax: number
  /** How long a cancelled load waits for its running tasks to stop. */
  readonly cancelGraceMs: number
  /** A set is halved after this many losses of job workers. */
  readonly lossesMax: number
  /** Ended loads that are kept. */
  readonly historyMax: number
  /** Files of all ended loads that are kept, in total. */
  readonly historyFilesMax: number
  /** How long ended loads are kept; -1: no limit. */
  readonly historyAgeMs: number
  readonly retry: RetryPolicy
  /** Bandwidth limit for all loads together. */
  readonly bandwidth: Bandwidth
  /**
   * Read sizes of job workers and prices of stores, unless a namespace has its own values. Used by
   * plans.
   */
  readonly storeTerms: { readonly reads: ReadShape; readonly prices: Prices }
  /** A checkpoint is made after this many commands, or bytes of commands. */
  readonly checkpointEntries: number
  readonly checkpointBytes: number
}

/** Limits without a configuration key. */
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
