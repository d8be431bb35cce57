// Why: the inputs and the interface of a job master, for code that composes or tests one. How:
// types only.
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
  /** Directory of this job master. The state is in `<directory>/state`. */
  readonly directory: string
  readonly journal: Journal
  /** Default: no journal entry is skipped. */
  readonly skip?: JournalSkip
  readonly queue: Queue
  /** For reports: `inprocess:`, or the address without a password. */
  readonly queueDescription: string
  /** Fires when a schedule is due. Without it, schedules are checked every second. */
  readonly openScheduleTimer?: (onFire: OnFire) => Promise<ScheduleTimer>
  readonly master: Service<MasterServiceDefinition>
  readonly holdBlocks?: HoldBlocks
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options: JobMasterOptions
  /** Address for other roles. Called when the job master serves. */
  readonly advertisedAddress: () => JobMasterAddress
  /**
   * Called when the job master cannot continue, because its journal failed or was taken over. The
   * process should exit.
   */
  readonly onFailure: (error: SkeinError) => void
}

export interface JobMaster {
  readonly service: Service<JobServiceDefinition>
  readonly schedules: Service<ScheduleServiceDefinition>
  /** Continues all unfinished loads and starts the loops. They end when the signal is aborted. */
  start(signal: AbortSignal): void
  /** Ends the loops and writes the state to disk. Unfinished loads continue at the next start. */
  close(): Promise<void>
}
