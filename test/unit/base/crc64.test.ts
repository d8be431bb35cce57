import { describe, expect, it } from 'vitest'
import { Crc64 } from '../../../src/base/crc64.ts'
import { crc64 as bytewise } from '../../support/origin/content.ts'

function crc64(...parts: readonly Uint8Array[]): string {
  const crc = new Crc64()
  for (const part of parts) crc.update(part)
  return crc.digest()
}

describe('CRC-64/XZ', () => {
  it('has the check value', () => {
    expect(BigInt(crc64(Buffer.from('123456789'))).toString(16)).toBe('995dc9bbdf1939fa')
    expect(crc64()).toBe('0')
  })
  it('is the same in any parts, and as byte by byte', () => {
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, index) => (index * 37 + (index >> 3)) & 255))
    const whole = bytewise([bytes])
    expect(crc64(bytes)).toBe(whole)
    for (const cut of [1, 7, 8, 9, 500, 999]) expect(crc64(bytes.subarray(0, cut), bytes.subarray(cut))).toBe(whole)
    bytes[500] = (bytes[500] ?? 0) ^ 1
    expect(crc64(bytes)).not.toBe(whole)
  })
})
