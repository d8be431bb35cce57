// A reader on demand goes first, and readers without end leave the load half of the time.
import { expect, test } from 'vitest'
import { DemandGauge } from '../../../src/base/flow/demand-gauge.ts'
import { StandAside } from '../../../src/job-worker/pace/stand-aside.ts'
import { VirtualClock } from '../../model/support/load-doubles.ts'
import { never } from './support/fakes.ts'

test('demand that has ended for a moment only lasts on', async () => {
  const clock = new VirtualClock()
  const demand = new DemandGauge({ clock, ms: 20 })
  const first = demand.begin('n')
  let isIdle = false
  demand.whenIdle(() => (isIdle = true))
  first.end()
  await clock.advance(10)
  const second = demand.begin('n')
  await clock.advance(15)
  second.end()
  await clock.advance(15)
  expect([demand.active, isIdle]).toEqual([true, false])
  await clock.advance(10)
  expect([demand.active, isIdle]).toEqual([false, true])
})

test('one wait is as long as the read, and all wait together', async () => {
  const clock = new VirtualClock()
  const demand = new DemandGauge()
  const aside = new StandAside(clock, demand)
  expect(aside.wait(never)).toBeUndefined()
  const read = demand.begin('n')
  let passed = 0
  for (let n = 0; n < 3; n += 1) void aside.wait(never)?.then(() => (passed += 1))
  await clock.advance(300)
  expect(passed).toBe(0)
  read.end()
  await clock.advance(1)
  expect(passed).toBe(3)
  expect(aside.wait(never)).toBeUndefined()
})

test('a wait ends with its signal, and the others go on', async () => {
  const clock = new VirtualClock()
  const demand = new DemandGauge()
  const aside = new StandAside(clock, demand)
  const read = demand.begin('n')
  const leave = new AbortController()
  const left = aside.wait(leave.signal)
  let passed = false
  void aside.wait(never)?.then(() => (passed = true))
  leave.abort()
  await expect(left).rejects.toThrow()
  expect(passed).toBe(false)
  read.end()
  await clock.advance(1)
  expect(passed).toBe(true)
})

test('demand without end leaves the load about half of the time', async () => {
  const clock = new VirtualClock()
  const demand = new DemandGauge()
  const listeners = new Set<() => void>()
  const whenIdle = demand.whenIdle.bind(demand)
  demand.whenIdle = (listener) => {
    const forget = whenIdle(listener)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      forget()
    }
  }
  const aside = new StandAside(clock, demand)
  demand.begin('n')
  let waiting = false
  let readMs = 0
  for (let ms = 0; ms < 10_000; ms += 5) {
    if (!waiting) {
      const wait = aside.wait(never)
      if (wait === undefined) readMs += 5
      else {
        waiting = true
        void wait.then(() => (waiting = false))
      }
    }
    await clock.advance(5)
  }
  // Nobody hangs on to demand that does not end.
  expect(listeners.size).toBeLessThan(2)
  expect(readMs).toBeGreaterThan(4000)
  expect(readMs).toBeLessThan(6000)
})
