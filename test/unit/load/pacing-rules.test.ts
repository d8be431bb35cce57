import { describe, expect, test } from 'vitest'
import { failuresExceeded, parseFailureLimit } from '../../../src/load/plan/failure-limit.ts'
import { emptyCounts } from '../../../src/load/load.ts'
import { backOff, type BackOff } from '../../../src/load/plan/origin-back-off.ts'
import { errorClassOf } from '../../../src/load/plan/retry-policy.ts'
import { fillWindow, type Lane, type ReadySet } from '../../../src/load/plan/read-ahead-window.ts'

const mib = 1024 ** 2
const half = (): number => 0.5

describe('backing off from a store', () => {
  test('halves what was measured and pauses everyone; each round longer', () => {
    const first = backOff(undefined, 3, 100 * mib, 1000, half)
    expect(first).toMatchObject({ bytesPerSecond: 50 * mib, level: 1, usedBefore: 100 * mib })
    expect(first?.pausedUntilMs).toBe(1000 + 150)
    const second = backOff(first, 1, 45 * mib, 3000, half)
    expect(second).toMatchObject({ bytesPerSecond: 22.5 * mib, level: 2, pausedUntilMs: 3000 + 300 })
  })

  test('counts answers to what was under way as one round', () => {
    const first = backOff(undefined, 1, 100 * mib, 1000, half)
    expect(backOff(first, 50, 100 * mib, 1400, half)).toBe(first)
  })

  test('never goes below a trickle, and never pauses for more than 20 s', () => {
    let state: BackOff | undefined
    for (let now = 0; now < 30 * 60_000; now += 30_000) {
      const next = backOff(state, 1, 1, now, () => 0.999)
      expect((next?.pausedUntilMs ?? 0) - now).toBeLessThanOrEqual(20_000)
      state = next
    }
    expect(state?.bytesPerSecond).toBe(256 * 1024)
  })

  test('recovers slowly once the store is well, and at last lets go', () => {
    let state = backOff(undefined, 1, 100 * mib, 0, half)
    const rates: number[] = []
    let freeMs = 0
    for (let now = 250; now < 60_000 && state !== undefined; now += 250) {
      state = backOff(state, 0, 0, now, half)
      if (state === undefined) freeMs = now
      else rates.push(state.bytesPerSecond)
    }
    expect(rates.every((rate, index) => rate >= (rates[index - 1] ?? 0))).toBe(true)
    expect(freeMs).toBeGreaterThan(10_000)
    expect(freeMs).toBeLessThan(30_000)
  })
})

describe('--max-failures', () => {
  const counts = (files: number, filesFailed: number) => ({ ...emptyCounts, files, filesFailed })

  test('as a number stops above it, at once', () => {
    const limit = { value: 10, percent: false }
    expect(failuresExceeded(limit, counts(20, 10), false)).toBeUndefined()
    expect(failuresExceeded(limit, counts(20, 11), false)).toBe(
      'stopped early: 11 files failed, --max-failures allows 10',
    )
  })

  test('as a share waits for enough files, or for the end of the listing', () => {
    const limit = { value: 1.5, percent: true }
    expect(failuresExceeded(limit, counts(100, 90), false)).toBeUndefined()
    expect(failuresExceeded(limit, counts(100, 2), true)).toContain(
      '2 of 100 listed files failed, --max-failures allows 1.5%',
    )
    expect(failuresExceeded(limit, counts(2000, 30), false)).toBeUndefined()
    expect(failuresExceeded(limit, counts(2000, 31), false)).toContain('31 of 2000')
  })

  test('0 stops at the first failure, and not before', () => {
    for (const percent of [true, false]) {
      expect(failuresExceeded({ value: 0, percent }, counts(5000, 0), true)).toBeUndefined()
      expect(failuresExceeded({ value: 0, percent }, counts(5000, 1), true)).toContain('stopped early')
    }
  })

  test('is read or refused', () => {
    expect(parseFailureLimit('')).toBeUndefined()
    expect(parseFailureLimit(' 7 ')).toEqual({ value: 7, percent: false })
    expect(parseFailureLimit('0.5%')).toEqual({ value: 0.5, percent: true })
    for (const text of ['-1', '1.5', '101%', 'many', '5 %%'])
      expect(() => parseFailureLimit(text)).toThrow(`--max-failures '${text}'`)
  })
})

describe('the window', () => {
  const lane: Lane = { lane: 'jw', hostname: 'h', activeTasksMax: 12, tasks: 0, bytes: 0 }
  const limits = { laneTasksFactor: 4, laneTasksMax: 512, laneBytesMax: 1e12 }
  const setsOf = (loadId: number): ReadySet[] =>
    Array.from({ length: 200 }, (_, set) => ({ loadId, set, bytes: 1, targets: ['w'], attempt: 1, notBeforeMs: 0 }))
  const queue = (loadId: number, weight: number, more = {}) => ({ room: 1000, sets: setsOf(loadId), weight, ...more })
  const countOf = (assignments: readonly { readonly set: ReadySet }[], loadId: number): number =>
    assignments.filter(({ set }) => set.loadId === loadId).length

  test('is shared by weight, 3:2:1', () => {
    const out = fillWindow([queue(1, 3), queue(2, 2), queue(3, 1)], [lane], () => 'h', limits)
    expect([1, 2, 3].map((loadId) => countOf(out, loadId))).toEqual([24, 16, 8])
  })

  test('gives what becomes free to the load that has least of its share', () => {
    const full = { ...lane, tasks: 46 }
    const out = fillWindow([queue(1, 1, { tasksIn: new Map([['jw', 46]]) }), queue(2, 1)], [full], () => 'h', limits)
    expect(out.map(({ set }) => set.loadId)).toEqual([2, 2])
  })

  test('a load of higher priority overtakes what waits in the lane', () => {
    const waiting = fillWindow([queue(1, 10)], [lane], () => 'h', limits)
    const room = { ...lane, tasks: 40 }
    const later = fillWindow(
      [queue(1, 10, { tasksIn: new Map([['jw', 40]]) }), queue(2, 100)],
      [room],
      () => 'h',
      limits,
    )
    expect(countOf(later, 2)).toBe(8)
    const overtaken = waiting.filter(({ rank }) => rank > Math.max(...later.map((one) => one.rank)))
    expect(overtaken.length).toBeGreaterThan(waiting.length / 2)
  })

  test('paced loads together leave places of a job worker to the others', () => {
    const loads = [queue(1, 10, { paced: true }), queue(2, 10, { paced: true }), queue(3, 10)]
    const out = fillWindow(loads, [lane], () => 'h', limits)
    expect([1, 2, 3].map((loadId) => countOf(out, loadId))).toEqual([3, 3, 42])
    expect(fillWindow([queue(1, 10, { paced: true })], [lane], () => 'h', limits)).toHaveLength(3)
  })
})

test('a failure has a class', () => {
  const of = (workerId: string, retryable: boolean, reason = ''): string =>
    errorClassOf({ workerId, retryable, reason })
  expect(of('', true)).toBe('transient')
  expect(of('', false)).toBe('permanent')
  expect(of('', true, 'slow_down')).toBe('throttled')
  expect(of('w', false)).toBe('transient')
})
