// Why: planning, auditing and retargeting are steps of one running load, and must not know the
// runner that calls them. How: what they need of it, as an interface.
import type { Clock } from '../base/clock.ts'
import type { LoadCommand, LoadEffect } from '../load/state/load-commands.ts'
import type { LoadRecord } from '../load/load.ts'
import type { Tables } from '../load/state/load-tables.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import type { SetTarget } from '../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { HoldBlocksRequest, HoldBlocksResponse } from '../wire/generated/worker.ts'
import type { Service } from '../wire/service.ts'
import type { ClusterView } from './dispatch/cluster-view.ts'
import type { Dispatcher } from './dispatch/dispatcher.ts'
import type { JobWorkerRegistry } from './dispatch/job-worker-registry.ts'
import type { LoadPacing } from './dispatch/load-pacing.ts'
import type { JobMasterOptions } from './options/job-master-options.ts'
import type { Outstanding } from './dispatch/outstanding.ts'
import type { SharedBlocks } from './dispatch/shared-blocks.ts'

/** Tells a worker which of its blocks a load counts on. */
export type HoldBlocks = (
  worker: SetTarget,
  request: HoldBlocksRequest,
  signal: AbortSignal,
) => Promise<HoldBlocksResponse>

export interface RunningLoadDependencies {
  readonly tables: Tables
  readonly submit: (command: LoadCommand) => Promise<LoadEffect>
  readonly master: Service<MasterServiceDefinition>
  /** Undefined: what a load finds cached is not protected at the workers. */
  readonly holdBlocks?: HoldBlocks
  readonly dispatcher: Dispatcher
  readonly outstanding: Outstanding
  readonly shared: SharedBlocks
  readonly jobWorkers: JobWorkerRegistry
  readonly cluster: ClusterView
  readonly pacing: LoadPacing
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options: JobMasterOptions
}

/** One load that has not ended, as its steps see it. */
export interface RunningLoad {
  readonly loadId: number
  readonly deps: RunningLoadDependencies
  /** The load as it is now. @throws SkeinError cancelled once it has ended by other hands */
  load(): LoadRecord
  submit(command: LoadCommand): Promise<LoadEffect>
  /** A file was in and has been freed since, by others. */
  noteFreed(fileId: number): void
  /** Files got another replication than had been set on them. */
  noteReplicationChanged(files: number): void
  /** What people are told that the load waits for; empty when it does not. */
  waitFor(reason: string): void
  /**
   * Something happened to the load. `readError`: why its blocks could not be read just now;
   * progress ends that.
   */
  notify(madeProgress: boolean, readError?: string): void
  /** Waits for a change of this load, or `ms`. @throws the signal's reason */
  pause(ms: number, signal: AbortSignal): Promise<void>
  /** Whether nothing of the load has moved for the time of its patience. */
  outOfPatience(): boolean
  /** Fails the files of the sets that wait for workers, when the patience is used up. */
  giveUpStalled(): Promise<void>
}
