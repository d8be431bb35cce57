import { expect, it } from 'vitest'
import { Budget } from '../../../src/base/flow/budget.ts'
import { LentShare } from '../../../src/base/flow/lent-share.ts'

const signal = new AbortController().signal

async function held(budget: Budget, of: AbortSignal = signal): Promise<LentShare> {
  return new LentShare(budget, 1, await budget.acquire(1, of), of)
}

it('leaves its room to others for a wait, and takes it again in turn', async () => {
  const budget = new Budget('slots', 1)
  const share = await held(budget)
  const waited = Promise.withResolvers<void>()
  let isBack = false
  const lending = share.lend(() => waited.promise).then(() => (isBack = true))
  const other = await budget.acquire(1, signal)
  waited.resolve()
  await new Promise((resolve) => setImmediate(resolve))
  expect([isBack, budget.used, budget.waiting]).toEqual([false, 1, 1])
  other.release()
  await lending
  expect([isBack, budget.used]).toEqual([true, 1])
  share.release()
  expect(budget.used).toBe(0)
})

it('holds nothing after a wait that failed, nor after an abort, nor when it was released meanwhile', async () => {
  const budget = new Budget('slots', 1)
  const failed = await held(budget)
  await expect(failed.lend(() => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(budget.used).toBe(0)
  const stop = new AbortController()
  const stopped = await held(budget, stop.signal)
  const other = Promise.withResolvers<void>()
  const lending = stopped.lend(async () => {
    await budget.acquire(1, signal).then((share) => other.promise.then(() => share.release()))
  })
  stop.abort(new Error('stopped'))
  other.resolve()
  await lending
  stopped.release()
  expect(budget.used).toBe(0)
  const left = await held(budget)
  await left.lend(() => Promise.resolve(left.release()))
  expect([budget.used, budget.waiting]).toEqual([0, 0])
})

it('a budget keeps what a request leaves to others', () => {
  const budget = new Budget('bytes', 100)
  budget.tryAcquire(60, 25)
  expect(budget.tryAcquire(16, 25)).toBeUndefined()
  expect(budget.tryAcquire(15, 25)).toBeDefined()
  expect(budget.tryAcquire(25)).toBeDefined()
})
