// Why: a run that must be ready by a time of day has to start early enough. How: the lead is the
// longest of the last completed runs plus a margin; without runs, of the last completed loads of
// the same path; else one hour. Only reads tables.
import { formatDuration } from '../../base/durations.ts'
import type { LoadRecord } from '../../load/load.ts'
import { deadlineOf, nextRun, startOf } from '../../load/schedule/schedule-times.ts'
import type { ScheduleRecord, ScheduleRun } from '../../load/schedule/schedule.ts'
import type { Tables } from '../../load/state/load-tables.ts'

export interface Lead {
  readonly leadMs: number
  /** How the lead was calculated, for users. */
  readonly basis: string
}

const unknownLeadMs = 3_600_000
const marginShare = 0.25
const marginMs = 5000
const loadsLookedAt = 200

/** Expected duration of a run, with a margin. */
export function leadOf(tables: Pick<Tables, 'loads' | 'counters'>, schedule: ScheduleRecord): Lead {
  const { definition, tookMs } = schedule
  if (definition.readyBy === '') return { leadMs: 0, basis: '' }
  if (tookMs.length > 0) return withMargin(Math.max(...tookMs), `the longest of the last ${tookMs.length} runs took`)
  const before = loadsOf(tables, definition.path)
  if (before.length > 0)
    return withMargin(Math.max(...before), `the longest of ${before.length} loads of this path took`)
  return { leadMs: unknownLeadMs, basis: `nothing was measured yet, so ${formatDuration(unknownLeadMs)} is assumed` }
}

function withMargin(longestMs: number, basis: string): Lead {
  return {
    leadMs: Math.round(longestMs * (1 + marginShare)) + marginMs,
    basis: `${basis} ${formatDuration(longestMs)}`,
  }
}

/** Durations of the last completed loads of a path. */
function loadsOf(tables: Pick<Tables, 'loads' | 'counters'>, path: string): number[] {
  const last = tables.counters.get(['load']) ?? 0
  return tables.loads
    .scan([], Math.max(1, last - loadsLookedAt + 1), loadsLookedAt)
    .filter(({ value }) => value.path === path && value.mode === 'COMPLETED')
    .map(({ value }) => value.endedMs - value.submittedMs)
}

/** `ready 3m05s late`. Empty: in time, or no deadline. */
export function latenessText(deadlineMs: number, readyMs: number): string {
  return deadlineMs === 0 || readyMs <= deadlineMs ? '' : `ready ${formatDuration(readyMs - deadlineMs)} late`
}

/**
 * Warning that the current run, or the next one, will not be ready in time. Empty: it will be, or
 * there is no deadline.
 */
export function lateNote(
  schedule: ScheduleRecord,
  { leadMs, basis }: Lead,
  running: RunningRun | undefined,
  nowMs: number,
): string {
  const { definition, lookedMs } = schedule
  if (definition.readyBy === '') return ''
  if (running !== undefined && running.run.deadlineMs > 0) {
    const readyMs = running.estimateMs ?? Math.max(nowMs, running.run.startedMs + leadMs)
    const late = latenessText(running.run.deadlineMs, readyMs)
    if (late !== '')
      return `run ${running.run.number} will miss ${definition.readyBy}: at its current rate it will be ${late}`
  }
  const dueMs = nextRun(definition, lookedMs)
  if (dueMs === undefined || schedule.paused) return ''
  const beginsMs = Math.max(nowMs, startOf(definition, dueMs, leadMs))
  const late = latenessText(deadlineOf(definition, dueMs), beginsMs + leadMs)
  return late === '' ? '' : `the next run will miss ${definition.readyBy}: it will be ${late} (${basis})`
}

export interface RunningRun {
  readonly run: ScheduleRun
  /** Expected end, by its rate. Undefined: unknown. */
  readonly estimateMs: number | undefined
}

/** Expected end of a running load, by its average rate. Undefined: unknown. */
export function estimateOf(load: LoadRecord, nowMs: number): number | undefined {
  const { bytes, bytesCached, bytesLoaded } = load.counts
  const sinceMs = nowMs - load.startedMs
  if (!load.listingDone || load.startedMs === 0 || bytesLoaded === 0 || sinceMs <= 0) return undefined
  return nowMs + (Math.max(0, bytes - bytesCached - bytesLoaded) / bytesLoaded) * sinceMs
}
