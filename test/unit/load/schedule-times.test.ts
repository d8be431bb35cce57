// Why: a due time that is worked out wrongly is a night without a prefetch.
import { expect, test } from 'vitest'
import {
  checkTimes,
  deadlineOf,
  jitterOf,
  lastRuns,
  nextRun,
  startOf,
} from '../../../src/load/schedule/schedule-times.ts'

const at = (text: string): number => Date.parse(text)
const daily = { cron: '0 2 * * *', timezone: 'Asia/Shanghai', readyBy: '' }

test('the next due time is after the given one, in the timezone', () => {
  expect(nextRun(daily, at('2026-03-01T17:59:59.999Z'))).toBe(at('2026-03-01T18:00:00Z'))
  expect(nextRun(daily, at('2026-03-01T18:00:00Z'))).toBe(at('2026-03-02T18:00:00Z'))
  const everyTwo = { cron: '*/2 * * * * *', timezone: 'UTC', readyBy: '' }
  expect(nextRun(everyTwo, at('2026-03-01T00:00:00.001Z'))).toBe(at('2026-03-01T00:00:02Z'))
  expect(nextRun({ ...daily, cron: '' }, 0)).toBeUndefined()
})

test('a time that the change to summer time skips, or doubles, is due once', () => {
  const berlin = { cron: '30 2 * * *', timezone: 'Europe/Berlin', readyBy: '' }
  const days = (from: string, to: string): number[] => lastRuns(berlin, at(from), at(to), 10)
  expect(days('2026-03-28T12:00:00Z', '2026-03-29T12:00:00Z')).toHaveLength(1)
  expect(days('2026-10-24T12:00:00Z', '2026-10-25T12:00:00Z')).toHaveLength(1)
})

test('the last due times are those in the interval, the end included, in order, and no more than asked for', () => {
  const second = { cron: '* * * * * *', timezone: 'UTC', readyBy: '' }
  const from = at('2026-03-01T00:00:00Z')
  expect(lastRuns(second, from, from + 3000, 10)).toEqual([from + 1000, from + 2000, from + 3000])
  expect(lastRuns(second, from, from + 3999, 10)).toEqual([from + 1000, from + 2000, from + 3000])
  expect(lastRuns(second, from, from + 30 * 86_400_000, 2)).toEqual([
    from + 30 * 86_400_000 - 1000,
    from + 30 * 86_400_000,
  ])
  expect(lastRuns(second, from + 3000, from + 3000, 10)).toEqual([])
})

test('a run with a time to be ready by begins early enough, and never later than its cron', () => {
  const readyBy = { cron: '', timezone: 'Asia/Shanghai', readyBy: '07:00' }
  const due = nextRun(readyBy, at('2026-03-01T12:00:00Z')) ?? 0
  expect(due).toBe(at('2026-03-01T23:00:00Z'))
  expect(deadlineOf(readyBy, due)).toBe(due)
  expect(startOf(readyBy, due, 3_600_000)).toBe(due - 3_600_000)
  const both = { ...daily, readyBy: '07:00' }
  const dueMs = at('2026-03-01T18:00:00Z')
  expect(deadlineOf(both, dueMs)).toBe(at('2026-03-01T23:00:00Z'))
  expect(startOf(both, dueMs, 3_600_000)).toBe(dueMs)
  expect(startOf(both, dueMs, 6 * 3_600_000)).toBe(dueMs - 3_600_000)
})

test('jitter is within its bound, the same for the same run, and spread', () => {
  const waits = Array.from({ length: 50 }, (_, index) => jitterOf({ name: 'n', jitterMs: 60_000 }, index * 86_400_000))
  expect(waits.every((ms) => ms >= 0 && ms <= 60_000)).toBe(true)
  expect(new Set(waits).size).toBeGreaterThan(40)
  expect(jitterOf({ name: 'n', jitterMs: 60_000 }, 86_400_000)).toBe(waits[1])
  expect(jitterOf({ name: 'n', jitterMs: 0 }, 5)).toBe(0)
})

test.each([
  [{ cron: '0 0 30 2 *' }, "'0 0 30 2 *' never fires: there is no such day"],
  [{ cron: 'often' }, /^'often' is not a cron expression: .*write 'minute hour day month weekday'/],
  [{ cron: '61 * * * *' }, /^'61 \* \* \* \*' is not a cron expression: .*61/],
  [{ cron: '0 0 0 1 1 * 2030' }, /is not a cron/],
  [{ timezone: 'Mars/Olympus' }, "there is no timezone 'Mars/Olympus': write one such as Asia/Shanghai or UTC"],
  [{ readyBy: '25:00' }, "'25:00' is not a time of day: use HH:MM, such as 07:00"],
])('%j is refused by one line', (change, message) => {
  expect(() => checkTimes({ ...daily, ...change }, at('2026-03-01T00:00:00Z'))).toThrow(message)
})

test('29 February and names of days are understood', () => {
  for (const cron of ['0 0 29 2 *', '0 6 * * MON-FRI', '@daily', '0 0 L * *'])
    expect(() => checkTimes({ ...daily, cron }, at('2026-03-01T00:00:00Z'))).not.toThrow()
})
