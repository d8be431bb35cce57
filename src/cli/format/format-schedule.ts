// Why: what is said of schedules and their runs. Pure.
import { formatDuration } from '../../base/durations.ts'
import type { Schedule, ScheduleDefinition, ScheduleRun } from '../../wire/generated/schedule.ts'
import { formatDate } from './format-file.ts'
import { replicationText } from './format-load.ts'
import { printable } from '../frame/printable.ts'

/** `schedule ls`: a heading and a line a schedule. */
export function scheduleListText(schedules: readonly Schedule[]): string {
  const lines = schedules.map(({ definition, paused, nextRunMs, lastState, note }) =>
    row([
      definition?.name ?? '',
      definition === undefined ? '' : timesText(definition),
      paused ? 'paused' : dateOrNone(nextRunMs),
      lastState === '' ? '-' : lastState,
      `${definition?.path ?? ''}${note === '' ? '' : `  (${note})`}`,
    ]),
  )
  return [row(['NAME', 'TIMES', 'NEXT', 'LAST', 'PATH']), ...lines].join('\n')
}

function row(cells: readonly string[]): string {
  const widths = [20, 28, 25, 10]
  return printable(cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(' '))
}

function timesText({ cron, timezone, after, readyBy }: ScheduleDefinition): string {
  if (after !== '') return `after ${after}`
  return [cron, readyBy === '' ? '' : `ready by ${readyBy}`, timezone].filter((part) => part !== '').join(' ')
}

/** `schedule stat`: one `name: value` a line. */
export function scheduleText(schedule: Schedule): string {
  const {
    definition,
    paused,
    createdMs,
    nextRunMs,
    lastRunMs,
    lastLoadId,
    lastState,
    lastReason = '',
    runs,
    note,
  } = schedule
  const lines: readonly (readonly [string, string | number])[] = [
    ['Name', definition?.name ?? ''],
    ['Path', definition?.path ?? ''],
    ['Times', definition === undefined ? '' : timesText(definition)],
    ['Catch up', definition?.catchUp ?? ''],
    ...((definition?.jitterMs ?? 0) > 0
      ? ([['Jitter', `up to ${formatDuration(definition?.jitterMs ?? 0)}`]] as const)
      : []),
    ['Overlap', definition?.overlap === true ? 'yes' : 'no'],
    ['Replication', replicationText(definition?.options)],
    ...((definition?.options?.bandwidth ?? '') === ''
      ? []
      : ([['Bandwidth', definition?.options?.bandwidth ?? '']] as const)),
    ['Created', formatDate(createdMs)],
    ['State', paused ? 'paused' : 'active'],
    ['Runs', runs],
    ['Next run', dateOrNone(nextRunMs)],
    ...(runs === 0
      ? []
      : ([
          ['Last run', [formatDate(lastRunMs), lastState, lastLoadId].filter((part) => part !== '').join(' ')],
        ] as const)),
    ...(lastReason === '' || note.includes(lastReason) ? [] : ([['Reason', lastReason]] as const)),
    ...(note === '' ? [] : ([['Note', note]] as const)),
  ]
  return lines.map(([name, value]) => printable(`${name}: ${value}`)).join('\n')
}

/** `schedule history`: a heading and a line a run. */
export function scheduleRunsText(runs: readonly ScheduleRun[]): string {
  const lines = runs.map(({ number, dueMs, startedMs, loadId, state, reason, manual }) =>
    runRow([
      String(number),
      manual ? 'by hand' : formatDate(dueMs),
      dateOrNone(startedMs),
      loadId === '' ? '-' : loadId,
      state,
      reason,
    ]),
  )
  return [runRow(['RUN', 'DUE', 'STARTED', 'LOAD', 'STATE', 'REASON']), ...lines].join('\n')
}

function runRow(cells: readonly string[]): string {
  const widths = [6, 25, 25, 8, 10]
  return printable(
    cells
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join(' ')
      .trimEnd(),
  )
}

function dateOrNone(ms: number): string {
  return ms === 0 ? '-' : formatDate(ms)
}
