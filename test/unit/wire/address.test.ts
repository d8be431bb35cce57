import { describe, expect, it } from 'vitest'
import { checkBindHost, formatAddress, isLoopbackHost, parseAddress } from '../../../src/wire/address.ts'

describe('address', () => {
  it.each([
    ['127.0.0.1:9200', '127.0.0.1', 9200],
    ['node-1.example:1', 'node-1.example', 1],
    ['[::1]:65535', '::1', 65_535],
  ])('reads and writes %s', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port })
    expect(formatAddress(host, port)).toBe(text)
  })

  it.each(['', 'host', 'host:', ':9', 'host:70000', 'a:b:1', '::1:9', 'http://h:1', 'h:1/', 'h :1', 'h:-1'])('refuses %j', (text) => {
    expect(() => parseAddress(text)).toThrow(/is not an address/)
  })

  it('knows loopback hosts', () => {
    for (const host of ['127.0.0.1', '127.8.9.1', 'localhost', '::1']) expect(isLoopbackHost(host)).toBe(true)
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '', '127.evil.example', 'localhost.example', '127.0.0.1.example']) {
      expect(isLoopbackHost(host)).toBe(false)
    }
  })

  it('refuses a wider host unless it is allowed', () => {
    expect(() => checkBindHost('master', '0.0.0.0', false)).toThrow(
      expect.objectContaining({ code: 'failed_precondition', reason: 'remote_not_allowed', message: expect.stringContaining('0.0.0.0') }),
    )
    checkBindHost('master', '0.0.0.0', true)
    checkBindHost('master', '127.0.0.1', false)
  })
})
