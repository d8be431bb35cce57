// Why: without Redis the timer is all that is punctual; it must fire each due time, once, also over
// long waits and changes.
import { expect, test } from 'vitest'
import { createInProcessScheduleTimer } from '../../../src/queue/in-process-schedule-timer.ts'
import { openScheduleTimer } from '../../../src/queue/open.ts'
import type { TimerEntry } from '../../../src/queue/schedule-timer.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { VirtualClock } from '../../model/support/load-doubles.ts'

/** Due at every multiple of `everyMs`. */
const every = (name: string, everyMs: number): TimerEntry => ({
  ...{ name, cron: '', timezone: 'UTC' },
  nextMs: (afterMs) => (Math.floor(afterMs / everyMs) + 1) * everyMs,
})

test('each entry fires at its times, once', async () => {
  const clock = new VirtualClock()
  const start = clock.now
  const fired: string[] = []
  const timer = createInProcessScheduleTimer(clock, (name) => fired.push(`${name} ${clock.now - start}`))
  await timer.set([every('a', 2000), every('b', 3000)])
  await clock.advance(6500)
  expect(fired).toEqual(['a 2000', 'b 2000', 'a 4000', 'b 5000', 'a 6000'])
  await timer.close()
})

test('setting it again changes what fires, and repeats nothing', async () => {
  const clock = new VirtualClock()
  const fired: string[] = []
  const timer = createInProcessScheduleTimer(clock, (name) => fired.push(name))
  await timer.set([every('a', 1000)])
  await clock.advance(1000)
  for (let round = 0; round < 5; round += 1) await timer.set([every('a', 1000), every('b', 1000)])
  await clock.advance(1000)
  expect(fired).toEqual(['a', 'a', 'b'])
  await timer.set([])
  await clock.advance(5000)
  expect(fired).toHaveLength(3)
  await timer.set([every('c', 1000)])
  await timer.close()
  await clock.advance(5000)
  expect(fired).toHaveLength(3)
})

test('a time in some months is waited for in pieces', async () => {
  const clock = new VirtualClock()
  const fired: number[] = []
  const inDays = 40 * 86_400_000
  const timer = createInProcessScheduleTimer(clock, () => fired.push(clock.now))
  const atMs = clock.now + inDays
  await timer.set([{ name: 'a', cron: '', timezone: 'UTC', nextMs: (afterMs) => (afterMs < atMs ? atMs : undefined) }])
  await clock.advance(inDays - 1)
  expect(fired).toEqual([])
  await clock.advance(2)
  expect(fired).toEqual([atMs])
  await timer.close()
})

test('is chosen by the URL of the queue', async () => {
  const options = { logger: silentLogger, clock: new VirtualClock(), lane: 'schedules-x' }
  const timer = await openScheduleTimer('inprocess:', options, () => undefined)
  await timer.close()
  await expect(openScheduleTimer('amqp://x', options, () => undefined)).rejects.toMatchObject({
    code: 'invalid_argument',
  })
  await expect(
    openScheduleTimer('redis://127.0.0.1:1', { ...options, lane: 'a:b' }, () => undefined),
  ).rejects.toMatchObject({
    code: 'invalid_argument',
  })
})
