import { describe, expect, it } from 'vitest'
import { bareEtag, type RangeQuestion, rangeProblem } from '../../../../src/ufs/trust/range-answer.ts'

const part: RangeQuestion = { offset: 100, length: 50, etag: 'e1', objectLength: 1000 }
const first: RangeQuestion = { offset: 0, length: 50, etag: 'e1', objectLength: 1000 }
const whole: RangeQuestion = { offset: 0, length: 1000, etag: 'e1', objectLength: 1000 }
const alone: RangeQuestion = { ...whole, inOneAnswer: true }
const judged = (question: RangeQuestion, status: number, headers: Record<string, string>) =>
  rangeProblem(question, status, new Map(Object.entries(headers)))
const partHeaders = { etag: '"e1"', 'content-range': 'bytes 100-149/1000', 'content-length': '50' }
const wholeHeaders = { etag: '"e1"', 'content-length': '1000' }
const without = (headers: Record<string, string>, name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([other]) => other !== name))

describe('the answer to a range', () => {
  it.each([
    ['as S3 gives it', part, 206, partHeaders],
    ['without a length of its own', part, 206, without(partHeaders, 'content-length')],
    ['with a weak ETag of the same version', part, 206, { ...partHeaders, etag: 'W/"e1"' }],
    ['with an ETag without quotes', part, 206, { ...partHeaders, etag: 'e1' }],
    ['whole, where all was asked for', whole, 200, wholeHeaders],
    ['whole and chunked', whole, 200, without(wholeHeaders, 'content-length')],
    ['alone, without an ETag', alone, 200, without(wholeHeaders, 'etag')],
    ['alone and partial, without an ETag', alone, 206, { 'content-range': 'bytes 0-999/1000' }],
    ['compressed at the store, of the right length', whole, 200, { ...wholeHeaders, 'content-encoding': 'gzip' }],
  ])('is taken %s', (_, question, status, headers) => {
    expect(judged(question, status, headers)).toBeUndefined()
  })

  it.each([
    ['without an ETag', part, 206, without(partHeaders, 'etag')],
    ['with an empty ETag', part, 206, { ...partHeaders, etag: '' }],
    ['whole, without an ETag, although joined to others', whole, 200, without(wholeHeaders, 'etag')],
    ['whole in place of a part', part, 200, wholeHeaders],
    ['whole in place of the first part', first, 200, wholeHeaders],
  ])('proves nothing %s', (_, question, status, headers) => {
    expect(judged(question, status, headers)).toMatchObject({ kind: 'unproven' })
  })

  it.each([
    ['another ETag', part, 206, { ...partHeaders, etag: '"e2"' }, '"\\"e2\\""'],
    ['two ETags', part, 206, { ...partHeaders, etag: '"e1", "e1"' }, 'ETag'],
    [
      'another size',
      part,
      206,
      { ...partHeaders, 'content-range': 'bytes 100-149/2000' },
      'has 2000 bytes, but the store reported 1000',
    ],
    [
      'a shorter object',
      part,
      206,
      { ...partHeaders, 'content-range': 'bytes 100-119/120', 'content-length': '20' },
      'has 120 bytes',
    ],
    [
      'a longer whole',
      whole,
      200,
      { ...wholeHeaders, 'content-length': '2500' },
      'has 2500 bytes, but the store reported 1000',
    ],
    ['a longer whole in parts', alone, 206, { etag: '"e1"', 'content-range': 'bytes 0-999/2500' }, 'has 2500 bytes'],
  ])('with %s is of another version', (_, question, status, headers, words) => {
    expect(judged(question, status, headers)).toMatchObject({ kind: 'changed', text: expect.stringContaining(words) })
  })

  it.each([
    ['no Content-Range', part, 206, without(partHeaders, 'content-range'), 'Content-Range none'],
    ['another place', part, 206, { ...partHeaders, 'content-range': 'bytes 99-148/1000' }, 'bytes 99-148/1000'],
    [
      'a range that ends before it begins',
      part,
      206,
      { ...partHeaders, 'content-range': 'bytes 149-100/1000' },
      'bytes 149-100',
    ],
    [
      'a range beyond its own size',
      part,
      206,
      { ...partHeaders, 'content-range': 'bytes 100-149/120' },
      'bytes 100-149/120',
    ],
    ['a size that is not told', part, 206, { ...partHeaders, 'content-range': 'bytes 100-149/*' }, '/*'],
    ['another unit', part, 206, { ...partHeaders, 'content-range': 'items 100-149/1000' }, 'items'],
    [
      'several ranges',
      part,
      206,
      { ...partHeaders, 'content-type': 'multipart/byteranges; boundary=x' },
      'several ranges',
    ],
    ['another length', part, 206, { ...partHeaders, 'content-length': '49' }, '"49" bytes announced'],
    ['the ETag of a compressed copy', part, 206, { ...partHeaders, etag: '"e1-gzip"' }, 'compresses'],
    ['the ETag of a compressed copy, other spelling', part, 206, { ...partHeaders, etag: 'W/"e1;br"' }, 'compresses'],
    [
      'a page in place of the object',
      part,
      200,
      { 'content-type': 'text/html', 'content-length': '7' },
      'not the requested range',
    ],
    [
      'a whole of another length and no name',
      alone,
      200,
      { 'content-length': '7', 'content-encoding': 'gzip' },
      'compress',
    ],
  ])('with %s is refused', (_, question, status, headers, words) => {
    expect(judged(question, status, headers)).toMatchObject({ kind: 'damaged', text: expect.stringContaining(words) })
  })

  it('ETags are bare in the house', () => {
    expect([bareEtag('"a"'), bareEtag('W/"a"'), bareEtag('a'), bareEtag('"a-2"')]).toEqual(['a', 'a', 'a', 'a-2'])
  })
})
