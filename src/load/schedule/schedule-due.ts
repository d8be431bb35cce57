// Why: decides what a schedule must do at a given time, only from its record. How: pure functions
// of the record, the time, and the start of this job master. Earlier due times were missed, and the
// catch-up setting of the schedule decides about them.
import { catchUpWords, type NewRun, type ScheduleRecord, type ScheduleRun } from './schedule.ts'
import { deadlineOf, jitterOf, lastRuns, nextRun, startOf } from './schedule-times.ts'

export interface Look {
  readonly nowMs: number
  /** When this job master started to check schedules. */
  readonly servingSinceMs: number
  /** Expected duration of a run. */
  readonly leadMs: number
}

/** Maximum of missed runs that `--catch-up all` makes up for, and of runs that may wait. */
export const queuedRunsMax = 100
/** A due time that is checked later than this also counts as missed (the process was suspended). */
const lateMs = 60_000
/** Maximum of future due times whose runs may start at once because of a long lead. */
const earlyRunsMax = 3

/** Start of the next run, without its jitter. Undefined: the schedule has no time. */
export function nextStart(
  { definition, lookedMs }: Pick<ScheduleRecord, 'definition' | 'lookedMs'>,
  leadMs: number,
): number | undefined {
  const dueMs = nextRun(definition, lookedMs)
  return dueMs === undefined ? undefined : startOf(definition, dueMs, leadMs)
}

/** Runs for the due times since the last check, in order. Undefined: none. */
export function dueRuns(
  schedule: ScheduleRecord,
  look: Look,
): { readonly upToMs: number; readonly runs: readonly NewRun[] } | undefined {
  const { definition, lookedMs } = schedule
  const { nowMs, servingSinceMs, leadMs } = look
  const past = lastRuns(definition, lookedMs, nowMs, queuedRunsMax + 1)
  const early: number[] = []
  for (let from = Math.max(lookedMs, nowMs); definition.readyBy !== '' && early.length < earlyRunsMax;) {
    const dueMs = nextRun(definition, from)
    if (dueMs === undefined || startOf(definition, dueMs, leadMs) > nowMs) break
    early.push(dueMs)
    from = dueMs
  }
  const upToMs = early.at(-1) ?? past.at(-1)
  if (upToMs === undefined) return undefined
  const isMissed = (dueMs: number): boolean => dueMs < servingSinceMs || dueMs < nowMs - lateMs
  const onTime = [...past.filter((dueMs) => !isMissed(dueMs)), ...early]
  const caughtUp = catchUp(schedule, past.filter(isMissed))
  return { upToMs, runs: [...caughtUp, ...onTime.map((dueMs) => newRun(schedule, dueMs, leadMs, false))] }
}

function catchUp(schedule: ScheduleRecord, missed: readonly number[]): NewRun[] {
  const last = missed.at(-1)
  if (last === undefined) return []
  const { catchUp: word } = schedule.definition
  const wanted = { none: 0, latest: 1, all: queuedRunsMax }[catchUpWords.includes(word) ? word : 'latest']
  const made = wanted === 0 ? [] : missed.slice(-wanted)
  const dropped = missed.slice(0, missed.length - made.length)
  const lastDropped = dropped.at(-1)
  // They wait, because a run that was interrupted by the downtime may still be running.
  const runs = made.map((dueMs) => newRun(schedule, dueMs, 0, true))
  if (lastDropped === undefined) return runs
  const many = missed.length > queuedRunsMax ? 'more than ' : ''
  const count = dropped.length === 1 ? '1 due time' : `${many}${dropped.length} due times`
  const reason = `${count} passed while the job master was away (--catch-up ${word})`
  return [{ ...newRun(schedule, lastDropped, 0, false), skipped: reason }, ...runs]
}

function newRun({ definition }: ScheduleRecord, dueMs: number, leadMs: number, queued: boolean): NewRun {
  const startMs = startOf(definition, dueMs, leadMs) + jitterOf(definition, dueMs)
  return { dueMs, startMs, deadlineMs: deadlineOf(definition, dueMs), manual: false, queued, skipped: '' }
}

/**
 * Decides about a waiting run.
 * @param ahead open runs with lower numbers
 */
export function startDecision(
  overlap: boolean,
  run: ScheduleRun,
  ahead: readonly ScheduleRun[],
  nowMs: number,
): 'start' | 'later' | { readonly skip: string } {
  const before = ahead.at(-1)
  if (before !== undefined && !overlap) {
    // While missed runs are made up for, later due times wait too, so that none of them is lost.
    const inLine = run.queued || run.manual || ahead.some((one) => one.queued)
    if (inLine && ahead.length < queuedRunsMax) return 'later'
    const which = before.loadId === 0 ? `run ${before.number}` : `run ${before.number} (L${before.loadId})`
    if (run.startMs <= nowMs)
      return { skip: `${which} ${before.state === 'STARTED' ? 'was still running' : 'had not started'}` }
  }
  return run.startMs <= nowMs ? 'start' : 'later'
}
