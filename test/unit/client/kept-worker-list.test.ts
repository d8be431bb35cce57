import { expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { keptWorkerList } from '../../../src/client/read/kept-worker-list.ts'
import type { WorkerList } from '../../../src/wire/generated/master.ts'
import { ManualClock } from './support/manual-clock.ts'

const call = { signal: new AbortController().signal }

test('asks once within a second, and again after an error', async () => {
  const clock = new ManualClock()
  const answers: (() => Promise<WorkerList>)[] = []
  let asked = 0
  const list = keptWorkerList(() => {
    asked += 1
    return answers.shift()?.() ?? Promise.resolve({ workers: [] })
  }, clock)
  answers.push(() => Promise.reject(new SkeinError('unavailable', 'the master is away')))
  await expect(list({}, call)).rejects.toMatchObject({ code: 'unavailable' })
  await Promise.all([list({}, call), list({}, call)])
  clock.passMs(999)
  await list({}, call)
  expect(asked).toBe(2)
  clock.passMs(1)
  await list({}, call)
  expect(asked).toBe(3)
})

test('one that stops waiting leaves the answer to the others', async () => {
  const answer = Promise.withResolvers<WorkerList>()
  const list = keptWorkerList(() => answer.promise, new ManualClock())
  const controller = new AbortController()
  const stopped = list({}, { signal: controller.signal })
  const other = list({}, call)
  controller.abort(new SkeinError('cancelled', 'stopped'))
  await expect(stopped).rejects.toMatchObject({ code: 'cancelled' })
  answer.resolve({ workers: [] })
  expect(await other).toEqual({ workers: [] })
})
