// Why: the only place where the state of a schedule changes. How: like apply-load.ts, deterministic
// and total: what no longer applies changes nothing. Ended runs beyond a limit are deleted when new
// ones are added.
import { assertNever } from '../../base/assert.ts'
import {
  isOpen,
  type NewRun,
  type RunState,
  type ScheduleDefinition,
  type ScheduleRecord,
  type ScheduleRun,
} from '../schedule/schedule.ts'
import type {
  ScheduleCommand,
  ScheduleEffect,
  ScheduleRunEnded,
  ScheduleRunStarted,
} from '../schedule/schedule-commands.ts'
import type { OrderedTable, Tables } from './load-tables.ts'

/** Number of runs that are kept per schedule. */
export const runsKeptMax = 200
const tookKeptMax = 7
const rowsAtOnce = 64

const commandTypes: Readonly<Record<ScheduleCommand['type'], true>> = {
  ScheduleCreated: true,
  ScheduleChanged: true,
  SchedulePaused: true,
  ScheduleDeleted: true,
  ScheduleDue: true,
  ScheduleRunAdded: true,
  ScheduleRunStarted: true,
  ScheduleRunEnded: true,
}

export function isScheduleCommand(command: { readonly type: string }): command is ScheduleCommand {
  return Object.hasOwn(commandTypes, command.type)
}

/** Undefined: the command changed nothing. */
export function applySchedule(tables: Tables, command: ScheduleCommand): ScheduleEffect | undefined {
  if (command.type === 'ScheduleCreated') return create(tables, command.definition, command.nowMs)
  const schedule = tables.schedules.get([command.scheduleId])
  if (schedule === undefined) return undefined
  const numberBefore = schedule.runs
  if (command.type === 'ScheduleDeleted') return remove(tables, schedule)
  if (!applyTo(tables, schedule, command)) return undefined
  tables.schedules.put([schedule.scheduleId], schedule)
  return {
    type: 'scheduled',
    scheduleId: schedule.scheduleId,
    number: schedule.runs > numberBefore ? schedule.runs : 0,
  }
}

type Change = Exclude<ScheduleCommand, { readonly type: 'ScheduleCreated' | 'ScheduleDeleted' }>

function applyTo(tables: Tables, schedule: ScheduleRecord, command: Change): boolean {
  switch (command.type) {
    case 'ScheduleChanged':
      return change(tables, schedule, command.definition, command.nowMs)
    case 'SchedulePaused':
      return pause(tables, schedule, command.paused, command.nowMs)
    case 'ScheduleDue':
      if (schedule.paused || command.upToMs <= schedule.lookedMs) return false
      schedule.lookedMs = command.upToMs
      for (const run of command.runs) addRun(tables, schedule, run, command.nowMs)
      return true
    case 'ScheduleRunAdded': {
      const { nowMs } = command
      addRun(
        tables,
        schedule,
        { dueMs: nowMs, startMs: nowMs, deadlineMs: 0, manual: true, queued: false, skipped: '' },
        nowMs,
      )
      return true
    }
    case 'ScheduleRunStarted':
      return runStarted(tables, schedule, command)
    case 'ScheduleRunEnded':
      return runEnded(tables, schedule, command)
    default:
      return assertNever(command)
  }
}

function create(tables: Tables, definition: ScheduleDefinition, nowMs: number): ScheduleEffect | undefined {
  const { name, after } = definition
  if (tables.scheduleNames.get([name]) !== undefined) return undefined
  if (after !== '' && tables.scheduleNames.get([after]) === undefined) return undefined
  const scheduleId = (tables.counters.get(['schedule']) ?? 0) + 1
  tables.counters.put(['schedule'], scheduleId)
  tables.scheduleNames.put([name], scheduleId)
  const state = { paused: false, lookedMs: nowMs, runs: 0, open: [], tookMs: [] }
  tables.schedules.put([scheduleId], { scheduleId, definition, createdMs: nowMs, ...state })
  return { type: 'scheduled', scheduleId, number: 0 }
}

/**
 * Due times before the change get no runs by the new definition. Durations of past runs do not
 * apply to another path.
 */
function change(tables: Tables, schedule: ScheduleRecord, definition: ScheduleDefinition, nowMs: number): boolean {
  const { name, after, path } = definition
  if (name !== schedule.definition.name) return false
  const afterOf = (one: string): string | undefined => {
    const id = tables.scheduleNames.get([one])
    return id === undefined ? undefined : tables.schedules.get([id])?.definition.after
  }
  if (after !== '' && afterOf(after) === undefined) return false
  const chain = chainOf(name, after, afterOf)
  if (new Set(chain).size < chain.length) return false
  if (path !== schedule.definition.path) schedule.tookMs = []
  schedule.definition = definition
  schedule.lookedMs = Math.max(schedule.lookedMs, nowMs)
  return true
}

/** Due times during a pause get no runs. */
function pause(tables: Tables, schedule: ScheduleRecord, paused: boolean, nowMs: number): boolean {
  if (schedule.paused === paused) return false
  schedule.paused = paused
  schedule.lookedMs = Math.max(schedule.lookedMs, nowMs)
  if (!paused) return true
  for (const number of schedule.open) {
    const run = tables.scheduleRuns.get([schedule.scheduleId, number])
    if (run?.state === 'WAITING' && !run.manual)
      endRun(tables, schedule, run, 'SKIPPED', 'the schedule was paused', nowMs)
  }
  return true
}

function remove(tables: Tables, schedule: ScheduleRecord): ScheduleEffect | undefined {
  const { scheduleId, definition } = schedule
  if (schedulesAfter(tables, definition.name).length > 0) return undefined
  tables.scheduleNames.delete([definition.name])
  tables.schedules.delete([scheduleId])
  deleteRows(tables.scheduleRuns, scheduleId)
  return { type: 'scheduled', scheduleId, number: 0 }
}

/** There are at most `runsKeptMax` rows plus the open ones. */
function deleteRows(table: OrderedTable<unknown>, scheduleId: number): void {
  for (;;) {
    const rows = table.scan([scheduleId], 0, rowsAtOnce)
    for (const { id } of rows) table.delete([scheduleId, id])
    if (rows.length < rowsAtOnce) return
  }
}

function addRun(tables: Tables, schedule: ScheduleRecord, { skipped, ...run }: NewRun, nowMs: number): void {
  schedule.runs += 1
  const number = schedule.runs
  const isOver = skipped !== ''
  const outcome = {
    state: isOver ? ('SKIPPED' as const) : ('WAITING' as const),
    reason: skipped,
    endedMs: isOver ? nowMs : 0,
  }
  tables.scheduleRuns.put([schedule.scheduleId, number], { ...run, number, loadId: 0, startedMs: 0, ...outcome })
  if (!isOver) schedule.open.push(number)
  const forgotten = tables.scheduleRuns
    .scan([schedule.scheduleId], 0, rowsAtOnce)
    .filter(({ id }) => id <= number - runsKeptMax)
  for (const { id, value } of forgotten) if (!isOpen(value)) tables.scheduleRuns.delete([schedule.scheduleId, id])
}

function runStarted(tables: Tables, schedule: ScheduleRecord, command: ScheduleRunStarted): boolean {
  const run = tables.scheduleRuns.get([schedule.scheduleId, command.number])
  if (run?.state !== 'WAITING') return false
  const { loadId, reason, nowMs } = command
  tables.scheduleRuns.put([schedule.scheduleId, run.number], {
    ...run,
    state: 'STARTED',
    loadId,
    reason,
    startedMs: nowMs,
  })
  return true
}

function runEnded(tables: Tables, schedule: ScheduleRecord, command: ScheduleRunEnded): boolean {
  const run = tables.scheduleRuns.get([schedule.scheduleId, command.number])
  if (run === undefined || !isOpen(run)) return false
  endRun(tables, schedule, run, command.state, command.reason, command.nowMs)
  if (command.state !== 'COMPLETED') return true
  schedule.tookMs = [...schedule.tookMs, command.tookMs].slice(-tookKeptMax)
  for (const next of schedulesAfter(tables, schedule.definition.name)) {
    if (next.paused) continue
    const { nowMs } = command
    addRun(
      tables,
      next,
      { dueMs: nowMs, startMs: nowMs, deadlineMs: 0, manual: false, queued: false, skipped: '' },
      nowMs,
    )
    tables.schedules.put([next.scheduleId], next)
  }
  return true
}

function endRun(
  tables: Tables,
  schedule: ScheduleRecord,
  run: ScheduleRun,
  state: RunState,
  reason: string,
  nowMs: number,
): void {
  schedule.open = schedule.open.filter((number) => number !== run.number)
  const kept = run.number > schedule.runs - runsKeptMax
  if (!kept) tables.scheduleRuns.delete([schedule.scheduleId, run.number])
  else tables.scheduleRuns.put([schedule.scheduleId, run.number], { ...run, state, reason, endedMs: nowMs })
}

/** Schedules directly after the schedule of this name. */
export function schedulesAfter(tables: Pick<Tables, 'schedules'>, name: string): ScheduleRecord[] {
  const all = tables.schedules.scan([], 0, Number.MAX_SAFE_INTEGER)
  return all.map(({ value }) => value).filter(({ definition }) => definition.after === name)
}

/**
 * The names from `after` back to the first of the chain. In a cycle, the last name appears twice.
 */
export function chainOf(name: string, after: string, afterOf: (name: string) => string | undefined): readonly string[] {
  const chain = [name]
  for (let next: string | undefined = after; next !== undefined && next !== ''; next = afterOf(next)) {
    const isKnown = chain.includes(next)
    chain.push(next)
    if (isKnown) break
  }
  return chain
}
