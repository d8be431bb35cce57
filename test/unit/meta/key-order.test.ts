import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareKeys } from '../../../src/meta/edge-order.ts'

it('orders strings as their UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    {
      examples: [
        ['\u{1F600}', '\uFFFD'],
        ['a/', 'a-'],
        ['\uE000', '\u{10000}'],
      ],
      numRuns: 2000,
    },
  )
})
