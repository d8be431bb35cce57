// Why: everything that changes a schedule or a run, as one union, journaled beside the commands of
// loads. How: as in commands.ts: the clock's reading and every decision come with the command.
import type { NewRun, RunState, ScheduleDefinition } from './schedule.ts'

/** Ignored when there is one of that name, or none of the name that it comes after. */
export interface ScheduleCreated {
  readonly type: 'ScheduleCreated'
  readonly nowMs: number
  readonly definition: ScheduleDefinition
}
/**
 * Another definition under the same name. Ignored where it would come after itself, or after a
 * schedule that there is not.
 */
export interface ScheduleChanged {
  readonly type: 'ScheduleChanged'
  readonly nowMs: number
  readonly scheduleId: number
  readonly definition: ScheduleDefinition
}
export interface SchedulePaused {
  readonly type: 'SchedulePaused'
  readonly nowMs: number
  readonly scheduleId: number
  readonly paused: boolean
}
/** Ignored while another schedule comes after it. */
export interface ScheduleDeleted {
  readonly type: 'ScheduleDeleted'
  readonly nowMs: number
  readonly scheduleId: number
}
/**
 * The due times up to `upToMs` as runs. Ignored when they are known already, so that no due time
 * has two runs.
 */
export interface ScheduleDue {
  readonly type: 'ScheduleDue'
  readonly nowMs: number
  readonly scheduleId: number
  readonly upToMs: number
  readonly runs: readonly NewRun[]
}
/** A run that a person wants now. */
export interface ScheduleRunAdded {
  readonly type: 'ScheduleRunAdded'
  readonly nowMs: number
  readonly scheduleId: number
}
export interface ScheduleRunStarted {
  readonly type: 'ScheduleRunStarted'
  readonly nowMs: number
  readonly scheduleId: number
  readonly number: number
  readonly loadId: number
  readonly reason: string
}
/** The run is over. A completed one starts the schedules that come after this one. */
export interface ScheduleRunEnded {
  readonly type: 'ScheduleRunEnded'
  readonly nowMs: number
  readonly scheduleId: number
  readonly number: number
  readonly state: RunState
  readonly reason: string
  /** From the load's submission to its end. */
  readonly tookMs: number
}

export type ScheduleCommand =
  | ScheduleCreated
  | ScheduleChanged
  | SchedulePaused
  | ScheduleDeleted
  | ScheduleDue
  | ScheduleRunAdded
  | ScheduleRunStarted
  | ScheduleRunEnded

/** `number`: of the last run that the command made, 0 when it made none. */
export interface ScheduleEffect {
  readonly type: 'scheduled'
  readonly scheduleId: number
  readonly number: number
}
