// Why: defines schedules and their runs as data. How: plain records that any table can store. A run
// belongs to one due time (or to a request of a user, or to the previous schedule of a chain) and
// records its result. Each due time has exactly one run.

export type CatchUp = 'latest' | 'all' | 'none'
export const catchUpWords: readonly CatchUp[] = ['latest', 'all', 'none']

export interface ScheduleDefinition {
  readonly name: string
  /**
   * Five fields, or six with seconds first. Empty: runs after another schedule, or by `readyBy`.
   */
  readonly cron: string
  /** IANA time zone name. */
  readonly timezone: string
  readonly jitterMs: number
  /** What to do about due times that passed while no job master ran. */
  readonly catchUp: CatchUp
  /** The schedule whose completed runs start this one. Empty: none. */
  readonly after: string
  /** `HH:MM` in the time zone. Empty: none. */
  readonly readyBy: string
  readonly overlap: boolean
  readonly path: string
  /** Options of the load. Only the code that submits the load reads them. */
  readonly options: unknown
}

export interface ScheduleRecord {
  readonly scheduleId: number
  definition: ScheduleDefinition
  readonly createdMs: number
  paused: boolean
  /** Due times up to here have runs. */
  lookedMs: number
  /** Number of the last run. */
  runs: number
  /** Numbers of the runs that wait or are running. */
  open: number[]
  /** Durations of the last completed runs, the latest last. */
  tookMs: number[]
}

/**
 * WAITING -> STARTED -> the load's last mode | EXPIRED (the load was deleted from the history).
 * SKIPPED and REFUSED never had a load.
 */
export type RunState =
  | 'WAITING'
  | 'STARTED'
  | 'COMPLETED'
  | 'PARTIAL'
  | 'FAILED'
  | 'CANCELLED'
  | 'EXPIRED'
  | 'SKIPPED'
  | 'REFUSED'

/** A run before it gets a number. */
export interface NewRun {
  readonly dueMs: number
  /** Start: the due time with its jitter, or earlier because of a deadline. */
  readonly startMs: number
  /** Deadline; 0 = none. */
  readonly deadlineMs: number
  readonly manual: boolean
  /** Waits for the previous run instead of being skipped. */
  readonly queued: boolean
  /** Why the run is skipped. Empty: it is not. */
  readonly skipped: string
}

export interface ScheduleRun extends Omit<NewRun, 'skipped'> {
  readonly number: number
  state: RunState
  reason: string
  /** 0: no load. */
  loadId: number
  startedMs: number
  endedMs: number
}

export function isOpen(run: ScheduleRun): boolean {
  return run.state === 'WAITING' || run.state === 'STARTED'
}

/** Request key for the load of a run: repeated submissions are one load. */
export function runRequestKey(scheduleId: number, number: number): string {
  return `schedule/${scheduleId}/${number}`
}
