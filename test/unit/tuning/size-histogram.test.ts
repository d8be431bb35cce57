// Why: recommendations follow from percentiles, so they must be those of the files within the error
// that is stated, at any size, in a fixed amount of memory.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { percentileErrorMax, percents, SizeHistogram } from '../../../src/tuning/size-histogram.ts'

function histogramOf(sizes: readonly number[]): SizeHistogram {
  const histogram = new SizeHistogram()
  for (const size of sizes) histogram.add(size)
  return histogram
}

const size = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  fc.integer({ min: 0, max: 52 }).map((power) => 2 ** power - (power % 2)),
  fc.integer({ min: 0, max: 2 ** 41 }),
)
const sizesOf = fc.array(size, { minLength: 1, maxLength: 200 })

describe('a histogram of sizes', () => {
  it('has exact totals, and percentiles within the stated error', () => {
    fc.assert(
      fc.property(sizesOf, (sizes) => {
        const histogram = histogramOf(sizes)
        const sorted = sizes.toSorted((one, other) => one - other)
        const total = sizes.reduce((sum, one) => sum + one, 0)
        expect([histogram.files, histogram.min, histogram.max]).toEqual([sizes.length, sorted[0], sorted.at(-1)])
        expect(histogram.bytes).toBeCloseTo(total, 0)
        for (const percent of [...percents, 100]) {
          const exact = sorted[Math.max(1, Math.ceil((percent / 100) * sizes.length)) - 1] ?? 0
          expect(Math.abs(histogram.percentile(percent) - exact)).toBeLessThanOrEqual(exact * percentileErrorMax)
        }
      }),
    )
  })

  it('is exact for equal sizes', () => {
    const histogram = new SizeHistogram()
    histogram.add(16_385, 20_000)
    for (const percent of percents) expect(histogram.percentile(percent)).toBe(16_385)
    expect(histogram.summary()).toMatchObject({ files: 20_000, bytes: 16_385 * 20_000, mean: 16_385 })
  })

  it('draws every file and byte in one row, in few rows', () => {
    fc.assert(
      fc.property(sizesOf, fc.integer({ min: 2, max: 60 }), (sizes, most) => {
        const rows = histogramOf(sizes).rows(most)
        expect(rows.length).toBeLessThanOrEqual(most)
        expect(rows.reduce((sum, { files }) => sum + files, 0)).toBe(sizes.length)
        for (const one of sizes) expect(rows.some(({ from, to }) => from <= one && one < to)).toBe(true)
        for (const row of rows) {
          expect(row.files).toBe(sizes.filter((one) => row.from <= one && one < row.to).length)
        }
      }),
    )
  })

  it('counts the requests for ranges, and the bytes in large files', () => {
    const histogram = histogramOf([0, 10, 10, 25])
    expect([histogram.requests(10), histogram.requests(9), histogram.requests(25)]).toEqual([6, 8, 4])
    expect([histogram.bytesFrom(10), histogram.bytesFrom(11), histogram.bytesFrom(26)]).toEqual([45, 25, 0])
  })

  it('of no files is empty, and sizes that are none are refused', () => {
    const histogram = new SizeHistogram()
    expect([histogram.rows(10), histogram.percentile(50), histogram.mean, histogram.min]).toEqual([[], 0, 0, 0])
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53]) expect(() => histogram.add(wrong)).toThrow(RangeError)
  })
})
