// Why: one union of all changes to schedules and runs. They are journaled together with the
// commands of loads. How: as in load-commands.ts: each command contains the time and all decisions.
import type { NewRun, RunState, ScheduleDefinition } from './schedule.ts'

/** Ignored when the name exists, or when the schedule that it comes after does not. */
export interface ScheduleCreated {
  readonly type: 'ScheduleCreated'
  readonly nowMs: number
  readonly definition: ScheduleDefinition
}
/**
 * Changes the definition under the same name. Ignored when the schedule would come after itself, or
 * after a schedule that does not exist.
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
/** Ignored while another schedule comes after this one. */
export interface ScheduleDeleted {
  readonly type: 'ScheduleDeleted'
  readonly nowMs: number
  readonly scheduleId: number
}
/**
 * Turns the due times up to `upToMs` into runs. Ignored when they are known already, so that no due
 * time has two runs.
 */
export interface ScheduleDue {
  readonly type: 'ScheduleDue'
  readonly nowMs: number
  readonly scheduleId: number
  readonly upToMs: number
  readonly runs: readonly NewRun[]
}
/** A run that a user started. */
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
/** A run has ended. A completed run starts the schedules that come after this one. */
export interface ScheduleRunEnded {
  readonly type: 'ScheduleRunEnded'
  readonly nowMs: number
  readonly scheduleId: number
  readonly number: number
  readonly state: RunState
  readonly reason: string
  /** From the submission of the load to its end. */
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

/** `number`: the last run that the command created; 0 = none. */
export interface ScheduleEffect {
  readonly type: 'scheduled'
  readonly scheduleId: number
  readonly number: number
}
