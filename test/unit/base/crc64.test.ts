import { describe, expect, it } from 'vitest'
import { Crc64, crc64Nvme } from '../../../src/base/checksum/crc64.ts'
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

describe('CRC-64/NVME', () => {
  const of = (...parts: readonly Uint8Array[]): string => {
    const crc = new Crc64(crc64Nvme)
    for (const part of parts) crc.update(part)
    return crc.digestBytes().toString('hex')
  }
  it('has the check value, in any parts', () => {
    const bytes = Buffer.from('123456789')
    expect(of(bytes)).toBe('ae8b14860a799888')
    for (let cut = 0; cut <= 9; cut += 1)
      expect(of(bytes.subarray(0, cut), bytes.subarray(cut))).toBe('ae8b14860a799888')
    expect(of()).toBe('0000000000000000')
  })
  // NVM Express NVM Command Set Specification 1.0d, figure 123.
  it.each([
    [Buffer.alloc(4096, 0), '6482d367eb22b64e'],
    [Buffer.alloc(4096, 0xff), 'c0ddba7302eca3ac'],
  ])('has the values of the specification (%#)', (bytes, expected) => {
    expect(of(bytes)).toBe(expected)
  })
})
