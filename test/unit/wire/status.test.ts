import { describe, expect, it } from 'vitest'
import { errorCodes, SkeinError } from '../../../src/base/errors.ts'
import { codeOfGrpcStatus, errorFromText, errorToJson, statusTable } from '../../../src/wire/status.ts'

const overTheWire = (thrown: unknown): SkeinError | undefined => errorFromText(JSON.stringify(errorToJson(thrown)))

describe('status', () => {
  it.each(errorCodes)('%s comes back equal, with a reason and either retryable', (code) => {
    for (const retryable of [true, false]) {
      const error = new SkeinError(code, `it is ${code}: "ü" 100%`, {
        reason: 'some_reason',
        retryable,
        cause: new Error('inner'),
      })
      expect(overTheWire(error)).toEqual(new SkeinError(code, error.message, { reason: 'some_reason', retryable }))
      expect(overTheWire(error)?.cause).toBeUndefined()
    }
    const plain = new SkeinError(code, 'x')
    expect(overTheWire(plain)).toMatchObject({ code, reason: undefined, retryable: plain.retryable })
  })

  it('gives every code its own gRPC status and back', () => {
    expect(new Set(errorCodes.map((code) => statusTable[code].grpc)).size).toBe(errorCodes.length)
    for (const code of errorCodes) expect(codeOfGrpcStatus(statusTable[code].grpc)).toBe(code)
    expect(codeOfGrpcStatus(2)).toBe('internal')
    expect(codeOfGrpcStatus(11)).toBe('invalid_argument')
    expect(codeOfGrpcStatus(99)).toBe('internal')
  })

  it('tells one line of an unknown error and no stack', () => {
    const json = errorToJson(new TypeError('first\n    at secret (/path/file.ts:1)'))
    expect(json).toEqual({ code: 'internal', retryable: false, message: 'first' })
    expect(errorToJson(new SkeinError('not_found', 'two\r\n lines')).message).toBe('two lines')
    expect(errorToJson(new SkeinError('not_found', 'x'.repeat(10_000))).message).toHaveLength(2000)
    expect(errorToJson(new SkeinError('not_found', 'a\uD800')).message).toBe('a\uFFFD')
  })

  it('does not take other JSON for an error', () => {
    for (const text of [
      '',
      'null',
      '3',
      '{}',
      '{"code":"odd","retryable":true,"message":"m"}',
      '{"code":"internal","retryable":1,"message":"m"}',
    ]) {
      expect(errorFromText(text)).toBeUndefined()
    }
  })
})
