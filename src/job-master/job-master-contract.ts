// Why: what a job master is given and what it gives, for whoever composes one or tests one.
import type { Clock, Random } from '../base/clock.ts'
import type { SkeinError } from '../base/errors.ts'
import type { Journal } from '../journal/journal.ts'
import type { JournalSkip } from '../journal/replay.ts'
import type { Queue } from '../queue/queue.ts'
import type { OnFire, ScheduleTimer } from '../queue/schedule-timer.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import type { JobMasterAddress, MasterServiceDefinition } from '../wire/generated/master.ts'
import type { JobServiceDefinition } from '../wire/generated/job.ts'
import type { ScheduleServiceDefinition } from '../wire/generated/schedule.ts'
import type { Service } from '../wire/service.ts'
import type { JobMasterOptions } from './options/job-master-options.ts'
import type { HoldBlocks } from './job-master-context.ts'

export interface JobMasterDependencies {
  /** Its own; the state lies in `<directory>/state`. */
  readonly directory: string
  readonly journal: Journal
  /** Default: no entry is left out. */
  readonly skip?: JournalSkip
  readonly queue: Queue
  /** For reports: `inprocess:` or the address, without a password. */
  readonly queueDescription: string
  /** Fires schedules; without it they are looked at every second. */
  readonly openScheduleTimer?: (onFire: OnFire) => Promise<ScheduleTimer>
  readonly master: Service<MasterServiceDefinition>
  readonly holdBlocks?: HoldBlocks
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options: JobMasterOptions
  /** Where others reach this job master; asked when it serves. */
  readonly advertisedAddress: () => JobMasterAddress
  /**
   * Called when the job master cannot go on (its journal failed or was taken over): the process
   * should end.
   */
  readonly onFailure: (error: SkeinError) => void
}

export interface JobMaster {
  readonly service: Service<JobServiceDefinition>
  readonly schedules: Service<ScheduleServiceDefinition>
  /** Continues every unfinished load and begins the loops; they end when the signal aborts. */
  start(signal: AbortSignal): void
  /** Ends the loops, puts the state on the disk. Unfinished loads go on at the next start. */
  close(): Promise<void>
}
