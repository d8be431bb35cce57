import { describe, expect, it } from 'vitest'
import { LeastRate } from '../../../../src/ufs/transport/least-rate.ts'

describe('the least rate of a body', () => {
  const open = (): LeastRate => {
    const rate = new LeastRate({ bytesPerSecond: 1000, windowMs: 30_000 })
    rate.begin(5000)
    return rate
  }

  it('is judged by whole windows', () => {
    const rate = open()
    expect(rate.came(1, 34_999)).toBe(true)
    expect(rate.came(1, 35_000)).toBe(false)
    const enough = open()
    expect(enough.came(29_999, 20_000)).toBe(true)
    expect(enough.came(1, 35_000)).toBe(true)
    expect(enough.came(100, 65_000)).toBe(false)
  })

  it('does not count time in which nobody wants bytes', () => {
    const rate = open()
    rate.came(10_000, 10_000)
    rate.hold(10_000)
    rate.hold(20_000)
    expect(rate.came(10, 50_000)).toBe(true)
    rate.goOn(60_000)
    expect(rate.came(10_000, 80_000)).toBe(true)
    expect(rate.came(10_000, 85_000)).toBe(true)
    expect(rate.came(10, 115_000)).toBe(false)
  })

  it('may be any', () => {
    const rate = new LeastRate({ bytesPerSecond: 0, windowMs: 1000 })
    rate.begin(0)
    expect(rate.came(0, 1_000_000)).toBe(true)
  })
})
