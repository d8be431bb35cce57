// Why: every store of one directory, whole block files or segments, is opened with the same few
// things.
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { BlockStoreEvents } from '../block-store.ts'

export interface DirectoryOptions {
  readonly path: string
  /** Alias of the tier, such as MEM or SSD. */
  readonly tier: string
  readonly mediumType: string
  /** Of block bytes; see block-ledger.ts. */
  readonly quotaBytes: number
}

export interface DirectoryStoreDependencies {
  readonly events: BlockStoreEvents
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
}
