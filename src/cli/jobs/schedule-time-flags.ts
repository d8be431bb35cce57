// Why: when a schedule runs is said in the same words when it is made and when it is changed. How:
// one table of options; what excludes each other is refused here, and an update that names one way
// to start takes the place of the other. Pure.
import type { Command } from 'commander'
import type { ScheduleDefinition } from '../../wire/generated/schedule.ts'
import { usageError } from '../frame/exit-codes.ts'
import { durationMs, notEmpty } from '../frame/numbers.ts'
import { suggested } from '../frame/suggested.ts'

export interface TimeFlags {
  readonly cron?: string
  readonly timezone?: string
  readonly jitter?: string
  readonly catchUp?: string
  readonly after?: string
  readonly readyBy?: string
  readonly overlap?: boolean
}

type Times = Pick<ScheduleDefinition, 'cron' | 'timezone' | 'jitterMs' | 'catchUp' | 'after' | 'readyBy' | 'overlap'>

const catchUpWords = ['latest', 'all', 'none']

export function addTimeFlags(command: Command): Command {
  command
    .option(
      '--cron <times>',
      "minute hour day month weekday, such as '0 2 * * *'; an optional sixth field in front is seconds",
    )
    .option('--timezone <name>', 'time zone, such as Asia/Shanghai (default: UTC)')
    .option('--jitter <duration>', 'delay each start by up to this long; the delay of a run is always the same')
    .option('--catch-up <which>', 'missed runs to start late: latest (default), all, none')
    .option('--after <name>', 'start when a run of this schedule completes')
    .option('--ready-by <HH:MM>', 'start early enough to finish by this time')
    .option('--overlap', 'start even if the previous run is still running')
  return suggested(command, '--catch-up', catchUpWords)
}

/** Of a new schedule. @throws SkeinError invalid_argument (usage) */
export function newTimes(flags: TimeFlags): Times {
  const none: Times = { cron: '', timezone: '', jitterMs: 0, catchUp: 'latest', after: '', readyBy: '', overlap: false }
  return { ...none, ...timesAgain(flags) }
}

/** What an update names. @throws SkeinError invalid_argument (usage) */
export function timesAgain(flags: TimeFlags): Partial<Times> {
  const { cron, timezone, jitter, catchUp, after, readyBy, overlap } = flags
  if (catchUp !== undefined && !catchUpWords.includes(catchUp))
    throw usageError(`--catch-up must be one of ${catchUpWords.join(', ')}, not '${catchUp}'`)
  const jitterMs = jitter === undefined ? undefined : durationMs('--jitter', jitter)
  for (const [option, text] of Object.entries({ cron, timezone, after, 'ready-by': readyBy }))
    if (text !== undefined) notEmpty(`--${option}`, text)
  if (after !== undefined) {
    const ofTimes = { cron, 'ready-by': readyBy, timezone, jitter, 'catch-up': catchUp }
    const useless = Object.entries(ofTimes).find(([, text]) => text !== undefined)?.[0]
    if (useless !== undefined)
      throw usageError(`--after and --${useless} cannot be combined: a schedule with --after has no start time`)
  }
  const named = { cron, timezone, jitterMs, catchUp, after, readyBy, overlap }
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined))
}

/**
 * The definition with the changes: what is not named stays, `none` takes a cron line or a
 * --ready-by away, and times of day and `after` take each other's place.
 */
export function withTimes(definition: ScheduleDefinition, changes: Partial<Times>): ScheduleDefinition {
  if (changes.after !== undefined)
    return { ...definition, cron: '', readyBy: '', timezone: '', jitterMs: 0, ...changes }
  const { cron = definition.cron, readyBy = definition.readyBy } = changes
  const times = { cron: cron === 'none' ? '' : cron, readyBy: readyBy === 'none' ? '' : readyBy }
  return { ...definition, ...changes, ...times, after: times.cron + times.readyBy === '' ? definition.after : '' }
}
