// Why: the journal keeps its promise over power losses, and this test would notice if it did not:
// each planted mistake must be caught.
import { expect, test } from 'vitest'
import { runPowerLossTorture } from '../torture/support/journal-power-loss.ts'

const seed = 20_240

test('200 power losses: no acknowledged entry is lost, nothing is replayed that was not appended', async () => {
  const { appended, cut } = await runPowerLossTorture({ seed, crashes: 200 })
  expect(appended).toBeGreaterThan(200)
  expect(cut).toBeGreaterThan(0)
})

test.each(['no-sync', 'no-directory-sync'] as const)('a journal that skips a sync is caught (%s)', async (bug) => {
  await expect(runPowerLossTorture({ seed, crashes: 200, bug })).rejects.toThrow(/seed/)
})

test('a journal without a checksum is caught', async () => {
  await expect(runPowerLossTorture({ seed, crashes: 400, checksum: () => 0 })).rejects.toThrow(/seed/)
})
