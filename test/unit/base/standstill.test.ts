import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { Standstill } from '../../../src/base/flow/standstill.ts'

describe('a standstill', () => {
  it('is the time by which timers come too late, and a timer in time is none', () => {
    let now = 0
    let next: (() => void) | undefined
    const clock = {
      ...systemClock,
      monotonicMs: () => now,
      schedule: (_ms: number, task: () => void) => {
        next = task
        return () => undefined
      },
    }
    const stop = new AbortController()
    const standstill = new Standstill(clock)
    standstill.watch(stop.signal)
    const passMs = (ms: number): void => {
      now += ms
      next?.()
    }
    passMs(100)
    passMs(450)
    expect(standstill.totalMs).toBe(0)
    passMs(3100)
    expect(standstill.totalMs).toBe(3000)
    passMs(100)
    passMs(1100)
    expect(standstill.totalMs).toBe(4000)
    stop.abort()
    passMs(9000)
    expect(standstill.totalMs).toBe(4000)
  })
})
