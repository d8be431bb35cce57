// Why: what a schedule owes at a moment, decided from its record alone. How: pure functions of the
// record, the time, and since when this job master serves: due times before that were missed, and
// the schedule says what becomes of them.
import { catchUpWords, type NewRun, type ScheduleRecord, type ScheduleRun } from './schedule.ts'
import { deadlineOf, jitterOf, lastRuns, nextRun, startOf } from './schedule-times.ts'

export interface Look {
  readonly nowMs: number
  /** Since when this job master looks. */
  readonly servingSinceMs: number
  /** How long a run is expected to take. */
  readonly leadMs: number
}

/** Missed runs that `--catch-up all` makes up for, and runs that may wait in line. */
export const queuedRunsMax = 100
/** A due time that is looked at later than this was missed, too (the process stood still). */
const lateMs = 60_000
/** Due times ahead that a long lead may begin at once. */
const earlyRunsMax = 3

/** When the next run begins, without its jitter; undefined when no time starts the schedule. */
export function nextStart(
  { definition, lookedMs }: Pick<ScheduleRecord, 'definition' | 'lookedMs'>,
  leadMs: number,
): number | undefined {
  const dueMs = nextRun(definition, lookedMs)
  return dueMs === undefined ? undefined : startOf(definition, dueMs, leadMs)
}

/** The runs of the due times since the last look, in order; undefined when there are none. */
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
  // In line, because a run that the downtime interrupted may go on.
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

/** What becomes of a waiting run now. `ahead`: the open runs with lower numbers. */
export function startDecision(
  overlap: boolean,
  run: ScheduleRun,
  ahead: readonly ScheduleRun[],
  nowMs: number,
): 'start' | 'later' | { readonly skip: string } {
  const before = ahead.at(-1)
  if (before !== undefined && !overlap) {
    // Behind runs that are made up for, due times wait as well: none of them shall be lost by it.
    const inLine = run.queued || run.manual || ahead.some((one) => one.queued)
    if (inLine && ahead.length < queuedRunsMax) return 'later'
    const which = before.loadId === 0 ? `run ${before.number}` : `run ${before.number} (L${before.loadId})`
    if (run.startMs <= nowMs) return { skip: `${which} ${before.state === 'STARTED' ? 'went on' : 'had not begun'}` }
  }
  return run.startMs <= nowMs ? 'start' : 'later'
}
