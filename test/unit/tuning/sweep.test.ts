// Why: a sweep costs hours, so what it refuses it refuses before the first load, and what it calls
// best is the best of sound loads.
import { describe, expect, it } from 'vitest'
import { gridOf, parametersOf, pointText } from '../../../src/tuning/sweep-grid.ts'
import { otherSweep, parseSweep, summaryOf, type SweepRun, type SweepState } from '../../../src/tuning/sweep-state.ts'

const [reads, jobs] = ['fs.cosn.upload_thread_pool', 'skein.load.active.jobs']
const run = (point: number, seconds: number, more: Partial<SweepRun> = {}): SweepRun => ({
  ...{ point, round: 0, seconds, bytes: 1000, files: 10, failed: 0, retried: 0, problem: '' },
  ...more,
})
const state = (runs: readonly SweepRun[]): SweepState => ({
  ...{ kind: 'skein-sweep', version: 1, path: '/data', isOwn: true, base: { a: '1', b: '2' }, startedAt: 'now' },
  parameters: [
    { key: reads, values: ['8', '16'] },
    { key: jobs, values: ['10', '20'] },
  ],
  runs: [...runs],
})

describe('the grid of a sweep', () => {
  it('has every combination, the last key first', () => {
    const points = gridOf(parametersOf([`${reads}=8, 16`, `${jobs}=10,20`], true), 4)
    expect(points.map(pointText)).toEqual([
      `${reads}=8 ${jobs}=10`,
      `${reads}=8 ${jobs}=20`,
      `${reads}=16 ${jobs}=10`,
      `${reads}=16 ${jobs}=20`,
    ])
  })

  it('refuses more points than it may have, by their number', () => {
    const values = Array.from({ length: 7 }, (_, index) => index + 1).join(',')
    const parameters = parametersOf([`${reads}=${values}`, `${jobs}=${values}`], true)
    expect(() => gridOf(parameters, 48)).toThrow('7 x 7 values are 49 points, 48 at most')
  })

  it('varies what a load takes, and in a cluster of its own what roles read', () => {
    expect(parametersOf([`${jobs}=1,2`, 'skein.load.batch.files=8'], false)).toHaveLength(2)
    expect(() => parametersOf([`${reads}=8`], false)).toThrow(`${reads} is read when a role starts: use --own`)
    for (const [text, problem] of [
      ['fs.cosn.upload_thread_pol=8', `the nearest known key is '${reads}'`],
      ['goosefs.worker.rpc.port=1,2', 'cannot be varied'],
      ['skein.home=/a', 'cannot be varied'],
      ['skein.gateway.s3.upload.expiry=1d', 'is read by the gateway'],
      [`${reads}=8,8`, 'has the value 8 twice'],
      [`${reads}=8,`, 'is not key=value,value'],
      [reads, 'is not key=value,value'],
    ] as const)
      expect(() => parametersOf([text], true)).toThrow(problem)
    expect(() => parametersOf([`${reads}=8`, `${reads}=16`], true)).toThrow('is given twice')
  })
})

describe('the summary of a sweep', () => {
  it('takes medians and the largest memory, and marks the fastest point without errors', () => {
    const points = summaryOf(
      state([
        ...[4, 1, 2].map((seconds, round) => run(0, seconds, { round, peakBytes: 100 + round })),
        run(1, 1, { failed: 1 }),
        run(2, 1.5, { problem: 'cached' }),
        run(3, 3),
      ]),
    )
    expect(points.map(({ seconds, isBest }) => [seconds, isBest])).toEqual([
      [2, true],
      [1, false],
      [undefined, false],
      [3, false],
    ])
    expect(points[0]).toMatchObject({ peakBytes: 102, bytesPerSecond: 500, filesPerSecond: 5, runs: 3 })
    const even = summaryOf(state([run(0, 1), run(0, 3, { round: 1 })]))
    expect(even[0]).toMatchObject({ seconds: 2, bytesPerSecond: 500 })
    expect(summaryOf(state([])).every(({ isBest, seconds }) => !isBest && seconds === undefined)).toBe(true)
  })

  it('is of the same sweep only if all that was asked for is the same', () => {
    const one = parseSweep(JSON.stringify(state([run(0, 1)])), 'f')
    expect(one.runs).toHaveLength(1)
    const { path, isOwn, parameters } = one
    const same = { path, isOwn, base: { b: '2', a: '1' }, parameters }
    expect(otherSweep(one, same)).toBeUndefined()
    expect(otherSweep(one, { ...same, path: '/other' })).toBe('the path')
    expect(otherSweep(one, { ...same, isOwn: false })).toBe('--own')
    expect(otherSweep(one, { ...same, base: { a: '1' } })).toContain('-D')
    expect(otherSweep(one, { ...same, parameters: parameters.toReversed() })).toBe('--param')
    expect(() => parseSweep('{}', 'f.json')).toThrow('f.json is no file of skein tune sweep')
  })
})
