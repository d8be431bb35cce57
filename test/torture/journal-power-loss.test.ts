// Why: power loss, at length (the short run is in test/model). SKEIN_TORTURE=full runs 10,000 crash
// states; SKEIN_SEED replays.
import { expect, test } from 'vitest'
import { runPowerLossTorture } from './support/journal-power-loss.ts'

const seed = Number(process.env['SKEIN_SEED'] ?? process.hrtime.bigint() % 1_000_000n)
const crashes = process.env['SKEIN_TORTURE'] === 'full' ? 10_000 : 1000

test(`${crashes} power losses: no acknowledged entry is lost (seed ${seed})`, async () => {
  const { appended, cut } = await runPowerLossTorture({ seed, crashes })
  console.log(`journal power loss: seed ${seed}, ${crashes} crashes, ${appended} appends, ${cut} not kept`)
  expect(appended).toBeGreaterThan(crashes)
})
