// Why: memory must not grow with the bytes that are loaded. How: the peak of `skein local` in a
// load of 1 GiB and in one of 10 GiB. The peaks of small files are in load-small.
import type { BenchWay, CaseDefinition, RunResult } from '../harness/bench-case.ts'
import { bytesOf } from '../harness/bench-tools.ts'
import { cacheFor, load } from '../harness/load-cases.ts'
import { withSkein } from '../harness/measured-skein.ts'

const mebibyte = 1024 * 1024
const peakMost = 400
/** The same: peaks of two equal loads differ by so much. */
const sameMost = 1.15

export const memoryCase: CaseDefinition = {
  name: 'memory',
  what: 'the peak memory of a load of 1 GiB and of 10 GiB, in objects of 64 MiB',
  runsMax: 1,
  prepare: async (tools) => {
    const ways: BenchWay[] = []
    for (const gib of [1, 10]) {
      const origin = await tools.origin(gib * 16, '64MiB')
      const run = (): Promise<RunResult> =>
        withSkein(tools, cacheFor(origin), async (skein) => {
          await skein.createNamespace(origin)
          return await load(skein, origin)
        })
      ways.push({ name: `${gib} GiB`, kind: 'ours', amount: bytesOf(origin) / mebibyte, run })
    }
    return {
      ...{ amount: 1024, unit: 'MiB', ways },
      goals: [
        ...['1 GiB', '10 GiB'].map((way) => ({ way, figure: 'peak', most: peakMost })),
        { way: '10 GiB', over: '1 GiB', figure: 'peak', most: sameMost },
      ],
    }
  },
}
