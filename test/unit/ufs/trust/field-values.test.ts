import { assert, constantFrom, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { byteCountOf, etagOf, timeOf } from '../../../../src/ufs/trust/field-values.ts'

const wanted = Date.UTC(2023, 3, 20, 15, 31, 0)

describe('times of stores', () => {
  it.each([
    '2023-04-20T15:31:00Z',
    '2023-04-20T15:31:00.000Z',
    '2023-04-20T15:31:00.000000000Z',
    '2023-04-20T15:31:00,000Z',
    '2023-04-20T15:31:00',
    '2023-04-20T15:31:00.000',
    '2023-04-20T15:31Z',
    '2023-04-20 15:31:00',
    '2023-04-20t15:31:00z',
    '2023-04-20T17:31:00+02:00',
    '2023-04-20T17:31:00+0200',
    '2023-04-20T10:31:00-05',
    '20230420T153100Z',
    'Thu, 20 Apr 2023 15:31:00 GMT',
    'Thu, 20 Apr 2023 15:31:00 UTC',
    'Thu, 20 Apr 2023 17:31:00 +0200',
    '20 Apr 2023 15:31:00 GMT',
    'Thu, 20 Apr 2023 15:31:00',
    'Thursday, 20-Apr-23 15:31:00 GMT',
    'Thu Apr 20 15:31:00 2023',
    ' 2023-04-20T15:31:00Z\n',
    '1682004660',
    '1682004660.000',
    '1682004660000',
  ])('reads %j', (text) => {
    expect(timeOf(text)).toBe(wanted)
  })

  it.each([
    '',
    'yesterday',
    '2023-04-31T15:31:00Z',
    '2023-13-20T15:31:00Z',
    '2023-04-20T25:31:00Z',
    '20/04/2023',
    '-1',
    '2023',
    'NaN',
  ])('does not guess %j', (text) => {
    expect(timeOf(text)).toBeUndefined()
  })

  it('takes a time before 1970 for none', () => {
    expect(timeOf('0001-01-01T00:00:00Z')).toBe(0)
    expect(timeOf('1970-01-01T00:00:00+01:00')).toBe(0)
  })

  it('keeps the part of a second, and reads every form of every time alike', () => {
    assert(
      property(integer({ min: 0, max: 4_000_000_000_000 }), constantFrom('iso', 'http'), (ms, form) => {
        const date = new Date(ms)
        expect(timeOf(form === 'iso' ? date.toISOString() : date.toUTCString())).toBe(
          form === 'iso' ? ms : ms - (ms % 1000),
        )
      }),
    )
  })
})

describe('lengths and versions of stores', () => {
  it('reads whole numbers of bytes that can be counted exactly', () => {
    expect(['0', ' 25 ', '0025', '9007199254740991'].map(byteCountOf)).toEqual([0, 25, 25, 9_007_199_254_740_991])
    const odd = ['', '-1', '1.5', '1e3', '0x10', '9007199254740992', '99999999999999999999999', 'ten', '1,000']
    expect(odd.map(byteCountOf)).toEqual(odd.map(() => undefined))
  })

  it('takes the quotes off an ETag, and none that a header could not carry', () => {
    expect(['"abc"', 'abc', ' "abc-2" '].map(etagOf)).toEqual(['abc', 'abc', 'abc-2'])
    const odd = ['', '""', 'a b', 'a\r\nx: y', 'é'.repeat(2000), '\u4e2d', 'x'.repeat(2000)]
    expect(odd.map(etagOf)).toEqual(odd.map(() => undefined))
  })
})
