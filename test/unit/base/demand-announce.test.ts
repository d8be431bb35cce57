// A reader that is about to read counts as demand, but not as one that has been seen at a store.
import { expect, test } from 'vitest'
import { DemandGauge } from '../../../src/base/flow/demand-gauge.ts'

test('an announced reader holds back until it ends, and is not counted', () => {
  const gauge = new DemandGauge()
  const announced = gauge.announce()
  expect(gauge.active).toBe(true)
  const read = gauge.begin('a')
  announced.end()
  expect(gauge.active).toBe(true)
  let idle = false
  gauge.whenIdle(() => (idle = true))
  read.end()
  expect(idle).toBe(true)
  expect(gauge.active).toBe(false)
  expect([...gauge.takeSeen()]).toEqual([['a', 1]])
})
