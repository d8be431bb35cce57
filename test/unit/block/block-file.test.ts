// Why: the file format is what a restart trusts: whatever was written is read back, and whatever is
// not exactly that is refused.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pageBytes, pageChecksums } from '../../../src/base/page-checksum.ts'
import {
  checkHeader,
  decodeFooter,
  encodeFooter,
  footerLengthOf,
  pageCount,
  rottenPage,
  sameHeader,
} from '../../../src/block/disk/block-file.ts'
import { bytesOf, headerOf } from '../../conformance/support/block-store-fixture.ts'

const headers = fc.record({
  blockId: fc.maxSafeNat(),
  length: fc.nat({ max: 20 * pageBytes }),
  namespaceId: fc.string({ unit: 'binary', maxLength: 40 }),
  key: fc.string({ unit: 'grapheme', maxLength: 200 }),
  etag: fc.string(),
  offset: fc.maxSafeNat(),
})
const withChecksums = headers.chain((header) =>
  fc.tuple(
    fc.constant(header),
    fc.array(fc.nat({ max: 2 ** 32 - 1 }), {
      minLength: pageCount(header.length),
      maxLength: pageCount(header.length),
    }),
  ),
)

describe('the footer of a block file', () => {
  test('comes back as it went in, whatever stands before it', () => {
    fc.assert(
      fc.property(withChecksums, fc.uint8Array({ maxLength: 50 }), ([header, checksums], before) => {
        const footer = encodeFooter(header, checksums)
        const tail = Buffer.concat([before, footer])
        expect(footerLengthOf(tail)).toBe(footer.length)
        expect(decodeFooter(tail, header.length + footer.length)).toEqual({
          header,
          checksums,
          footerBytes: footer.length,
        })
      }),
    )
  })

  test('is refused with any bit flipped, any byte missing, any other file size', () => {
    const header = headerOf(2 ** 40 + 3, pageBytes + 1)
    const footer = encodeFooter(header, [1, 2 ** 32 - 1])
    const fileBytes = header.length + footer.length
    expect(decodeFooter(footer, fileBytes)).toBeDefined()
    for (let bit = 0; bit < footer.length * 8; bit += 1) {
      const flipped = Buffer.from(footer)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(decodeFooter(flipped, fileBytes)).toBeUndefined()
    }
    for (let length = 0; length < footer.length; length += 1) {
      expect(decodeFooter(footer.subarray(0, length), fileBytes - footer.length + length)).toBeUndefined()
      expect(decodeFooter(footer.subarray(length + 1), fileBytes - length - 1)).toBeUndefined()
    }
    expect(decodeFooter(footer, fileBytes + 1)).toBeUndefined()
  })

  test('never throws on strange bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.nat(),
        (bytes, size) => decodeFooter(bytes, size) === undefined,
      ),
    )
  })

  // A format that changes by accident would throw away every cache at the next upgrade.
  test('is laid out as its description says', () => {
    const footer = encodeFooter(
      { blockId: 2 ** 33 + 1, length: 5, namespaceId: 'n', key: 'k/é', etag: 'e', offset: 7 },
      [0xdeadbeef],
    )
    expect(footer.toString('hex')).toMatch(
      /^01000000000010000100000002000000050000000000000007000000000000000100040001000000/,
    )
    expect(footer.subarray(40, 46).toString()).toBe('nk/ée')
    expect(footer.readUInt32LE(46)).toBe(0xdeadbeef)
    expect(footer.subarray(-12, -4).toString()).toBe('SKEINBLK')
    expect(footer.readUInt32LE(footer.length - 4)).toBe(footer.length)
  })
})

describe('the checks around it', () => {
  test('rottenPage names the first page that does not match', () => {
    const bytes = bytesOf(2 * pageBytes + 10, 1)
    const checksums = pageChecksums(bytes)
    expect(rottenPage(bytes, 0, checksums)).toBeUndefined()
    expect(rottenPage(bytes.subarray(pageBytes), 1, checksums)).toBeUndefined()
    expect(rottenPage(bytes, 0, [...checksums.slice(0, 2), 1])).toBe(2)
    expect(rottenPage(bytes, 0, checksums.slice(0, 2))).toBe(2)
    expect(rottenPage(bytes.subarray(pageBytes), 0, checksums)).toBe(0)
  })

  test('sameHeader looks at every field', () => {
    const header = headerOf(1, 2)
    expect(sameHeader(header, { ...header })).toBe(true)
    for (const other of [
      { blockId: 2 },
      { length: 3 },
      { offset: 1 },
      { namespaceId: '' },
      { key: '' },
      { etag: '' },
    ]) {
      expect(sameHeader(header, { ...header, ...other })).toBe(false)
    }
  })

  test('checkHeader lets the longest names through and no longer ones', () => {
    checkHeader(headerOf(1, 1, 'é'.repeat(32_767)))
    expect(() => checkHeader(headerOf(1, 1, 'é'.repeat(32_768)))).toThrow(/longer than/)
  })
})
