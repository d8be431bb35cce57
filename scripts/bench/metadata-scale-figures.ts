// Why: what metadata-scale.ts measures has one shape, for its table and for the test that reads it.
import type { MasterFigures } from './metadata-scale-master.ts'

/** Or, as a ratio of two, plain numbers. */
export interface Latency {
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
}

/** Of one master. */
export interface Calls {
  readonly stat: Latency
  readonly ls: Latency
}

export type Moment =
  | 'empty'
  | 'atFirst'
  | 'atAll'
  | 'afterCalls'
  | 'afterCount'
  | 'restarted'
  | 'afterReports'
  | 'goneFromListing'
  | 'removed'
  | 'namespaceDeleted'
  | 'end'

export interface MetadataScale {
  readonly files: number
  readonly figures: Partial<Record<Moment, MasterFigures>>
  createdPerSecond: number
  reportedPerSecond: number
  readonly calls: { few?: Calls; many?: Calls }
  /** Of all files to few of them. */
  ratios: { readonly stat: Latency; readonly ls: Latency }
  countMs: number
  restart: { readonly killedMs: number; readonly stoppedMs: number; readonly powerLostMs: number }
  renameMs: number
  reportedAgainMs: number
  /** Files a second, and when the caller had its answer. */
  readonly deletions: {
    readonly what: Moment
    readonly perSecond: number
    readonly answeredMs: number
    readonly stallMaxMs: number
  }[]
  blocksFreed: number
}
