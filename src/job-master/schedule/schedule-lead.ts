// Why: to be ready by a time of day a run has to begin early enough. How: the longest of the last
// completed runs and a margin; before there are any, the last completed loads of the same path;
// else an hour. Pure reading of the tables.
import { formatDuration } from '../../base/durations.ts'
import type { LoadRecord } from '../../load/load.ts'
import { deadlineOf, nextRun, startOf } from '../../load/schedule/schedule-times.ts'
import type { ScheduleRecord, ScheduleRun } from '../../load/schedule/schedule.ts'
import type { Tables } from '../../load/state/load-tables.ts'

export interface Lead {
  readonly leadMs: number
  /** What it is made of, for people. */
  readonly basis: string
}

const unknownLeadMs = 3_600_000
const marginShare = 0.25
const marginMs = 5000
const loadsLookedAt = 200

/** How long a run is expected to take, with a margin. */
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

/** How long the last completed loads of a path took. */
function loadsOf(tables: Pick<Tables, 'loads' | 'counters'>, path: string): number[] {
  const last = tables.counters.get(['load']) ?? 0
  return tables.loads
    .scan([], Math.max(1, last - loadsLookedAt + 1), loadsLookedAt)
    .filter(({ value }) => value.path === path && value.mode === 'COMPLETED')
    .map(({ value }) => value.endedMs - value.submittedMs)
}

/** `ready 3m05s late`; empty when it was in time, or no time was given. */
export function latenessText(deadlineMs: number, readyMs: number): string {
  return deadlineMs === 0 || readyMs <= deadlineMs ? '' : `ready ${formatDuration(readyMs - deadlineMs)} late`
}

/**
 * That the run that goes on, or the next one, will not be ready in time; empty when it will, or
 * nobody asked for it.
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
      return `run ${running.run.number} will not make ${definition.readyBy}: by its rate it will be ${late}`
  }
  const dueMs = nextRun(definition, lookedMs)
  if (dueMs === undefined || schedule.paused) return ''
  const beginsMs = Math.max(nowMs, startOf(definition, dueMs, leadMs))
  const late = latenessText(deadlineOf(definition, dueMs), beginsMs + leadMs)
  return late === '' ? '' : `the next run will not make ${definition.readyBy}: it will be ${late} (${basis})`
}

export interface RunningRun {
  readonly run: ScheduleRun
  /** When it should end, by its rate; undefined: unknown. */
  readonly estimateMs: number | undefined
}

/** When a running load should end, by its own rate so far; undefined while nothing is known. */
export function estimateOf(load: LoadRecord, nowMs: number): number | undefined {
  const { bytes, bytesCached, bytesLoaded } = load.counts
  const sinceMs = nowMs - load.startedMs
  if (!load.listingDone || load.startedMs === 0 || bytesLoaded === 0 || sinceMs <= 0) return undefined
  return nowMs + (Math.max(0, bytes - bytesCached - bytesLoaded) / bytesLoaded) * sinceMs
}
