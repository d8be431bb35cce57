// Why: a load must cost the same for a file, or for a GiB, however many files and job workers
// there are. How: `rolesUsPerFile` and `rolesSPerGiB` are the processor time of all processes
// of Skein but the command line, without Redis. What is measured is a second load by the same
// processes: the first one compiles their code, which eight job workers do eight times.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../../test/support/free-port.ts'
import { redisAvailable, startRedis } from '../../../test/support/redis.ts'
import type { BenchWay, CaseDefinition, RunResult } from '../harness/bench-case.ts'
import type { BenchTools } from '../harness/bench-tools.ts'
import { amountOf, cacheFor, load, setOf } from '../harness/load-cases.ts'
import { withSkein } from '../harness/measured-skein.ts'
import { type ListedOrigin, startListedOrigin } from '../listed-origin.ts'

const mebibyte = 1024 * 1024
const workerCounts = [1, 2, 4, 8]
const fileCounts = [10_000, 100_000]
const fullFileCounts = [10_000, 100_000, 1_000_000]
const warmFiles = 10_000
/** How much more, or less, one file or GiB may cost. */
const flat = { least: 0.85, most: 1.15 }

const workersText = (count: number): string => (count === 1 ? '1 job worker' : `${count} job workers`)

const workers: readonly CaseDefinition[] = ['large', 'small'].map((name) => ({
  name: `scale-workers-${name}`,
  what: `half the set ${name} with 1 to 8 job workers over BullMQ, loaded, freed, and loaded again`,
  runsMax: 2,
  prepare: async (tools) => {
    const { count, size } = setOf(name)
    const origin = await tools.origin(count / 2, size)
    const missing = redisAvailable ? undefined : 'redis-server is not installed'
    const ways = workerCounts.map((jobWorkers): BenchWay => {
      const run = async (): Promise<RunResult> => {
        const redis = await startRedis()
        try {
          const properties = { 'skein.queue.url': redis.url }
          const options = { ...cacheFor(origin, 2), properties, moreJobWorkers: jobWorkers - 1 }
          return await withSkein(tools, options, async (skein) => {
            await skein.createNamespace(origin)
            await load(skein, origin)
            await skein.command('fs', 'free', `/${origin.bucket}`)
            return await load(skein, origin)
          })
        } finally {
          await redis.dispose()
        }
      }
      return { name: workersText(jobWorkers), kind: 'ours', missing, run }
    })
    const figure = name === 'large' ? 'rolesSPerGiB' : 'rolesUsPerFile'
    const goal = { way: workersText(8), over: workersText(1), figure, ...flat }
    return { ...amountOf(origin), ways, goals: [goal] }
  },
}))

/** nginx with as many objects of 1 KiB as a listing names, for all cases of the run. */
export function manyFilesOrigin(tools: BenchTools): Promise<ListedOrigin> {
  return tools.once('many files', async () => {
    const home = join(tools.scratch, 'many-files')
    mkdirSync(home)
    const origin = await startListedOrigin(home, await freePort(), 1024)
    tools.onEnd(() => origin.stop())
    return origin
  })
}

const filesText = (count: number): string => `${count.toLocaleString('en')} files`

const files: CaseDefinition = {
  name: 'scale-files',
  what: 'loads of more and more files of 1 KiB, each after one of 10,000 files',
  prepare: async (tools) => {
    const origin = await manyFilesOrigin(tools)
    const counts = tools.isFull ? fullFileCounts : fileCounts
    const bucketOf = (count: number): string => `files-${count}`
    for (const count of [warmFiles, ...counts]) origin.create(bucketOf(count), tools.scaled(count))
    origin.create('warm', tools.scaled(warmFiles))
    const ways = counts.map((count): BenchWay => {
      const objects = { length: tools.scaled(count) }
      const run = (): Promise<RunResult> =>
        withSkein(tools, { quota: objects.length * 4096 + 1024 * mebibyte }, async (skein) => {
          for (const bucket of ['warm', bucketOf(count)]) await skein.createNamespace({ bucket, url: origin.url })
          await load(skein, { bucket: 'warm', objects: { length: tools.scaled(warmFiles) } })
          return await load(skein, { bucket: bucketOf(count), objects })
        })
      return { name: filesText(count), kind: 'ours', amount: objects.length, run }
    })
    const [least, most] = [counts[0] ?? 0, counts.at(-1) ?? 0]
    return {
      ...{ amount: tools.scaled(least), unit: 'files', ways },
      ...(tools.isFull ? {} : { note: 'With `--full`, 1,000,000 files too.' }),
      goals: [{ way: filesText(most), over: filesText(least), figure: 'rolesUsPerFile', ...flat }],
    }
  },
}

export const scaleCases: readonly CaseDefinition[] = [...workers, files]
