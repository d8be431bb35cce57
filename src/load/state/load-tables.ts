// Why: the state machine must not know where its rows lie. How: ordered tables with synchronous
// access; a group of commands runs inside one transaction of whoever implements this (LMDB in the
// job master, maps in tests).
import type { IndexItem, IndexRecord } from './list-parts.ts'
import type { FileFailure, FileProgress, LoadRecord, OpenSet, SetRecord } from '../load.ts'
import type { RateSample } from './estimate.ts'
import type { ScheduleRecord, ScheduleRun } from '../schedule/schedule.ts'

/** Numbers and short strings; compared element by element. */
export type RowKey = readonly (number | string)[]

export interface Row<V> {
  /** The last element of the row's key. */
  readonly id: number
  readonly value: V
}

/** Rows given out are the caller's own: changing one changes nothing until it is put. */
export interface OrderedTable<V> {
  get(key: RowKey): V | undefined
  put(key: RowKey, value: V): void
  delete(key: RowKey): void
  /** Rows with keys `[...prefix, id]`, id >= from, in order. */
  scan(prefix: RowKey, from: number, limit: number): Row<V>[]
}

export interface Tables {
  /** The last number given: `['load']` load ids, `['requestKey']` keysOfLoad, `['ended']` ended. */
  readonly counters: OrderedTable<number>
  /** `[loadId]` */
  readonly loads: OrderedTable<LoadRecord>
  /** `[loadId]` of the loads that have not ended. */
  readonly active: OrderedTable<true>
  /** `[requestKey]` -> load id */
  readonly requestKeys: OrderedTable<number>
  /** `[loadId, number]` -> request key */
  readonly keysOfLoad: OrderedTable<string>
  /**
   * `[number]` -> load id of the loads that have ended, in the order in which they ended; the
   * numbers have no gap.
   */
  readonly ended: OrderedTable<number>
  /** `[loadId, set]` */
  readonly sets: OrderedTable<SetRecord>
  /**
   * `[loadId, set]` of the sets that are not done. A set is done when it is taken out of here:
   * once.
   */
  readonly open: OrderedTable<OpenSet>
  /** `[loadId, fileId]` */
  readonly files: OrderedTable<FileProgress>
  /** `[loadId, fileId, set]`: the sets that hold a part of a file that is in several. */
  readonly fileSets: OrderedTable<true>
  /** `[loadId, fileId]`; a negative number instead when the file has no id. */
  readonly failures: OrderedTable<FileFailure>
  /** `[indexId]`: staged lists of paths. */
  readonly indexes: OrderedTable<IndexRecord>
  /** `[indexId, part]` */
  readonly indexParts: OrderedTable<readonly IndexItem[]>
  /** `[number]` -> index id, in the order in which they began to come. */
  readonly stagedIndexes: OrderedTable<string>
  /** `['samples']`: what past loads tell of the rates. */
  readonly rates: OrderedTable<readonly RateSample[]>
  /** `[scheduleId]` */
  readonly schedules: OrderedTable<ScheduleRecord>
  /** `[name]` -> schedule id */
  readonly scheduleNames: OrderedTable<number>
  /** `[scheduleId, number]` */
  readonly scheduleRuns: OrderedTable<ScheduleRun>
}
