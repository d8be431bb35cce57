import { expect, test } from 'vitest'
import { prioritiesOf } from '../../../src/load/schedule/deadline-priority.ts'

test('the earliest deadline weighs most, and loads without one keep their own priority', () => {
  const load = (loadId: number, readyByMs: number | undefined, priority = 10) => ({ loadId, priority, readyByMs })
  expect([...prioritiesOf([load(1, undefined), load(2, 900), load(3, 500), load(4, 0, 30), load(5, 500, 1)])]).toEqual([
    [1, 10],
    [2, 80],
    [3, 160],
    [4, 30],
    [5, 16],
  ])
  const many = prioritiesOf(Array.from({ length: 20 }, (_, index) => load(index, 1000 + index)))
  expect(many.get(19)).toBe(10)
  expect([...many.values()].toSorted((a, b) => b - a)).toEqual([...many.values()])
})
