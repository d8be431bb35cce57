// Why: takes the limits of a job master from the configuration. Production and tests use the same
// function, so that tests run with the real limits. Pure.
import type { Config } from '../../config/config.ts'
import { fixedBounds, type JobMasterOptions } from '../../job-master/options/job-master-options.ts'
import { defaultJobWorkerLimits } from '../../job-worker/job-worker.ts'

export function jobMasterOptions(config: Config): JobMasterOptions {
  const { load } = config
  return {
    ...fixedBounds,
    pageFiles: load.listingPageSize,
    batchFiles: load.batchFiles,
    batchBytes: load.batchBytes,
    largeSetBytes: load.taskBytes,
    placementPolicy: load.placementPolicy,
    activeJobsDefault: load.activeJobs,
    plannedFilesMax: load.plannedFilesMax,
    gateMs: load.listingWaitMs,
    jobWorkerLostMs: config.jobMaster.jobWorkerLostTimeoutMs,
    repairRoundsMax: load.repairRoundsMax,
    patienceMs: load.stallTimeoutMs,
    laneTasksMax: load.windowTasks,
    laneBytesMax: load.windowBytes,
    historyMax: load.historyMax,
    historyFilesMax: load.historyFilesMax,
    historyAgeMs: load.historyAgeMs,
    storeTerms: {
      reads: {
        rangeBytes: config.ufs.cosn.readAheadBlockBytes,
        smallFileBytes: defaultJobWorkerLimits.smallBlockBytes,
      },
      prices: load.prices,
    },
    bandwidth: load.bandwidth,
    retry: { attemptsMax: load.attemptsMax, initialMs: load.retryInitialMs, maxMs: load.retryMaxMs },
  }
}
