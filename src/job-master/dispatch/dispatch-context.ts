// Why: all parts of a job master share the same tables, ledgers and options. How: one context per
// role; each part takes what it needs with `Pick`. This file has the fields for this folder;
// job-master-context.ts adds the others.
import type { Clock, Random } from '../../base/clock.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import type { Queue } from '../../queue/queue.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { JobMasterOptions } from '../options/job-master-options.ts'
import type { ClusterView } from './cluster-view.ts'
import type { JobWorkerRegistry } from './job-worker-registry.ts'
import type { LoadPacing } from './load-pacing.ts'
import type { Outstanding } from './outstanding.ts'
import type { SharedBlocks } from './shared-blocks.ts'

export interface DispatchContext {
  readonly tables: Tables
  readonly queue: Queue
  readonly master: Service<MasterServiceDefinition>
  /** Sets in flight. */
  readonly outstanding: Outstanding
  /** Blocks that sets of several loads have in common. */
  readonly shared: SharedBlocks
  readonly jobWorkers: JobWorkerRegistry
  readonly cluster: ClusterView
  readonly pacing: LoadPacing
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options: JobMasterOptions
}
