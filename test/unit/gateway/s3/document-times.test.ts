// Times of a listing are those of each object, however many have the same second.
import { expect, it } from 'vitest'
import { DocumentTimes, documentTime } from '../../../../src/gateway/s3/answer/document.ts'

it('are told to the millisecond, as one by one', () => {
  const times = new DocumentTimes()
  const base = Date.UTC(2026, 1, 3, 4, 5, 6)
  const all = [base, base + 1, base + 10, base + 999, base + 1000, base + 7, base + 7.5, 0, 59, 1_700_000_000_123]
  expect(all.map((ms) => times.text(ms))).toEqual(all.map((ms) => documentTime(ms)))
})
