import { describe, expect, it } from 'vitest'
import { crc32c } from '../../../src/base/checksum/crc32c.ts'

const hex = (bytes: Uint8Array): string => crc32c(bytes).toString(16).padStart(8, '0')

describe('CRC-32C', () => {
  it('has the check value, in any parts', () => {
    const bytes = Buffer.from('123456789')
    expect(hex(bytes)).toBe('e3069283')
    for (let cut = 0; cut <= 9; cut += 1)
      expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(0xe3069283)
    expect(crc32c(Buffer.alloc(0))).toBe(0)
  })
  // RFC 3720, B.4, whose bytes are in the order of the wire.
  it.each([
    [Buffer.alloc(32), '8a9136aa'],
    [Buffer.alloc(32, 0xff), '62a8ab43'],
    [Buffer.from(Array.from({ length: 32 }, (_, index) => index)), '46dd794e'],
    [Buffer.from(Array.from({ length: 32 }, (_, index) => 31 - index)), '113fdb5c'],
  ])('has the values of RFC 3720 (%#)', (bytes, expected) => {
    expect(hex(bytes)).toBe(expected)
  })
})
