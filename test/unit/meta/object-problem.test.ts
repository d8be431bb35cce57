// Why: an object that cannot be cached is named with its reason; it is never left out of a load in
// silence.
import { describe, expect, it } from 'vitest'
import { objectProblem } from '../../../src/meta/apply/listing-diff.ts'

describe('objectProblem', () => {
  const object = { key: 'a/b', length: 10, etag: 'v1' }
  it('finds nothing wrong with a plain object', () => {
    expect(objectProblem(object, 4)).toBe('')
  })
  it.each([
    ['no ETag', { ...object, etag: '' }, /ETag/],
    ['a segment `..`', { ...object, key: 'a/../b' }, /segment/],
    ['a lone surrogate', { ...object, key: 'a\ud800' }, /Unicode/],
    ['too many blocks', { ...object, length: 2 ** 30 }, /larger block size/],
  ])('names %s', (_what, bad, reason) => {
    expect(objectProblem(bad, 4)).toMatch(reason)
  })
})
