// Why: `skein.tuning=auto` is good if it is about as fast as the best fixed settings, near and far,
// gets there again after the store has changed, and asks a store less that asks for it. How: each
// set is loaded with auto, and with several fixed numbers of reads; the changes are made by a proxy
// before the store while a load runs.
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadStatus } from '../../../src/wire/generated/job.ts'
import type { BenchWay, CaseDefinition, RunResult } from '../harness/bench-case.ts'
import { type BenchOrigin, type BenchTools, bytesOf } from '../harness/bench-tools.ts'
import { load } from '../harness/load-cases.ts'
import { withSkein } from '../harness/measured-skein.ts'
import { changingStore, type ChangingStore, type StoreMood } from './changing-store.ts'

const mebibyte = 1024 * 1024
const auto = 'auto'
/** Reads at once of the ways that are compared; the tasks follow. */
const fixedReads = [3, 6, 12, 24, 48]
const sets = [
  { name: 'large', count: 16, size: '64MiB' },
  { name: 'small', count: 20_000, size: '16KiB' },
  { name: 'mixed', count: 5000, size: '64KiB~1.5' },
] as const

function fixed(reads: number): Readonly<Record<string, string>> {
  return {
    'skein.tuning': 'off',
    'fs.cosn.upload_thread_pool': String(reads),
    'goosefs.job.worker.max.active.task.num': String(2 * reads),
    'goosefs.job.worker.threadpool.size': String(Math.min(2 * reads, Math.max(10, reads))),
  }
}

function quotaOf(origin: BenchOrigin): number {
  return Math.ceil(bytesOf(origin) * 1.3) + 512 * mebibyte
}

function swept(set: (typeof sets)[number], roundTripMs: number): CaseDefinition {
  const where = roundTripMs === 0 ? '' : `, ${roundTripMs} ms away`
  return {
    name: roundTripMs === 0 ? `auto-${set.name}` : `auto-far-${set.name}`,
    what: `the set ${set.name}${where}, with skein.tuning=auto beside fixed numbers of reads`,
    runsMax: roundTripMs === 0 ? 2 : 1,
    prepare: async (tools) => {
      const origin = await tools.origin(set.count, set.size)
      const store = await changingStore(tools, origin)
      await store.set({ delayMs: roundTripMs })
      const url = roundTripMs === 0 ? origin.url : store.url
      const way = (name: string, properties: Readonly<Record<string, string>>): BenchWay => ({
        ...{ name, kind: 'ours' },
        run: () =>
          withSkein(tools, { quota: quotaOf(origin), properties }, async (skein) => {
            await skein.createNamespace({ bucket: origin.bucket, url })
            return await load(skein, origin)
          }),
      })
      const points = fixedReads.map((reads) => way(`${reads} reads`, fixed(reads)))
      return {
        ...{ amount: bytesOf(origin) / mebibyte, unit: 'MiB' },
        ways: [way(auto, {}), ...points],
        goals: points.map(({ name }) => ({ way: auto, beside: name, ratio: 0.9 })),
      }
    },
  }
}

interface Watched {
  readonly store: ChangingStore
  /** Bytes that have arrived. @throws Error when the load has ended */
  readonly arrived: () => Promise<number>
}

/** Loads until `act` has done what it does, then cancels the load. */
async function during<T>(
  tools: BenchTools,
  origin: BenchOrigin,
  { properties, mood }: { readonly properties: Readonly<Record<string, string>>; readonly mood: StoreMood },
  act: (watched: Watched) => Promise<T>,
): Promise<T> {
  const store = await changingStore(tools, origin)
  await store.set(mood)
  return await withSkein(tools, { quota: quotaOf(origin), properties }, async (skein) => {
    await skein.createNamespace({ bucket: origin.bucket, url: store.url })
    const submitted = await skein.command('fs', 'distributedLoad', `/${origin.bucket}`, '--async', '--format', 'json')
    const { loadId } = JSON.parse(submitted.stdout) as { readonly loadId: string }
    const arrived = async (): Promise<number> => {
      const { stdout } = await skein.command('job', 'progress', loadId, '--format', 'json')
      const { counts, endedMs } = JSON.parse(stdout) as LoadStatus
      // With fewer files there is nothing to measure.
      if (endedMs > 0 && tools.scale === 1) throw new Error('the load ended before it was measured')
      return (counts?.bytesLoaded ?? 0) + (counts?.bytesArriving ?? 0)
    }
    const result = await act({ store, arrived })
    await skein.command('job', 'cancel', loadId)
    return result
  })
}

/** Bytes a second over this time. */
async function rateOver(seconds: number, { arrived }: Watched): Promise<number> {
  const [beganMs, before] = [performance.now(), await arrived()]
  await delay(seconds * 1000)
  const after = await arrived()
  return ((after - before) / (performance.now() - beganMs)) * 1000
}

function ofFigures(seconds: number, figures: Readonly<Record<string, number>>): RunResult {
  return { seconds, processorSeconds: 0, peaks: {}, figures }
}

/** Enough files for a load of half a minute. */
const manyFiles = { count: 120_000, size: '16KiB' }
const settleMs = 10_000
const measuredSeconds = 5

const distance: CaseDefinition = {
  name: 'auto-distance',
  what: 'small files of a store 1 ms away that is 50 ms away after 2 s; throughput 10 s after that',
  runsMax: 1,
  prepare: async (tools) => {
    const origin = await tools.origin(manyFiles.count, manyFiles.size)
    const way = (name: string, properties: Readonly<Record<string, string>>): BenchWay => ({
      ...{ name, kind: 'ours' },
      run: () =>
        during(tools, origin, { properties, mood: { delayMs: 1 } }, async (watched) => {
          await delay(2000)
          await watched.store.set({ delayMs: 50 })
          await delay(settleMs - measuredSeconds * 1000)
          const bytesPerSecond = await rateOver(measuredSeconds, watched)
          // The time of a GiB at that rate, so that ratios of times are ratios of rates.
          return ofFigures(1024 ** 3 / bytesPerSecond, { bytesPerSecond })
        }),
    })
    const points = fixedReads.map((reads) => way(`${reads} reads`, fixed(reads)))
    return {
      ...{ amount: 1024, unit: 'MiB' },
      ways: [way(auto, {}), ...points],
      goals: points.map(({ name }) => ({ way: auto, beside: name, ratio: 0.7 })),
    }
  },
}

const refusedShareMax = 0.02

/** A store that asks to slow down for a while, in one of two manners. */
function slowDown(name: string, what: string, mood: StoreMood): CaseDefinition {
  return {
    name,
    what: `small files of a store 5 ms away that ${what} for 20 s; requests a second before, meanwhile and afterwards`,
    runsMax: 1,
    prepare: async (tools) => {
      const origin = await tools.origin(manyFiles.count, manyFiles.size)
      const run = (): Promise<RunResult> =>
        during(tools, origin, { properties: {}, mood: { delayMs: 5 } }, async ({ store }) => {
          await delay(1000)
          await store.set({})
          await delay(1500)
          const before = await store.set(mood)
          await delay(settleMs)
          await store.set({})
          await delay(settleMs)
          const meanwhile = await store.set({ share: 0, perSecond: Number.POSITIVE_INFINITY })
          await delay(2 * settleMs)
          await store.set({})
          await delay(measuredSeconds * 1000)
          const afterwards = await store.set({})
          const rate = ({ requests, ms }: typeof before): number => (requests * 1000) / ms
          return ofFigures(measuredSeconds, {
            requestsBefore: rate(before),
            requestsMeanwhile: rate(meanwhile),
            requestsAfterwards: rate(afterwards),
            refusedShare: meanwhile.refused / Math.max(1, meanwhile.requests),
            fell: rate(meanwhile) / rate(before),
            roseAgain: rate(afterwards) / rate(meanwhile),
          })
        })
      return {
        ...{ amount: manyFiles.count, unit: 'files' },
        ways: [{ name: auto, kind: 'ours', run }],
        goals: [
          { way: auto, figure: 'fell', most: 1 },
          { way: auto, figure: 'roseAgain', least: 1.5 },
          ...(mood.share === undefined ? [{ way: auto, figure: 'refusedShare', most: refusedShareMax }] : []),
        ],
      }
    },
  }
}

export const autoCases: readonly CaseDefinition[] = [
  ...sets.map((set) => swept(set, 0)),
  ...sets.map((set) => swept(set, 30)),
  distance,
  slowDown('auto-slowdown', 'asks to slow down above 500 requests a second', { perSecond: 500 }),
  slowDown('auto-slowdown-share', 'asks to slow down in 20 % of its answers', { share: 0.2 }),
]
