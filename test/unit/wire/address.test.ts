import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddress } from '../../../src/wire/address.ts'

describe('address', () => {
  it.each([
    ['127.0.0.1:9200', '127.0.0.1', 9200],
    ['node-1.example:1', 'node-1.example', 1],
    ['[::1]:65535', '::1', 65_535],
  ])('reads and writes %s', (text, host, port) => {
    expect(parseAddress(text)).toEqual({ host, port })
    expect(formatAddress(host, port)).toBe(text)
  })

  it.each(['', 'host', 'host:', ':9', 'host:70000', 'a:b:1', '::1:9', 'http://h:1', 'h:1/', 'h :1', 'h:-1'])(
    'refuses %j',
    (text) => {
      expect(() => parseAddress(text)).toThrow(/is not an address/)
    },
  )
})
