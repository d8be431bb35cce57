// The checksum of every state that lies on a disk: it must be zlib's, whoever computes it.
import { crc32 as zlibCrc32 } from 'node:zlib'
import { expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import { crc32 } from '../../../src/base/checksum/crc32.ts'

it('is the CRC-32 of zlib for every length, at every place in a buffer, from every seed', () => {
  const random = seededRandom(7)
  const bytes = Buffer.from(Array.from({ length: 4096 }, () => Math.floor(random() * 256)))
  expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926)
  for (const length of [...Array.from({ length: 301 }, (_, index) => index), 1023, 2048, 4000]) {
    for (let round = 0; round < 8; round += 1) {
      const from = Math.floor(random() * (bytes.length - length))
      const seed = round === 0 ? 0 : Math.floor(random() * 2 ** 32)
      const part = bytes.subarray(from, from + length)
      expect(crc32(part, seed), `${length} bytes at ${from}, seed ${seed}`).toBe(zlibCrc32(part, seed))
    }
  }
})
