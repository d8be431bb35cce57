// What a load world is made of, and how much goes wrong in it.
import type { JobMasterOptions } from '../../../src/job-master/options/job-master-options.ts'

export interface WorldFile {
  fileId: number
  readonly key: string
  length: number
  etag: string
  readonly blockSizeBytes: number
  /** Reads fail for good; `lone`: of this object alone, by an error that may pass. */
  poisoned: boolean | 'lone'
}

export interface WorldOptions {
  readonly seed: number
  readonly workers: number
  readonly capacityBytes?: number
  /** Chances, 0 to 1. */
  readonly readFailures?: number
  readonly duplicates?: number
  /** Blocks that a worker loses right after it confirmed them. */
  readonly lostBlocks?: number
  /** A planted bug: the audit finds nothing. */
  readonly blindAudit?: boolean
  readonly taskMs?: number
  /** How late the master hears of blocks. */
  readonly reportLagMs?: number
  readonly jobMaster?: Partial<JobMasterOptions>
}
