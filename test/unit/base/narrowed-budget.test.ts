import { describe, expect, it } from 'vitest'
import { Budget, type Share } from '../../../src/base/flow/budget.ts'
import { NarrowedBudget } from '../../../src/base/flow/narrowed-budget.ts'

const never = new AbortController().signal

describe('a budget that changes', () => {
  it('grants waiting shares when it grows', async () => {
    const budget = new Budget('b', 1)
    await budget.acquire(1, never)
    const waiting = [budget.acquire(1, never), budget.acquire(1, never)]
    expect([budget.waiting, budget.waits]).toEqual([2, 2])
    budget.resize(3)
    await Promise.all(waiting)
    expect([budget.used, budget.waiting, budget.waits]).toEqual([3, 0, 2])
  })

  it('leaves shares that are more than a smaller capacity until they are released', async () => {
    const budget = new Budget('b', 3)
    const shares = await Promise.all([1, 2, 3].map(() => budget.acquire(1, never)))
    budget.resize(1)
    expect(budget.tryAcquire(1)).toBeUndefined()
    const last = budget.acquire(1, never)
    shares[0]?.release()
    shares[1]?.release()
    expect(budget.waiting).toBe(1)
    shares[2]?.release()
    await last
    expect(budget.used).toBe(1)
  })

  it('grants an amount from before it became smaller than that', async () => {
    const budget = new Budget('b', 10)
    const first = await budget.acquire(1, never)
    const large = budget.acquire(10, never)
    budget.resize(4)
    first.release()
    ;(await large).release()
    expect(budget.used).toBe(0)
  })
})

describe('a narrowed budget', () => {
  it('is bounded by itself and by the shared one, and gives both back', async () => {
    const shared = new Budget('all', 3)
    const [one, other] = [
      new NarrowedBudget(new Budget('one', 2), shared),
      new NarrowedBudget(new Budget('other', 2), shared),
    ]
    const held: (Share | undefined)[] = [one.tryAcquire(1), one.tryAcquire(1)]
    expect(one.tryAcquire(1)).toBeUndefined()
    held.push(other.tryAcquire(1))
    expect(other.tryAcquire(1)).toBeUndefined()
    expect([shared.used, one.used, other.used]).toEqual([3, 2, 1])
    const waiting = other.acquire(1, never)
    await Promise.resolve()
    expect(other.waiting).toBe(1)
    for (const share of held) share?.release()
    ;(await waiting).release()
    expect([shared.used, one.used, other.used]).toEqual([0, 0, 0])
  })

  it('keeps nothing when the wait for the shared one is aborted', async () => {
    const shared = new Budget('all', 1)
    const narrowed = new NarrowedBudget(new Budget('one', 1), shared)
    const other = await shared.acquire(1, never)
    const stop = new AbortController()
    const waiting = narrowed.acquire(1, stop.signal)
    await Promise.resolve()
    stop.abort()
    await expect(waiting).rejects.toThrow()
    expect(narrowed.used).toBe(0)
    other.release()
    expect(shared.used).toBe(0)
  })
})
