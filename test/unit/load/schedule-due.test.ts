// Why: what becomes of due times, missed ones too, is decided here; each must have exactly one run,
// whenever one looks.
import { array, assert, integer, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { apply } from '../../../src/load/state/apply-load.ts'
import { chainOf, runsKeptMax } from '../../../src/load/state/apply-schedules.ts'
import { dueRuns, nextStart, queuedRunsMax, startDecision } from '../../../src/load/schedule/schedule-due.ts'
import type { ScheduleDefinition, ScheduleRecord, ScheduleRun } from '../../../src/load/schedule/schedule.ts'
import { memoryTables } from './support/memory-tables.ts'

const day = Date.parse('2026-03-01T00:00:00Z')
const definition = (more: Partial<ScheduleDefinition> = {}): ScheduleDefinition => ({
  ...{
    name: 'nightly',
    cron: '*/2 * * * * *',
    timezone: 'UTC',
    jitterMs: 0,
    catchUp: 'latest',
    after: '',
    readyBy: '',
    overlap: false,
  },
  ...{ path: '/ns/', options: {} },
  ...more,
})
const schedule = (more: Partial<ScheduleDefinition> = {}): ScheduleRecord => ({
  ...{
    scheduleId: 1,
    definition: definition(more),
    createdMs: day,
    paused: false,
    lookedMs: day,
    runs: 0,
    open: [],
    tookMs: [],
  },
})
const run = (number: number, more: Partial<ScheduleRun> = {}): ScheduleRun => ({
  ...{ number, dueMs: day, startMs: day, deadlineMs: 0, manual: false, queued: false, state: 'WAITING', reason: '' },
  ...{ loadId: 0, startedMs: 0, endedMs: 0 },
  ...more,
})

describe('due runs', () => {
  test('nothing is due before its time', () => {
    expect(dueRuns(schedule(), { nowMs: day + 1999, servingSinceMs: day, leadMs: 0 })).toBeUndefined()
    expect(nextStart(schedule(), 0)).toBe(day + 2000)
  })

  test('however irregularly one looks, each due time has exactly one run', () => {
    assert(
      property(array(integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 40 }), (steps) => {
        const one = schedule()
        const found: number[] = []
        let nowMs = day
        for (const step of steps) {
          nowMs += step
          const due = dueRuns(one, { nowMs, servingSinceMs: day, leadMs: 0 })
          if (due === undefined) continue
          one.lookedMs = due.upToMs
          found.push(...due.runs.map(({ dueMs }) => dueMs))
        }
        const wanted = Array.from({ length: Math.floor((nowMs - day) / 2000) }, (_, index) => day + (index + 1) * 2000)
        expect(found).toEqual(wanted)
      }),
      { numRuns: 40 },
    )
  })

  const afterDowntime = (catchUp: ScheduleDefinition['catchUp'], downMs = 10_000) =>
    dueRuns(schedule({ catchUp }), { nowMs: day + downMs + 500, servingSinceMs: day + downMs + 400, leadMs: 0 })
      ?.runs ?? []

  test('after a downtime the latest runs, and one line says what passed', () => {
    const [skipped, made, ...rest] = afterDowntime('latest')
    expect(rest).toEqual([])
    expect(skipped).toMatchObject({
      dueMs: day + 8000,
      skipped: '4 due times passed while the job master was away (--catch-up latest)',
    })
    expect(made).toMatchObject({ dueMs: day + 10_000, skipped: '', queued: true })
  })
  test('or all of them, in line', () => {
    const runs = afterDowntime('all')
    expect(runs.map(({ dueMs }) => dueMs)).toEqual([2000, 4000, 6000, 8000, 10_000].map((ms) => day + ms))
    expect(runs.every(({ queued, skipped }) => queued && skipped === '')).toBe(true)
  })
  test('or none', () => {
    expect(afterDowntime('none')).toHaveLength(1)
    expect(afterDowntime('none')[0]?.skipped).toBe('5 due times passed while the job master was away (--catch-up none)')
  })
  test('a month of downtime costs no more than the most that is made up for', () => {
    const runs = afterDowntime('all', 30 * 86_400_000)
    expect(runs).toHaveLength(queuedRunsMax + 1)
    expect(runs[0]?.skipped).toMatch(/^(?:1 due time|more than)/)
  })

  test('a run with a deadline begins early, once', () => {
    const one = schedule({ cron: '', readyBy: '07:00' })
    const leadMs = 3_600_000
    const sevenMs = day + 7 * 3_600_000
    expect(nextStart(one, leadMs)).toBe(sevenMs - leadMs)
    expect(dueRuns(one, { nowMs: sevenMs - leadMs - 1, servingSinceMs: day, leadMs })).toBeUndefined()
    const due = dueRuns(one, { nowMs: sevenMs - leadMs, servingSinceMs: day, leadMs })
    expect(due).toEqual({
      upToMs: sevenMs,
      runs: [
        { dueMs: sevenMs, startMs: sevenMs - leadMs, deadlineMs: sevenMs, manual: false, queued: false, skipped: '' },
      ],
    })
    expect(dueRuns({ ...one, lookedMs: sevenMs }, { nowMs: sevenMs + 1, servingSinceMs: day, leadMs })).toBeUndefined()
  })
})

describe('the start of a run', () => {
  test('waits for its time', () => expect(startDecision(false, run(2, { startMs: day + 5 }), [], day)).toBe('later'))
  test('is skipped while the run before goes on, unless they may overlap', () => {
    const before = run(1, { state: 'STARTED', loadId: 7 })
    expect(startDecision(false, run(2), [before], day)).toEqual({ skip: 'run 1 (L7) was still running' })
    expect(startDecision(true, run(2), [before], day)).toBe('start')
    expect(startDecision(false, run(2), [run(1)], day)).toEqual({ skip: 'run 1 had not started' })
  })
  test('waits in line behind runs that are made up for', () => {
    expect(startDecision(false, run(2, { queued: true }), [run(1, { state: 'STARTED' })], day)).toBe('later')
    expect(startDecision(false, run(2), [run(1, { state: 'STARTED', queued: true })], day)).toBe('later')
    const line = Array.from({ length: queuedRunsMax }, (_, index) => run(index + 1, { queued: true }))
    expect(startDecision(false, run(999), line, day)).toMatchObject({
      skip: expect.stringContaining('had not started') as string,
    })
  })
})

describe('commands', () => {
  const made = (names: readonly (readonly [string, string])[]) => {
    const tables = memoryTables()
    for (const [name, after] of names)
      apply(tables, {
        type: 'ScheduleCreated',
        nowMs: day,
        definition: definition({ name, after, cron: after === '' ? '* * * * *' : '' }),
      })
    return tables
  }
  const due = { type: 'ScheduleDue', nowMs: day + 2000, scheduleId: 1, upToMs: day + 2000 } as const
  const newRun = { dueMs: day + 2000, startMs: day + 2000, deadlineMs: 0, manual: false, queued: false, skipped: '' }

  test('a due time that is noted twice has one run', () => {
    const tables = made([['a', '']])
    expect(apply(tables, { ...due, runs: [newRun] })).toEqual({ type: 'scheduled', scheduleId: 1, number: 1 })
    expect(apply(tables, { ...due, runs: [newRun] })).toEqual({ type: 'ignored' })
    expect(tables.scheduleRuns.scan([1], 0, 9)).toHaveLength(1)
  })

  test('a completed run starts those that come after it, once; a failed one does not', () => {
    const tables = made([
      ['a', ''],
      ['b', 'a'],
      ['c', 'b'],
    ])
    apply(tables, { ...due, runs: [newRun, { ...newRun, dueMs: day + 1 }] })
    const end = { type: 'ScheduleRunEnded', nowMs: day + 9000, scheduleId: 1, reason: '', tookMs: 5 } as const
    apply(tables, { ...end, number: 1, state: 'FAILED' })
    expect(tables.schedules.get([2])?.runs).toBe(0)
    apply(tables, { ...end, number: 2, state: 'COMPLETED' })
    expect(apply(tables, { ...end, number: 2, state: 'COMPLETED' })).toEqual({ type: 'ignored' })
    expect(tables.scheduleRuns.scan([2], 0, 9).map(({ value }) => [value.state, value.dueMs])).toEqual([
      ['WAITING', day + 9000],
    ])
    expect(tables.schedules.get([3])?.runs).toBe(0)
    expect(tables.schedules.get([1])?.tookMs).toEqual([5])
  })

  test('names are unique, chains lead somewhere, and what others come after stays', () => {
    const tables = made([
      ['a', ''],
      ['b', 'a'],
    ])
    const create = (name: string, after: string) =>
      apply(tables, { type: 'ScheduleCreated', nowMs: day, definition: definition({ name, after }) })
    expect(create('a', '')).toEqual({ type: 'ignored' })
    expect(create('c', 'nobody')).toEqual({ type: 'ignored' })
    expect(apply(tables, { type: 'ScheduleDeleted', nowMs: day, scheduleId: 1 })).toEqual({ type: 'ignored' })
    apply(tables, { ...due, runs: [newRun] })
    expect(apply(tables, { type: 'ScheduleDeleted', nowMs: day, scheduleId: 2 })).toMatchObject({ type: 'scheduled' })
    expect(apply(tables, { type: 'ScheduleDeleted', nowMs: day, scheduleId: 1 })).toMatchObject({ type: 'scheduled' })
    expect([tables.schedules.scan([], 0, 9), tables.scheduleRuns.scan([1], 0, 9)]).toEqual([[], []])
    expect(create('a', '')).toEqual({ type: 'scheduled', scheduleId: 3, number: 0 })
  })

  test('a circle is seen', () => {
    expect(chainOf('a', 'b', (name) => ({ b: 'c', c: 'a' })[name])).toEqual(['a', 'b', 'c', 'a'])
    expect(chainOf('a', 'a', () => undefined)).toEqual(['a', 'a'])
    expect(chainOf('a', 'b', (name) => ({ b: '' })[name])).toEqual(['a', 'b'])
  })

  test('while it is paused nothing is due, and what waited is skipped', () => {
    const tables = made([['a', '']])
    apply(tables, { ...due, runs: [newRun] })
    apply(tables, { type: 'SchedulePaused', nowMs: day + 3000, scheduleId: 1, paused: true })
    expect(tables.scheduleRuns.get([1, 1])).toMatchObject({ state: 'SKIPPED', reason: 'the schedule was paused' })
    expect(apply(tables, { ...due, upToMs: day + 4000, runs: [newRun] })).toEqual({ type: 'ignored' })
    apply(tables, { type: 'SchedulePaused', nowMs: day + 60_000, scheduleId: 1, paused: false })
    expect(tables.schedules.get([1])).toMatchObject({ lookedMs: day + 60_000, open: [], paused: false })
  })

  test('the history of runs is bounded, and never loses one that goes on', () => {
    const tables = made([['a', '']])
    apply(tables, { ...due, runs: [newRun] })
    apply(tables, { type: 'ScheduleRunStarted', nowMs: day, scheduleId: 1, number: 1, loadId: 3, reason: '' })
    for (let index = 1; index <= runsKeptMax + 20; index += 1)
      apply(tables, { ...due, upToMs: day + 2000 + index, runs: [{ ...newRun, skipped: 'no' }] })
    const rows = tables.scheduleRuns.scan([1], 0, 9999)
    expect(rows).toHaveLength(runsKeptMax + 1)
    expect(rows[0]?.value).toMatchObject({ number: 1, state: 'STARTED' })
    apply(tables, {
      type: 'ScheduleRunEnded',
      nowMs: day,
      scheduleId: 1,
      number: 1,
      state: 'COMPLETED',
      reason: '',
      tookMs: 1,
    })
    expect(tables.scheduleRuns.scan([1], 0, 9999)).toHaveLength(runsKeptMax)
  })
})
