// Why: the knee decides how many requests a load sends at once, and the bounds what a probe costs.
// How: the ladder against a store of a formula, and its bounds for any answers.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  kneeOf,
  ladderOf,
  type LadderStep,
  nextStep,
  type ProbeBounds,
  type Rung,
} from '../../../src/tuning/probe-ladder.ts'
import { rangesFrom, spread } from '../../../src/tuning/probe-ranges.ts'

const plenty: ProbeBounds = { ms: 30_000, bytes: 2 ** 29, requests: 4096 }
const megabyte = 1024 ** 2

const rung = (connections: number, requestsPerSecond: number, more: Partial<Rung> = {}): Rung => ({
  connections,
  requestsPerSecond,
  bytesPerSecond: requestsPerSecond * megabyte,
  firstByteMs: 20,
  slowDowns: 0,
  failed: 0,
  endedBy: 'bytes',
  ...more,
})

/** Goes up the ladder at a store whose step of `connections` measures what `answer` says. */
function climb(answer: (step: LadderStep) => Rung, bounds = plenty, connectionsMax = 64) {
  const rungs: Rung[] = []
  const left = { ...bounds }
  for (;;) {
    const next = nextStep(rungs, left, { connectionsMax, requestBytes: megabyte })
    if (typeof next === 'string') return { end: next, knee: kneeOf(rungs)?.connections, rungs, left }
    const before = new Set(rungs.map(({ connections }) => connections)).size
    const ladder = ladderOf(connectionsMax)
    expect([ladder[before], rungs.at(-1)?.connections]).toContain(next.connections)
    rungs.push(answer(next))
    left.bytes -= next.bytes
    left.requests -= next.requests
    left.ms -= next.ms
  }
}

describe('the ladder of a probe', () => {
  it('finds the knee of a store that serves so many requests at once', () => {
    for (const width of [1, 4, 16]) {
      const { end, knee } = climb(({ connections }) => rung(connections, 50 * Math.min(width, connections)))
      expect([end, knee]).toEqual(['gain', width])
    }
  })

  it('takes a step that brings 10 % and none that brings less', () => {
    const rates = [100, 111, 121]
    const { end, knee } = climb(({ connections }) => rung(connections, rates[Math.log2(connections)] ?? 0))
    expect([end, knee]).toEqual(['gain', 2])
  })

  it('makes a step again that seems to end it: one pause of the machine does not decide', () => {
    let pauses = 0
    const { end, knee, rungs } = climb(({ connections }) => {
      const isPause = connections === 2 && (pauses += 1) === 1
      return rung(connections, isPause ? 20 : 50 * Math.min(8, connections))
    })
    expect([end, knee]).toEqual(['gain', 8])
    expect(rungs.map(({ connections }) => connections)).toEqual([1, 2, 2, 4, 8, 16, 16])
  })

  it('ends where the first byte takes twice as long, but not for a few milliseconds', () => {
    const slow = climb(({ connections }) =>
      rung(connections, 100 * connections, { firstByteMs: connections < 8 ? 20 : 45 }),
    )
    expect([slow.end, slow.knee]).toEqual(['latency', 8])
    const near = climb(({ connections }) =>
      rung(connections, 100 * connections, { firstByteMs: connections < 8 ? 0.3 : 4 }),
    )
    expect([near.end, near.knee]).toEqual(['connections', 64])
  })

  it('stays below what the store refuses', () => {
    for (const endedBy of ['slow_down', 'failures'] as const) {
      const { end, knee } = climb(({ connections }) =>
        rung(connections, 100 * connections, connections === 8 ? { endedBy, slowDowns: 5 } : {}),
      )
      expect([end, knee]).toEqual([endedBy, 4])
    }
    expect(climb(({ connections }) => rung(connections, 0, { endedBy: 'slow_down' })).knee).toBeUndefined()
    const silent = climb(({ connections }) => rung(connections, 0, { endedBy: 'time', firstByteMs: undefined }))
    expect([silent.end, silent.knee]).toEqual(['bounds', undefined])
  })

  it('says that the knee may be higher where a bound ended it', () => {
    const grows = ({ connections }: LadderStep): Rung => rung(connections, 100 * connections)
    expect(climb(grows, plenty, 8)).toMatchObject({ end: 'connections', knee: 8 })
    expect(climb(grows, { ...plenty, bytes: 20 * megabyte })).toMatchObject({ end: 'bounds' })
    expect(climb(grows, { ...plenty, requests: 16 })).toMatchObject({ end: 'bounds', knee: 1 })
    expect(climb(grows, { ...plenty, bytes: megabyte })).toMatchObject({ end: 'bounds', knee: 1 })
  })

  it('never spends more than its bounds, whatever the store answers', () => {
    const anyRung = fc.record({
      rate: fc.double({ min: 0, max: 1e6, noNaN: true }),
      firstByteMs: fc.option(fc.double({ min: 0, max: 1e5, noNaN: true }), { nil: undefined }),
      endedBy: fc.constantFrom('ranges', 'time', 'bytes', 'requests', 'slow_down', 'failures'),
    })
    const anyBounds = fc.record({
      ms: fc.integer({ min: 1000, max: 3_600_000 }),
      bytes: fc.integer({ min: megabyte, max: 2 ** 40 }),
      requests: fc.integer({ min: 16, max: 1_000_000 }),
    })
    fc.assert(
      fc.property(
        fc.array(anyRung, { minLength: 9 }),
        anyBounds,
        fc.integer({ min: 1, max: 128 }),
        (all, bounds, most) => {
          const { left, rungs, knee } = climb(
            ({ connections }) => {
              const { rate, ...more } = all[Math.min(all.length - 1, Math.ceil(Math.log2(connections)))] ?? { rate: 0 }
              return rung(connections, rate, more)
            },
            bounds,
            most,
          )
          for (const one of Object.values(left)) expect(one).toBeGreaterThanOrEqual(0)
          expect(rungs.length).toBeLessThanOrEqual(16)
          if (knee !== undefined) expect(knee).toBeLessThanOrEqual(most)
        },
      ),
    )
  })
})

describe('the ranges of a probe', () => {
  it('follow each other, and begin again behind the last object', () => {
    const objects = [3, 1, 2].map((length, index) => ({ key: `k${index}`, etag: 'e', length: length * 10 }))
    const keys = (done: number, bytes: number) => {
      const { objects: chosen, firstRange } = rangesFrom(objects, 10, done, bytes)
      return [chosen.map(({ key }) => key).join(' '), firstRange]
    }
    expect(keys(0, 30)).toEqual(['k0', 0])
    expect(keys(2, 20)).toEqual(['k0 k1', 2])
    expect(keys(3, 10)).toEqual(['k1', 0])
    expect(keys(5, 40)).toEqual(['k2 k0', 1])
    expect(keys(6, 10)).toEqual(['k0', 0])
    expect(rangesFrom(objects, 10, 0, 1e9).objects).toHaveLength(1000)
    expect(rangesFrom([], 10, 7, 100)).toEqual({ objects: [], firstRange: 0 })
  })

  it('take objects from the whole listing', () => {
    const all = Array.from({ length: 10 }, (_, index) => index)
    expect(spread(all, 5)).toEqual([0, 2, 4, 6, 8])
    expect(spread(all, 20)).toEqual(all)
  })
})
