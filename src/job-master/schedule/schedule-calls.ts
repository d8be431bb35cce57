// Why: the calls of the command line about schedules. How: invalid requests are refused with one
// line before anything is journaled. All output is read from the tables at that moment.
import { formatDuration } from '../../base/durations.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { pathOfText } from '../../base/paths.ts'
import { chainOf, runsKeptMax, schedulesAfter } from '../../load/state/apply-schedules.ts'
import type { LoadCommand, LoadEffect } from '../../load/state/load-commands.ts'
import { formatLoadId } from '../../load/load.ts'
import { nextStart } from '../../load/schedule/schedule-due.ts'
import { checkTimes, patternOf } from '../../load/schedule/schedule-times.ts'
import {
  catchUpWords,
  type CatchUp,
  type ScheduleDefinition,
  type ScheduleRecord,
  type ScheduleRun,
} from '../../load/schedule/schedule.ts'
import type { Tables } from '../../load/state/load-tables.ts'
import {
  type Schedule,
  type ScheduleDefinition as ScheduleMessage,
  type ScheduleRun as RunMessage,
  ScheduleServiceDefinition,
} from '../../wire/generated/schedule.ts'
import { limited } from '../../wire/limits/all-limits.ts'
import type { Service } from '../../wire/service.ts'
import type { JobMasterContext } from '../job-master-context.ts'
import type { ScheduleKeeper } from './schedule-keeper.ts'
import { estimateOf, lateNote, leadOf } from './schedule-lead.ts'
import { cutTexts } from '../view/load-status.ts'
import { checkScheduledPath } from './schedule-target.ts'

interface ScheduleCallsContext extends Pick<JobMasterContext, 'tables' | 'submit' | 'master' | 'clock'> {
  readonly keeper: Pick<ScheduleKeeper, 'look' | 'changed' | 'waitsFor'>
  /** @throws SkeinError invalid_argument for options that are not valid for a load */
  readonly checkOptions: (definition: ScheduleMessage) => void
}

const schedulesMax = 1000
const jitterMsMax = 86_400_000
const namePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/

/** @param serving aborted when the job master stops */
export function createScheduleService(
  context: ScheduleCallsContext,
  serving: () => AbortSignal,
): Service<ScheduleServiceDefinition> {
  const { tables, clock, keeper } = context
  const submit = async (command: LoadCommand): Promise<LoadEffect> => {
    const effect = await context.submit(command)
    keeper.changed()
    return effect
  }
  const setPaused = async (name: string, paused: boolean): Promise<Schedule> => {
    const { scheduleId } = findSchedule(tables, name)
    await submit({ type: 'SchedulePaused', nowMs: clock.nowMs(), scheduleId, paused })
    return scheduleOf(context, findSchedule(tables, name))
  }
  return limited(ScheduleServiceDefinition, {
    createSchedule: async (message, { signal }) => {
      const definition = asUsage(() => {
        context.checkOptions(message)
        return checkDefinition(tables, message, clock.nowMs())
      })
      const warning = await checkScheduledPath(context.master, definition.path, signal)
      const effect = await submit({ type: 'ScheduleCreated', nowMs: clock.nowMs(), definition })
      if (effect.type !== 'scheduled') throw exists(definition.name)
      return {
        ...scheduleOf(context, findSchedule(tables, definition.name)),
        ...(warning !== undefined && { warning }),
      }
    },
    updateSchedule: async (message, { signal }) => {
      const { scheduleId } = findSchedule(tables, message.name)
      const definition = asUsage(() => {
        context.checkOptions(message)
        return checkDefinition(tables, message, clock.nowMs(), true)
      })
      const warning = await checkScheduledPath(context.master, definition.path, signal)
      const effect = await submit({ type: 'ScheduleChanged', nowMs: clock.nowMs(), scheduleId, definition })
      if (effect.type !== 'scheduled')
        throw new SkeinError(
          'aborted',
          `schedule ${message.name} was changed or deleted in the meantime: check it and try again`,
        )
      return {
        ...scheduleOf(context, findSchedule(tables, definition.name)),
        ...(warning !== undefined && { warning }),
      }
    },
    listSchedules: async () => ({
      schedules: tables.schedules.scan([], 0, schedulesMax).map(({ value }) => listed(scheduleOf(context, value))),
    }),
    getSchedule: async ({ name }) => scheduleOf(context, findSchedule(tables, name)),
    runSchedule: async ({ name }) => {
      const { scheduleId, open, definition } = findSchedule(tables, name)
      if (open.length > 0 && !definition.overlap)
        throw new SkeinError(
          'failed_precondition',
          `run ${open.at(-1) ?? 0} of schedule ${name} is still running: see 'skein schedule history ${name}'`,
        )
      const effect = await submit({ type: 'ScheduleRunAdded', nowMs: clock.nowMs(), scheduleId })
      if (effect.type !== 'scheduled') throw notFound(name)
      await keeper.look(scheduleId, serving())
      const run = tables.scheduleRuns.get([scheduleId, effect.number])
      if (run === undefined) throw notFound(name)
      return runOf(context, scheduleId, run)
    },
    pauseSchedule: async ({ name }) => await setPaused(name, true),
    resumeSchedule: async ({ name }) => await setPaused(name, false),
    deleteSchedule: async ({ name }) => {
      const { scheduleId } = findSchedule(tables, name)
      const effect = await submit({ type: 'ScheduleDeleted', nowMs: clock.nowMs(), scheduleId })
      if (effect.type === 'scheduled') return {}
      const names = schedulesAfter(tables, name).map(({ definition }) => definition.name)
      throw new SkeinError(
        'failed_precondition',
        `schedule ${name} starts ${names.join(', ')} (--after): delete that schedule first`,
      )
    },
    listScheduleRuns: async ({ name, limit }) => {
      const { scheduleId } = findSchedule(tables, name)
      const runs = tables.scheduleRuns.scan([scheduleId], 0, Number.MAX_SAFE_INTEGER).toReversed()
      return {
        runs: runs.slice(0, limit === 0 ? runsKeptMax : limit).map(({ value }) => runOf(context, scheduleId, value)),
      }
    },
  })
}

/** Invalid values count as wrong usage of the command line. */
function asUsage<T>(check: () => T): T {
  try {
    return check()
  } catch (thrown) {
    if (!isSkeinError(thrown, 'invalid_argument')) throw thrown
    throw new SkeinError('invalid_argument', thrown.message, { reason: 'usage', cause: thrown })
  }
}

/**
 * @throws SkeinError invalid_argument, already_exists, not_found (the schedule of --after),
 *   resource_exhausted
 */
function checkDefinition(
  tables: Tables,
  message: ScheduleMessage,
  nowMs: number,
  isUpdate = false,
): ScheduleDefinition {
  const { name, cron, jitterMs, after, readyBy, overlap } = message
  if (!namePattern.test(name))
    throw new SkeinError(
      'invalid_argument',
      `'${name}' is not a schedule name: use up to 63 letters, digits and _ . -, and begin with a letter or digit`,
    )
  const definition: ScheduleDefinition = {
    ...{ name, cron: cron.trim(), timezone: message.timezone === '' ? 'UTC' : message.timezone, jitterMs },
    ...{
      catchUp: catchUpOf(message.catchUp),
      after,
      readyBy,
      overlap,
      // A namespace with a slash behind it is the same.
      path: pathOfText(message.path).replace(/^(\/[^/]+)\/$/, '$1'),
      options: message.options,
    },
  }
  if (patternOf(definition) === '' && after === '')
    throw new SkeinError('invalid_argument', `schedule ${name} has no start time: give --cron, --after or --ready-by`)
  if (after !== '' && (cron !== '' || readyBy !== ''))
    throw new SkeinError('invalid_argument', '--after cannot be combined with --cron or --ready-by')
  if (!(jitterMs >= 0 && jitterMs <= jitterMsMax))
    throw new SkeinError('invalid_argument', `--jitter is at most ${formatDuration(jitterMsMax)}`)
  checkTimes(definition, nowMs)
  if (!isUpdate && tables.scheduleNames.get([name]) !== undefined) throw exists(name)
  checkChain(tables, name, after)
  if (!isUpdate && tables.schedules.scan([], 0, schedulesMax).length >= schedulesMax)
    throw new SkeinError('resource_exhausted', `there are ${schedulesMax} schedules already: delete one first`)
  return definition
}

function catchUpOf(word: string): CatchUp {
  const found = word === '' ? 'latest' : catchUpWords.find((one) => one === word)
  if (found === undefined)
    throw new SkeinError('invalid_argument', `'${word}' is not a value of --catch-up: use ${catchUpWords.join(', ')}`)
  return found
}

function checkChain(tables: Tables, name: string, after: string): void {
  if (after === '') return
  const byName = (one: string): ScheduleRecord | undefined => {
    const id = tables.scheduleNames.get([one])
    return id === undefined ? undefined : tables.schedules.get([id])
  }
  const chain = chainOf(name, after, (one) => byName(one)?.definition.after)
  if (new Set(chain).size < chain.length)
    throw new SkeinError('invalid_argument', `--after ${after} makes a cycle: ${chain.join(' after ')}`)
  if (byName(after) === undefined) throw new SkeinError('not_found', `--after ${after}: there is no schedule ${after}`)
}

function findSchedule(tables: Tables, name: string): ScheduleRecord {
  const id = tables.scheduleNames.get([name])
  const schedule = id === undefined ? undefined : tables.schedules.get([id])
  if (schedule === undefined) throw notFound(name)
  return schedule
}

/** The form for lists of up to a thousand schedules: long options are cut. */
function listed(schedule: Schedule): Schedule {
  const { definition } = schedule
  return {
    ...schedule,
    definition: definition === undefined ? undefined : (cutTexts(definition, 2000, 16) as ScheduleMessage),
  }
}

function notFound(name: string): SkeinError {
  return new SkeinError('not_found', `there is no schedule '${name}'; list schedules with 'skein schedule ls'`)
}

function exists(name: string): SkeinError {
  return new SkeinError('already_exists', `there is a schedule '${name}' already: delete it first, or use another name`)
}

function scheduleOf(context: ScheduleCallsContext, schedule: ScheduleRecord): Schedule {
  const { tables, clock, keeper } = context
  const { scheduleId, definition, paused, createdMs, runs } = schedule
  const lead = leadOf(tables, schedule)
  const last = tables.scheduleRuns.get([scheduleId, runs])
  const next = paused ? undefined : nextStart(schedule, lead.leadMs)
  return {
    definition: definition as ScheduleMessage,
    paused,
    createdMs,
    nextRunMs: next === undefined ? 0 : Math.max(next, clock.nowMs()),
    lastRunMs: last === undefined ? 0 : last.startedMs || last.dueMs,
    lastLoadId: last === undefined || last.loadId === 0 ? '' : formatLoadId(last.loadId),
    lastState: last === undefined ? '' : stateOf(tables, last),
    lastReason: last === undefined ? '' : reasonOf(context, scheduleId, last),
    runs,
    note: noteOf(tables, schedule, keeper.waitsFor(scheduleId), lead, clock.nowMs()),
  }
}

function noteOf(
  tables: Tables,
  schedule: ScheduleRecord,
  waitsFor: string,
  lead: ReturnType<typeof leadOf>,
  nowMs: number,
): string {
  const { definition, paused, open, scheduleId } = schedule
  const runs = open.map((number) => tables.scheduleRuns.get([scheduleId, number])).filter((run) => run !== undefined)
  const going = runs.find((run) => run.state === 'STARTED')
  const load = going === undefined ? undefined : tables.loads.get([going.loadId])
  const running =
    going === undefined
      ? undefined
      : { run: going, estimateMs: load === undefined ? undefined : estimateOf(load, nowMs) }
  const notes = [
    paused ? 'paused' : '',
    waitsFor,
    definition.after === '' ? '' : `runs when a run of ${definition.after} has completed`,
    lateNote(schedule, lead, running, nowMs),
  ]
  return notes.filter((note) => note !== '').join('; ')
}

function stateOf(tables: Tables, run: ScheduleRun): string {
  return (run.state === 'STARTED' ? tables.loads.get([run.loadId])?.mode : undefined) ?? run.state
}

/** The reason of a run; for an unfinished run, the status of its load or why it waits. */
function reasonOf(
  context: ScheduleCallsContext,
  scheduleId: number,
  { number, state, reason, loadId }: ScheduleRun,
): string {
  const { tables, keeper } = context
  const [, waits] = state === 'WAITING' ? keeper.waitsFor(scheduleId).split(`run ${number} waits: `) : []
  if (waits !== undefined) return waits
  const load = state === 'STARTED' ? tables.loads.get([loadId]) : undefined
  return [reason, load?.reason ?? ''].filter((text) => text !== '').join('; ')
}

function runOf(context: ScheduleCallsContext, scheduleId: number, run: ScheduleRun): RunMessage {
  const { number, dueMs, startedMs, loadId, manual } = run
  return {
    ...{ number, dueMs, startedMs, loadId: loadId === 0 ? '' : formatLoadId(loadId), manual },
    ...{ state: stateOf(context.tables, run), reason: reasonOf(context, scheduleId, run) },
  }
}
