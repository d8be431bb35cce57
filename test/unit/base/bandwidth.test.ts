import { describe, expect, test } from 'vitest'
import { bandwidthAt, parseBandwidth } from '../../../src/base/flow/bandwidth.ts'

const mib = 1024 ** 2
const at = (hours: number, minutes = 0): number => new Date(2026, 4, 13, hours, minutes).getTime()
const refusal = (text: string): string => {
  try {
    parseBandwidth(text, '--bandwidth')
  } catch (thrown) {
    return (thrown as Error).message
  }
  return 'accepted'
}

describe('a budget of bytes a second', () => {
  test('is one rate for the whole day, with or without the unit of time', () => {
    for (const text of ['50MB/s', '50MB', ' 50 mb/s ', '52428800']) {
      const budget = parseBandwidth(text, 'x')
      for (const hour of [0, 8, 23]) expect(bandwidthAt(budget, at(hour, 59))).toBe(50 * mib)
    }
  })

  test('is unlimited when it is empty or says so', () => {
    for (const text of ['', '  ', 'unlimited', 'Unlimited'])
      expect(bandwidthAt(parseBandwidth(text, 'x'), at(12))).toBeUndefined()
  })

  test('may be a timetable, which holds from the first minute of a span to the last', () => {
    const budget = parseBandwidth('08:00-20:00=200MB/s,else=unlimited', 'x')
    const limits = [at(7, 59), at(8), at(19, 59), at(20), at(0)].map((ms) => bandwidthAt(budget, ms))
    expect(limits).toEqual([undefined, 200 * mib, 200 * mib, undefined, undefined])
  })

  test('may cross midnight, and needs no else when it covers the day', () => {
    const budget = parseBandwidth('22:30-6:00=unlimited, 06:00-22:30=10MB/s', 'x')
    const limits = [at(0), at(5, 59), at(6), at(22, 29), at(22, 30)].map((ms) => bandwidthAt(budget, ms))
    expect(limits).toEqual([undefined, undefined, 10 * mib, 10 * mib, undefined])
    expect(bandwidthAt(parseBandwidth('20:00-00:00=1MB/s,else=2MB/s', 'x'), at(23, 59))).toBe(mib)
    expect(bandwidthAt(parseBandwidth('00:00-24:00=1MB/s', 'x'), at(23, 59))).toBe(mib)
  })

  test.each([
    ['0', 'a rate of 0'],
    ['0MB/s', 'a rate of 0'],
    ['08:00-20:00=0,else=unlimited', 'a rate of 0'],
    ['fast', "'fast' is not a rate"],
    ['-5MB/s', "'-5MB/s' is not a rate"],
    ['50MB/h', "'50MB/h' is not a rate"],
    ['08:00-20:00=1MB/s', 'has no rate for 00:00-08:00'],
    ['00:00-20:00=1MB/s', 'has no rate for 20:00-24:00'],
    ['08:00-12:00=1MB/s,11:00-14:00=2MB/s,else=3MB/s', 'has two rates for 11:00-12:00'],
    ['22:00-06:00=1MB/s,05:00-07:00=2MB/s,else=3MB/s', 'has two rates for 05:00-06:00'],
    ['else=1MB/s,else=2MB/s', "two 'else'"],
    ['08:00-25:00=1MB/s,else=2MB/s', 'has an invalid time'],
    ['24:00-08:00=1MB/s,else=2MB/s', 'has an invalid time'],
    ['08:60-09:00=1MB/s,else=2MB/s', 'has an invalid time'],
    ['08:00-08:00=1MB/s,else=2MB/s', 'begins where it ends'],
    ['night=1MB/s,else=2MB/s', "'night' is not TIME-TIME"],
    ['08:00-20:00=1MB/s,else', "'else' is not TIME-TIME=RATE"],
    ['08:00-20:00=1=2,else=1', 'is not TIME-TIME=RATE'],
  ])('refuses %s in one line', (text, why) => {
    const message = refusal(text)
    expect(message).toContain(why)
    expect(message.startsWith(`--bandwidth '${text}'`)).toBe(true)
    expect(message).not.toContain('\n')
  })
})
