// Why: how many tasks the job master and a queue get through, and how soon a load is accepted. How:
// job-rate: a load of very small files with one file in a task, so that tasks are the work; the
// queue in the process and BullMQ on a real Redis. submit-rate: this process submits loads as the
// command line does, one after the other and 16 at once, each under a key of its own.
import { connectCluster } from '../../../src/client/connect.ts'
import { loadConfig } from '../../../src/config/read-config.ts'
import { redisAvailable, startRedis } from '../../../test/support/redis.ts'
import { processorSeconds } from '../process-figures.ts'
import type { BenchWay, CaseDefinition, RunResult } from './bench-case.ts'
import { bytesOf, type BenchTools } from './bench-tools.ts'
import { load } from './load-cases.ts'
import { MeasuredSkein, withSkein } from './measured-skein.ts'

const mebibyte = 1024 * 1024
const tasks = 20_000
const submits = 1000

const jobRate: CaseDefinition = {
  name: 'job-rate',
  what: `${tasks} tasks of one file of 1 KiB`,
  prepare: async (tools) => {
    const origin = await tools.origin(tasks, '1KiB')
    const quota = bytesOf(origin) * 2 + 512 * mebibyte
    const rate = async (properties: Readonly<Record<string, string>>): Promise<RunResult> =>
      withSkein(tools, { quota, properties }, async (skein) => {
        await skein.createNamespace(origin)
        const result = await load(skein, origin, '--batch-size', '1')
        const { tasks: done, loadSeconds } = result.figures
        return { ...result, figures: { ...result.figures, tasksPerSecond: done / loadSeconds } }
      })
    const bullmq = async (): Promise<RunResult> => {
      const redis = await startRedis()
      try {
        return await rate({ 'skein.queue.url': redis.url })
      } finally {
        await redis.dispose()
      }
    }
    return {
      amount: origin.objects.length,
      unit: 'tasks',
      ways: [
        {
          name: 'BullMQ',
          kind: 'ours',
          missing: redisAvailable ? undefined : 'redis-server is not installed',
          run: bullmq,
        },
        { name: 'queue in the process', kind: 'ours', run: () => rate({}) },
      ],
      goals: [{ way: 'BullMQ', figure: 'tasksPerSecond', least: 8000 }],
    }
  },
}

/** @param paths each is of a load of its own: the same one would be joined */
function submitWay(tools: BenchTools, skein: MeasuredSkein, paths: readonly string[], atOnce: number): BenchWay {
  const run = async (): Promise<RunResult> => {
    const home = { 'skein.home': skein.home }
    const cluster = connectCluster(loadConfig({ mode: 'client', definitions: home, environment: {} }))
    const signal = new AbortController().signal
    const tookMs: number[] = []
    let left = tools.scaled(submits)
    const work = async (): Promise<void> => {
      while (left > 0) {
        left -= 1
        const path = paths[left % paths.length] ?? ''
        const options = { replication: 1, activeJobs: 100, batchSize: 0, metadataOnly: true }
        const beganMs = performance.now()
        await cluster.jobMaster().submitLoad({ requestKey: crypto.randomUUID(), path, options }, { signal })
        tookMs.push(performance.now() - beganMs)
      }
    }
    try {
      const [beganMs, before] = [performance.now(), skein.processorSeconds + processorSeconds(process.pid)]
      await Promise.all(Array.from({ length: atOnce }, work))
      const seconds = (performance.now() - beganMs) / 1000
      const used = skein.processorSeconds + processorSeconds(process.pid) - before
      const sorted = tookMs.toSorted((one, other) => one - other)
      const percentile = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
      const figures = { p50Ms: percentile(0.5), p99Ms: percentile(0.99) }
      return { seconds, processorSeconds: used, peaks: skein.peaks, figures }
    } finally {
      cluster.close()
    }
  }
  return { name: `${atOnce} at once`, kind: 'ours', run }
}

const submitRate: CaseDefinition = {
  name: 'submit-rate',
  what: `${submits} loads are submitted while those before them run`,
  prepare: async (tools) => {
    const origin = await tools.origin(submits, '1KiB')
    const skein = await MeasuredSkein.start(tools, { quota: 512 * mebibyte })
    await skein.createNamespace(origin)
    const paths = origin.objects.map(({ key }) => `/${origin.bucket}/${key}`)
    return {
      amount: tools.scaled(submits),
      unit: 'calls',
      ways: [submitWay(tools, skein, paths, 1), submitWay(tools, skein, paths, 16)],
      goals: [{ way: '1 at once', figure: 'p99Ms', most: 10 }],
    }
  },
}

export const jobCases: readonly CaseDefinition[] = [jobRate, submitRate]
