// Why: the state machine must not depend on where its rows are stored. How: ordered tables with
// synchronous access. The implementation runs a group of commands in one transaction (LMDB in the
// job master, maps in tests).
import type { IndexItem, IndexRecord } from './list-parts.ts'
import type { FileFailure, FileProgress, LoadRecord, OpenSet, SetRecord } from '../load.ts'
import type { RateSample } from './estimate.ts'
import type { ScheduleRecord, ScheduleRun } from '../schedule/schedule.ts'

/** Numbers and short strings; compared element by element. */
export type RowKey = readonly (number | string)[]

export interface Row<V> {
  /** Last element of the row's key. */
  readonly id: number
  readonly value: V
}

/** Returned rows belong to the caller: a change has no effect before `put`. */
export interface OrderedTable<V> {
  get(key: RowKey): V | undefined
  put(key: RowKey, value: V): void
  delete(key: RowKey): void
  /** Rows with keys `[...prefix, id]`, id >= from, in order. */
  scan(prefix: RowKey, from: number, limit: number): Row<V>[]
}

export interface Tables {
  /** Last assigned number: `['load']` load ids, `['requestKey']` keysOfLoad, `['ended']` ended. */
  readonly counters: OrderedTable<number>
  /** `[loadId]` */
  readonly loads: OrderedTable<LoadRecord>
  /** `[loadId]` of the unfinished loads. */
  readonly active: OrderedTable<true>
  /** `[requestKey]` -> load id */
  readonly requestKeys: OrderedTable<number>
  /** `[loadId, number]` -> request key */
  readonly keysOfLoad: OrderedTable<string>
  /**
   * `[number]` -> load id of the ended loads, in the order in which they ended. The numbers have no
   * gaps.
   */
  readonly ended: OrderedTable<number>
  /** `[loadId, set]` */
  readonly sets: OrderedTable<SetRecord>
  /**
   * `[loadId, set]` of the unfinished sets. A set is done when its row is removed, which happens
   * once.
   */
  readonly open: OrderedTable<OpenSet>
  /** `[loadId, fileId]` */
  readonly files: OrderedTable<FileProgress>
  /** `[loadId, fileId, set]`: the sets with a part of a file that is in several sets. */
  readonly fileSets: OrderedTable<true>
  /** `[loadId, fileId]`; a negative number if the file has no id. */
  readonly failures: OrderedTable<FileFailure>
  /** `[indexId]`: staged lists of paths. */
  readonly indexes: OrderedTable<IndexRecord>
  /** `[indexId, part]` */
  readonly indexParts: OrderedTable<readonly IndexItem[]>
  /** `[number]` -> index id, in the order of their first parts. */
  readonly stagedIndexes: OrderedTable<string>
  /** `['samples']`: measurements of past loads. */
  readonly rates: OrderedTable<readonly RateSample[]>
  /** `[scheduleId]` */
  readonly schedules: OrderedTable<ScheduleRecord>
  /** `[name]` -> schedule id */
  readonly scheduleNames: OrderedTable<number>
  /** `[scheduleId, number]` */
  readonly scheduleRuns: OrderedTable<ScheduleRun>
}
