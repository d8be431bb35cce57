// Why: a cache runs for months, so its memory must be the same after many loads as after a few.
// How: one `skein local`; a round frees everything and loads it again. Resident memory is what
// the process has when it has been idle for longer than a role waits before it collects garbage
// (skein.memory.idle.collect), the median of three rounds each.
import { setTimeout as delay } from 'node:timers/promises'
import type { CaseDefinition, RunResult } from '../harness/bench-case.ts'
import { median } from '../harness/bench-results.ts'
import type { BenchOrigin, BenchTools } from '../harness/bench-tools.ts'
import { load } from '../harness/load-cases.ts'
import { withSkein } from '../harness/measured-skein.ts'
import { sizesOf } from '../process-figures.ts'

const mebibyte = 1024 * 1024
const rounds = 50
const early = [4, 5, 6]
const late = [48, 49, 50]
const settleMs = 17_000

async function soak(tools: BenchTools, origins: readonly BenchOrigin[]): Promise<RunResult> {
  return await withSkein(tools, { quota: 2048 * mebibyte }, async (skein) => {
    for (const origin of origins) await skein.createNamespace(origin)
    const resident = new Map<number, number>()
    let [seconds, processorSeconds] = [0, 0]
    for (let round = 1; round <= rounds; round += 1) {
      for (const origin of origins) {
        if (round > 1) await skein.command('fs', 'free', `/${origin.bucket}`)
        const result = await load(skein, origin)
        seconds += result.seconds
        processorSeconds += result.processorSeconds
      }
      if (![...early, ...late].includes(round)) continue
      await delay(tools.scale < 1 ? 100 : settleMs)
      resident.set(round, sizesOf(skein.pids['skein local'] ?? 0).resident)
    }
    const of = (numbers: readonly number[]): number => median(numbers.map((round) => resident.get(round) ?? Number.NaN))
    const [before, after] = [of(early), of(late)]
    const figures = { residentAfter5: before, residentAfter50: after, residentRatio: after / before }
    return { seconds, processorSeconds, peaks: skein.peaks, figures }
  })
}

export const soakCase: CaseDefinition = {
  name: 'soak',
  what: `${rounds} rounds of free and load: 2,000 files of 16 KiB and one of 64 MiB`,
  runsMax: 1,
  prepare: async (tools) => {
    const origins = [await tools.origin(2000, '16KiB'), await tools.origin(1, tools.scale < 1 ? '1MiB' : '64MiB')]
    return {
      ...{ amount: rounds * origins.reduce((sum, { objects }) => sum + objects.length, 0), unit: 'files' },
      ways: [{ name: 'skein', kind: 'ours', run: () => soak(tools, origins) }],
      note: 'Smaller sets than those of the loads; `memory-rounds` has the whole ones. Seconds are those of the loads.',
      goals: [
        { way: 'skein', figure: 'residentRatio', most: 1.05 },
        { way: 'skein', figure: 'peak', most: 400 },
      ],
    }
  },
}
