import { describe, expect, test } from 'vitest'
import { DemandGauge } from '../../../src/base/flow/demand-gauge.ts'
import { TokenBucket } from '../../../src/base/flow/token-bucket.ts'
import { never, VirtualClock } from '../../model/support/load-doubles.ts'

const mib = 1024 ** 2

/** Readers that take one amount after the other, for as long as the clock runs. */
function readers(
  bucket: TokenBucket,
  clock: VirtualClock,
  amounts: readonly number[],
): { atMs: number; bytes: number }[] {
  const taken: { atMs: number; bytes: number }[] = []
  for (const bytes of amounts) {
    void (async () => {
      for (;;) {
        await bucket.take(bytes, never)
        taken.push({ atMs: clock.now, bytes })
      }
    })()
  }
  return taken
}
const bytesIn = (taken: readonly { atMs: number; bytes: number }[], from: number, to: number): number =>
  taken.filter(({ atMs }) => atMs >= from && atMs < to).reduce((sum, { bytes }) => sum + bytes, 0)

describe('a bucket of bytes', () => {
  test('keeps every window of ten seconds within 10 % of the rate, whatever the amounts', async () => {
    const clock = new VirtualClock()
    const begin = clock.now
    const taken = readers(new TokenBucket(clock, 8 * mib), clock, [4 * mib, 64 * 1024, 1000 * 1024, 2 * mib])
    await clock.advance(40_000)
    for (let from = begin; from <= begin + 30_000; from += 500)
      expect(Math.abs(bytesIn(taken, from, from + 10_000) / (80 * mib) - 1)).toBeLessThan(0.1)
  })

  test('gives out in the order in which it was asked', async () => {
    const clock = new VirtualClock()
    const bucket = new TokenBucket(clock, 1000)
    const order: number[] = []
    for (const [index, amount] of [5000, 1, 2000, 1].entries())
      void bucket.take(amount, never).then(() => order.push(index))
    expect(bucket.tryTake(1)).toBe(false)
    await clock.advance(20_000)
    expect(order).toEqual([0, 1, 2, 3])
  })

  test('follows a change of the rate at once, for those who wait too', async () => {
    const clock = new VirtualClock()
    const bucket = new TokenBucket(clock, 10)
    await bucket.take(1000, never)
    let done = false
    void bucket.take(1, never).then(() => (done = true))
    await clock.advance(1000)
    expect(done).toBe(false)
    bucket.setRate(10_000)
    await clock.advance(200)
    expect(done).toBe(true)
  })

  test('without a limit gives at once', async () => {
    const bucket = new TokenBucket(new VirtualClock(), Number.POSITIVE_INFINITY)
    for (let index = 0; index < 1000; index += 1) expect(bucket.tryTake(1e12)).toBe(true)
    bucket.setRate(100)
    expect(bucket.tryTake(1)).toBe(true)
  })

  test('a time in which nobody asks saves up half a second, no more', async () => {
    const clock = new VirtualClock()
    const bucket = new TokenBucket(clock, 1000)
    await clock.advance(60_000)
    let taken = 0
    while (bucket.tryTake(10)) taken += 10
    expect(taken).toBeLessThanOrEqual(510)
  })

  test('a reader that gives up leaves its place to the next', async () => {
    const clock = new VirtualClock()
    const bucket = new TokenBucket(clock, 100)
    await bucket.take(200, never)
    const leave = new AbortController()
    const first = bucket.take(1_000_000, leave.signal)
    let second = false
    void bucket.take(1, never).then(() => (second = true))
    leave.abort()
    await expect(first).rejects.toThrow()
    await clock.advance(2100)
    expect(second).toBe(true)
    expect(bucket.waiting).toBe(0)
  })
})

describe('the gauge of demand', () => {
  test('is active while anybody waits, and tells who did', () => {
    const gauge = new DemandGauge()
    expect(gauge.active).toBe(false)
    const [a, b] = [gauge.begin('n1'), gauge.begin('n2')]
    let idle = false
    gauge.whenIdle(() => (idle = true))
    a.end()
    a.end()
    expect([gauge.active, idle]).toEqual([true, false])
    b.end()
    expect([gauge.active, idle]).toEqual([false, true])
    expect(Object.fromEntries(gauge.takeSeen())).toEqual({ n1: 1, n2: 1 })
    expect(gauge.takeSeen().size).toBe(0)
  })
})
