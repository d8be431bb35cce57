// Why: what a schedule and its runs are, as data. How: plain records that any table can hold. A run
// is one due time (or one wish of a person, or of the schedule before it in a chain) and what
// became of it; a due time has one run, whatever fires.

export type CatchUp = 'latest' | 'all' | 'none'
export const catchUpWords: readonly CatchUp[] = ['latest', 'all', 'none']

export interface ScheduleDefinition {
  readonly name: string
  /**
   * Five fields, or six with seconds first; empty: runs after another schedule, or by `readyBy`.
   */
  readonly cron: string
  /** IANA. */
  readonly timezone: string
  readonly jitterMs: number
  /** What becomes of the due times that passed while no job master ran. */
  readonly catchUp: CatchUp
  /** The schedule whose completed runs start this one; empty = none. */
  readonly after: string
  /** `HH:MM` in the timezone; empty = none. */
  readonly readyBy: string
  readonly overlap: boolean
  readonly path: string
  /** The load's options; only whoever submits the load reads them. */
  readonly options: unknown
}

export interface ScheduleRecord {
  readonly scheduleId: number
  definition: ScheduleDefinition
  readonly createdMs: number
  paused: boolean
  /** Due times up to here have their runs. */
  lookedMs: number
  /** The number of the last run. */
  runs: number
  /** Numbers of the runs that wait or go on. */
  open: number[]
  /** How long the last completed runs took, the latest last. */
  tookMs: number[]
}

/**
 * WAITING -> STARTED -> the load's last mode | EXPIRED (the load is not remembered); SKIPPED and
 * REFUSED never had a load.
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

/** A run before it has a number. */
export interface NewRun {
  readonly dueMs: number
  /** When it begins: the due time with its jitter, or earlier to be ready in time. */
  readonly startMs: number
  /** When it should be in; 0 = no matter. */
  readonly deadlineMs: number
  readonly manual: boolean
  /** Waits for the run before it, instead of being skipped. */
  readonly queued: boolean
  /** Not empty: it is over already, and why. */
  readonly skipped: string
}

export interface ScheduleRun extends Omit<NewRun, 'skipped'> {
  readonly number: number
  state: RunState
  reason: string
  /** 0: none. */
  loadId: number
  startedMs: number
  endedMs: number
}

export function isOpen(run: ScheduleRun): boolean {
  return run.state === 'WAITING' || run.state === 'STARTED'
}

/** The key under which a run's load is submitted: however often it is, it is one load. */
export function runRequestKey(scheduleId: number, number: number): string {
  return `schedule/${scheduleId}/${number}`
}
