import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/base/clock.ts'
import { abortReason, seededRandom } from '../../../src/base/clock.ts'
import { SlowDownGate } from '../../../src/ufs/s3/request/slow-down-gate.ts'

/** A clock that stands still until it is moved. */
function manualClock(): Clock & { advance(ms: number): Promise<void> } {
  let now = 1000
  const sleepers: { until: number; wake: () => void }[] = []
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        sleepers.push({ until: now + ms, wake: resolve })
        signal.addEventListener('abort', () => reject(abortReason(signal)), { once: true })
      }),
    schedule: () => () => undefined,
    advance: async (ms) => {
      now += ms
      for (const sleeper of sleepers.filter(({ until }) => until <= now)) sleeper.wake()
      await new Promise<void>((resolve) => setImmediate(resolve))
    },
  }
}

describe('the SlowDown gate', () => {
  const signal = new AbortController().signal

  it('is open until the store says SlowDown, then holds everyone', async () => {
    const clock = manualClock()
    const gate = new SlowDownGate(clock, seededRandom(1))
    expect(gate.closed).toBe(false)
    gate.slowDown()
    let passed = 0
    const waiters = Array.from({ length: 10 }, () => gate.wait(signal).then(() => (passed += 1)))
    await clock.advance(40)
    expect(passed).toBe(0)
    await clock.advance(1000)
    await Promise.all(waiters)
    expect(passed).toBe(10)
    expect(gate.closed).toBe(false)
  })

  it('counts a burst of answers as one round, and later rounds longer', async () => {
    const clock = manualClock()
    const gate = new SlowDownGate(clock, () => 0.5)
    for (let answer = 0; answer < 50; answer += 1) gate.slowDown()
    expect(gate.level).toBe(1)
    for (let round = 2; round <= 4; round += 1) {
      const waiting = Promise.all(Array.from({ length: 50 }, () => gate.wait(signal)))
      await clock.advance(100_000)
      await waiting
      gate.slowDown()
      expect(gate.level).toBe(round)
    }
    for (let success = 0; success < 100; success += 1) gate.succeeded()
    expect(gate.level).toBe(4)
    const waiting = gate.wait(signal)
    await clock.advance(100_000)
    await waiting
    for (let success = 0; success < 100; success += 1) gate.succeeded()
    expect(gate.level).toBe(0)
  })

  it('stays near the beginning while half of a few requests at a time are answered well', async () => {
    for (const [wellOf6, levels] of [
      [0, [8, 8]],
      [2, [6, 8]],
      [3, [0, 2]],
      [5, [0, 1]],
    ] as const) {
      const clock = manualClock()
      const gate = new SlowDownGate(clock, () => 0.5)
      gate.slowDown()
      for (let round = 0; round < 20; round += 1) {
        const waiting = Promise.all(Array.from({ length: 6 }, () => gate.wait(signal)))
        await clock.advance(100_000)
        await waiting
        // The first answer that is known is a refusal, and closes the gate.
        gate.slowDown()
        for (let answer = 1; answer < 6; answer += 1)
          if (answer <= wellOf6) gate.succeeded()
          else gate.slowDown()
      }
      expect(gate.level, `${wellOf6} of 6`).toBeGreaterThanOrEqual(levels[0])
      expect(gate.level, `${wellOf6} of 6`).toBeLessThanOrEqual(levels[1])
    }
  })

  it('lets go of who is stopped', async () => {
    const gate = new SlowDownGate(manualClock(), seededRandom(1))
    gate.slowDown()
    const control = new AbortController()
    const waiting = gate.wait(control.signal)
    control.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' })
  })
})
