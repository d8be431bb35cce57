import { describe, expect, it } from 'vitest'
import { notUnderstoodError, notUnderstoodReason } from '../../../../src/ufs/trust/answer-error.ts'
import { byteCountExpected, timeExpected } from '../../../../src/ufs/trust/field-values.ts'

const context = { address: { endpoint: 'http://store', bucket: 'data' }, what: 'LIST "a/"' }

describe('an answer that is not understood', () => {
  it('is said with request, object, field, value and what was expected, and is not asked for again', () => {
    const error = notUnderstoodError(context, {
      field: 'LastModified',
      value: 'soon\n',
      expected: timeExpected,
      key: 'a/b',
    })
    expect(error.message).toBe(
      `http://store bucket data: LIST "a/": LastModified of "a/b" is "soon\\n": expected ${timeExpected}`,
    )
    expect(error).toMatchObject({ code: 'failed_precondition', reason: notUnderstoodReason, retryable: false })
  })

  it('says that a field is missing, and cuts what is long', () => {
    const missing = notUnderstoodError(context, { field: 'Size', value: undefined, expected: byteCountExpected })
    expect(missing.message).toBe(
      'http://store bucket data: LIST "a/": Size is missing: expected a whole number of bytes',
    )
    const long = notUnderstoodError(context, { field: 'Size', value: 'x'.repeat(10_000), expected: byteCountExpected })
    expect(long.message.length).toBeLessThan(300)
  })
})
