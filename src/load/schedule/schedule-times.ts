// Why: the due times of a schedule depend only on its definition and a point in time, so they
// cannot be lost. This is the only file that imports croner. How: `--ready-by` without a cron is
// due every day at that time. With a cron it is the deadline of the run. A run with a deadline
// starts `leadMs` before it, and never later than the cron says.
import { Cron } from 'croner'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { hashNumbers, hashText } from '../placing/hash.ts'
import type { ScheduleDefinition } from './schedule.ts'

type Times = Pick<ScheduleDefinition, 'cron' | 'timezone' | 'readyBy'>

const readyByPattern = /^([01]?\d|2[0-3]):([0-5]\d)$/

/** Next due time after `afterMs`. Undefined: none. */
export function nextRun(times: Times, afterMs: number): number | undefined {
  const pattern = patternOf(times)
  return pattern === '' ? undefined : nextOf(pattern, times.timezone, afterMs)
}

/** The last due times in (`afterMs`, `upToMs`], at most `most`, in order. */
export function lastRuns(times: Times, afterMs: number, upToMs: number, most: number): number[] {
  const pattern = patternOf(times)
  if (pattern === '') return []
  // Croner searches for whole seconds before its reference time.
  const runs = cronOf(pattern, times.timezone).previousRuns(most, new Date(Math.floor(upToMs / 1000) * 1000 + 1000))
  return runs
    .map((date) => date.getTime())
    .filter((ms) => ms > afterMs && ms <= upToMs)
    .toSorted((a, b) => a - b)
}

/** Deadline of the run that is due at `dueMs`; 0 = none. */
export function deadlineOf(times: Times, dueMs: number): number {
  if (times.readyBy === '') return 0
  return times.cron === '' ? dueMs : (nextOf(dailyAt(times.readyBy), times.timezone, dueMs) ?? 0)
}

/**
 * Start of the run that is due at `dueMs`.
 * @param leadMs its expected duration
 */
export function startOf(times: Times, dueMs: number, leadMs: number): number {
  return times.readyBy === '' ? dueMs : Math.min(dueMs, deadlineOf(times, dueMs) - leadMs)
}

/** Delay of a run; always the same for the same run. */
export function jitterOf({ name, jitterMs }: Pick<ScheduleDefinition, 'name' | 'jitterMs'>, dueMs: number): number {
  return jitterMs === 0 ? 0 : hashNumbers(dueMs, hashText(name)) % (jitterMs + 1)
}

/**
 * @throws SkeinError invalid_argument for the timezone, the cron, a cron that is never due, or the
 *   time of day
 */
export function checkTimes(times: Times, nowMs: number): void {
  checkTimezone(times.timezone)
  if (times.readyBy !== '' && !readyByPattern.test(times.readyBy))
    throw new SkeinError('invalid_argument', `'${times.readyBy}' is not a time of day: use HH:MM, such as 07:00`)
  if (times.cron === '') return
  let next: number | undefined
  try {
    next = nextOf(times.cron, times.timezone, nowMs)
  } catch (thrown) {
    const why = toSkeinError(thrown).message.replace(/^CronPattern: /, '')
    throw new SkeinError(
      'invalid_argument',
      `'${times.cron}' is not a cron expression: ${why} (write 'minute hour day month weekday', such as '0 2 * * *')`,
    )
  }
  if (next === undefined) throw new SkeinError('invalid_argument', `'${times.cron}' never fires: there is no such day`)
}

function checkTimezone(timezone: string): void {
  try {
    Intl.DateTimeFormat('en', { timeZone: timezone }).format(0)
  } catch {
    throw new SkeinError(
      'invalid_argument',
      `there is no timezone '${timezone}': write one such as Asia/Shanghai or UTC`,
    )
  }
}

/** The pattern for the timer of a queue. Empty: the schedule has no time. */
export function patternOf({ cron, readyBy }: Pick<ScheduleDefinition, 'cron' | 'readyBy'>): string {
  return cron !== '' || readyBy === '' ? cron : dailyAt(readyBy)
}

function dailyAt(readyBy: string): string {
  const [, hour = '0', minute = '0'] = readyByPattern.exec(readyBy) ?? []
  return `${Number(minute)} ${Number(hour)} * * *`
}

function nextOf(pattern: string, timezone: string, afterMs: number): number | undefined {
  return cronOf(pattern, timezone).nextRun(new Date(afterMs))?.getTime()
}

function cronOf(pattern: string, timezone: string): Cron {
  return new Cron(pattern, { timezone, mode: '5-or-6-parts' })
}
