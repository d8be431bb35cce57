import { describe, expect, it } from 'vitest'
import { copyRangeOf, rangeOf } from '../../../../src/gateway/s3/request/byte-ranges.ts'
import {
  type ConditionHeaders,
  evaluated,
  type Verdict,
  writeCondition,
} from '../../../../src/gateway/s3/request/conditions.ts'
import { headerTime, timeOfHeader } from '../../../../src/gateway/s3/request/http-time.ts'
import { codeOf } from './support/signed.ts'

const modifiedMs = Date.UTC(2024, 1, 29, 12, 0, 0) + 500
const [before, same, after] = [-1000, 0, 1000].map((ms) => headerTime(modifiedMs + ms))
const object = { etags: ['own', 'store'], modifiedMs }

describe('conditions of reads', () => {
  it.each<[ConditionHeaders, Verdict]>([
    [{}, 'go'],
    [{ ifMatch: '"own"' }, 'go'],
    [{ ifMatch: 'store' }, 'go'],
    [{ ifMatch: '"a", "own"' }, 'go'],
    [{ ifMatch: '*' }, 'go'],
    [{ ifMatch: '"other"' }, 'failed'],
    [{ ifMatch: 'W/"own"' }, 'failed'],
    [{ ifNoneMatch: '"own"' }, 'unchanged'],
    [{ ifNoneMatch: 'W/"own"' }, 'unchanged'],
    [{ ifNoneMatch: '*' }, 'unchanged'],
    [{ ifNoneMatch: '"other"' }, 'go'],
    [{ ifModifiedSince: before }, 'go'],
    [{ ifModifiedSince: same }, 'unchanged'],
    [{ ifModifiedSince: after }, 'unchanged'],
    [{ ifModifiedSince: 'no time' }, 'go'],
    [{ ifUnmodifiedSince: before }, 'failed'],
    [{ ifUnmodifiedSince: same }, 'go'],
    [{ ifUnmodifiedSince: after }, 'go'],
    [{ ifMatch: '"own"', ifUnmodifiedSince: before }, 'go'],
    [{ ifMatch: '"other"', ifUnmodifiedSince: after }, 'failed'],
    [{ ifNoneMatch: '"other"', ifModifiedSince: after }, 'go'],
    [{ ifNoneMatch: '"own"', ifModifiedSince: before }, 'unchanged'],
    [{ ifMatch: '"other"', ifNoneMatch: '"own"' }, 'failed'],
  ])('%o', (conditions, verdict) => {
    expect(evaluated(conditions, object)).toBe(verdict)
  })
})

describe('conditions of writes', () => {
  it('are those of S3', () => {
    expect(writeCondition({})).toBeUndefined()
    expect(writeCondition({ ifNoneMatch: ' * ' })).toEqual({ kind: 'absent' })
    expect(writeCondition({ ifMatch: '"a"' })).toEqual({ kind: 'match', etags: '"a"' })
    expect(writeCondition({ ifNoneMatch: '"a"' })).toEqual({ kind: 'other', etags: '"a"' })
    expect(codeOf(() => writeCondition({ ifNoneMatch: '*', ifMatch: '"a"' }))).toBe('NotImplemented')
  })
})

describe('times of HTTP', () => {
  it.each([
    ['Sun, 06 Nov 1994 08:49:37 GMT', Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['Sunday, 06-Nov-94 08:49:37 GMT', Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['Sun Nov  6 08:49:37 1994', Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['Thu, 29 Feb 2024 00:00:00 GMT', Date.UTC(2024, 1, 29)],
    ['Thu, 30 Feb 2024 00:00:00 GMT', undefined],
    ['Thu, 29 Feb 2024 25:00:00 GMT', undefined],
    ['2024-02-29T00:00:00Z', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(timeOfHeader(text)).toBe(expected)
  })
})

describe('ranges', () => {
  it.each([
    ['bytes=0-0', { offset: 0, length: 1 }],
    ['bytes=2-', { offset: 2, length: 8 }],
    ['bytes=2-100', { offset: 2, length: 8 }],
    ['bytes=-3', { offset: 7, length: 3 }],
    ['bytes=-30', { offset: 0, length: 10 }],
    ['Bytes = 1 - 2', { offset: 1, length: 2 }],
    [undefined, undefined],
    ['bytes=3-2', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,3-4', undefined],
    ['lines=0-1', undefined],
  ])('%s of 10 bytes', (header, expected) => {
    expect(rangeOf(header, 10)).toEqual(expected)
  })

  it.each([
    ['bytes=10-', 10],
    ['bytes=10-20', 10],
    ['bytes=-0', 10],
    ['bytes=0-0', 0],
    ['bytes=-1', 0],
  ])('%s of %d bytes is not satisfiable', (header, size) => {
    expect(codeOf(() => rangeOf(header, size))).toBe('InvalidRange')
  })

  it('of a part that is copied must be in the source', () => {
    expect(copyRangeOf('bytes=1-9', 10)).toEqual({ offset: 1, length: 9 })
    expect(copyRangeOf(undefined, 10)).toBeUndefined()
    expect(codeOf(() => copyRangeOf('bytes=1-10', 10))).toBe('InvalidRange')
    for (const text of ['bytes=1-', 'bytes=2-1', '1-2'])
      expect(codeOf(() => copyRangeOf(text, 10))).toBe('InvalidArgument')
  })
})
