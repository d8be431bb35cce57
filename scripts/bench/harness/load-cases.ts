// Why: how fast files get from a store into the cache, beside what copies them without one. How:
// `skein fs distributedLoad` as a user types it, with a fresh `skein local` for each run, and the
// peers of peers.ts; all write to the same disk. Processor time of Skein is that of all its
// processes during the load.
import type { LoadStatus } from '../../../src/wire/generated/job.ts'
import type { BenchCase, BenchWay, CaseDefinition, RatioGoal, RunResult } from './bench-case.ts'
import { type BenchOrigin, type BenchTools, bytesOf } from './bench-tools.ts'
import { withDistance } from './distant-origin.ts'
import { type MeasuredSkein, type SkeinOptions, withSkein } from './measured-skein.ts'
import { downloadWays } from './peers.ts'

const mebibyte = 1024 * 1024
const ours = 'skein'
const replicas = [1, 2, 3]

interface LoadSet {
  readonly name: string
  readonly count: number
  readonly size: string
  readonly goals: Readonly<Record<string, number>>
  /** Most microseconds of processor time of all roles for a file. */
  readonly rolesUsMax?: number
}

const sets: readonly LoadSet[] = [
  { name: 'large', count: 16, size: '64MiB', goals: { limit: 0.9, rclone: 1.4, s5cmd: 1.2 } },
  { name: 'huge', count: 1, size: '4GiB', goals: { limit: 0.9, rclone: 1.4, s5cmd: 1.2 } },
  { name: 'small', count: 20_000, size: '16KiB', goals: { limit: 0.7, rclone: 4, s5cmd: 2 }, rolesUsMax: 90 },
  { name: 'tiny', count: 50_000, size: '1KiB', goals: { limit: 0.7, rclone: 4, s5cmd: 2 }, rolesUsMax: 60 },
  { name: 'mixed', count: 5000, size: '64KiB~1.5', goals: { limit: 0.7 } },
]

export function setOf(name: string): LoadSet {
  const set = sets.find((one) => one.name === name)
  if (set === undefined) throw new Error(`there is no set ${name}`)
  return set
}

/** What one run comes to: files where they are small, else bytes. */
export function amountOf(origin: BenchOrigin): Pick<BenchCase, 'amount' | 'unit'> {
  const bytes = bytesOf(origin)
  const isLarge = bytes / origin.objects.length >= mebibyte
  return isLarge ? { amount: bytes / mebibyte, unit: 'MiB' } : { amount: origin.objects.length, unit: 'files' }
}

export function cacheFor(origin: BenchOrigin, copies = 1): Pick<SkeinOptions, 'quota'> {
  return { quota: Math.ceil(bytesOf(origin) * copies * 1.3) + 512 * mebibyte }
}

/** Of a load; `roles`: processor time of all processes but the command line. */
export type LoadFigures = Readonly<
  Record<'loadSeconds' | 'tasks' | 'originReads', number> & Partial<Record<'rolesUsPerFile' | 'rolesSPerGiB', number>>
>

/** Loads the origin's bucket. @throws Error when not every file was loaded */
export async function load(
  skein: MeasuredSkein,
  { bucket, objects }: { readonly bucket: string; readonly objects: { readonly length: number } },
  ...words: string[]
): Promise<RunResult & { readonly figures: LoadFigures }> {
  const path = `/${bucket}`
  const { stdout, roleSeconds, ...result } = await skein.measure(
    ...['fs', 'distributedLoad', path, ...words, '--format', 'json'],
  )
  const status = lastDocument(stdout) as LoadStatus
  const { filesLoaded = 0, originBytes = 0, bytes = 0, tasks = 0 } = status.counts ?? {}
  if (filesLoaded !== objects.length) throw new Error(`${filesLoaded} of ${objects.length} files were loaded`)
  const loadSeconds = (status.endedMs - status.startedMs) / 1000
  const isLarge = bytes / objects.length >= mebibyte
  const cost = isLarge
    ? { rolesSPerGiB: roleSeconds / (bytes / 1024 ** 3) }
    : { rolesUsPerFile: (roleSeconds * 1e6) / objects.length }
  return { ...result, figures: { loadSeconds, tasks, originReads: bytes === 0 ? 0 : originBytes / bytes, ...cost } }
}

/** The events of a load are one document a line. */
function lastDocument(stdout: string): unknown {
  try {
    return JSON.parse(stdout)
  } catch {
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  }
}

export function loadWay(
  tools: BenchTools,
  origin: BenchOrigin,
  url = origin.url,
  properties: Readonly<Record<string, string>> = {},
): BenchWay {
  const run = (): Promise<RunResult> =>
    withSkein(tools, { ...cacheFor(origin), properties }, async (skein) => {
      await skein.createNamespace({ ...origin, url })
      return await load(skein, origin)
    })
  return { name: ours, kind: 'ours', run }
}

function goalsOf(goals: LoadSet['goals']): RatioGoal[] {
  return Object.entries(goals).map(([beside, ratio]) => ({ way: ours, beside, ratio }))
}

const memoryGoal = { way: ours, figure: 'peak', most: 400 }

const loads: readonly CaseDefinition[] = sets.map(({ name, count, size, goals, rolesUsMax }) => ({
  name: `load-${name}`,
  what: `loads ${count} objects of ${size.replace('~1.5', ' (log-normal, sigma 1.5)')}`,
  prepare: async (tools) => {
    // One object does not become fewer.
    const origin = await tools.origin(count, name === 'huge' && tools.scale < 1 ? '64MiB' : size)
    const isBounded = name === 'large' || name === 'small'
    return {
      ...amountOf(origin),
      ways: [loadWay(tools, origin), ...downloadWays(tools, origin)],
      goals: [
        ...goalsOf(goals),
        ...(isBounded ? [memoryGoal] : []),
        ...(rolesUsMax === undefined ? [] : [{ way: ours, figure: 'rolesUsPerFile', most: rolesUsMax }]),
      ],
    }
  },
}))

/** A profile in place of the defaults: what it is worth. */
const profiles: readonly CaseDefinition[] = [
  ['large', 'large-files'],
  ['small', 'small-files'],
  ['mixed', 'mixed'],
].map(([name = '', profile = '']) => ({
  name: `profile-${profile}`,
  what: `the set ${name} with the profile ${profile}, beside the defaults`,
  prepare: async (tools) => {
    const origin = await tools.origin(setOf(name).count, setOf(name).size)
    const defaults = loadWay(tools, origin)
    const profiled = loadWay(tools, origin, origin.url, { 'skein.profile': profile })
    return {
      ...amountOf(origin),
      ways: [
        { ...profiled, name: profile },
        { ...defaults, name: 'defaults' },
      ],
      goals: [{ way: profile, beside: 'defaults', ratio: 0.95 }],
    }
  },
}))

const reloads: readonly CaseDefinition[] = ['large', 'small'].map((name) => ({
  name: `reload-${name}`,
  what: `the set ${name}: free, then load again, beside the first load`,
  prepare: async (tools) => {
    const origin = await tools.origin(setOf(name).count, setOf(name).size)
    const reload = (): Promise<RunResult> =>
      withSkein(tools, cacheFor(origin, 2), async (skein) => {
        await skein.createNamespace(origin)
        await load(skein, origin)
        await skein.command('fs', 'free', `/${origin.bucket}`)
        return await load(skein, origin)
      })
    return {
      ...amountOf(origin),
      ways: [
        { name: 'reload', kind: 'ours', run: reload },
        { ...loadWay(tools, origin), name: 'first load' },
      ],
      goals: [
        { way: 'reload', beside: 'first load', ratio: 0.9 },
        { way: 'reload', figure: 'originReads', most: 1.001 },
      ],
    }
  },
}))

const replicate: CaseDefinition = {
  name: 'replicate',
  what: 'the set large onto one, two and three of three workers on one disk',
  prepare: async (tools) => {
    const { count, size } = setOf('large')
    const origin = await tools.origin(count / 2, size)
    const ways = replicas.map((replication): BenchWay => {
      const run = (): Promise<RunResult> =>
        withSkein(tools, { ...cacheFor(origin), moreWorkers: 2 }, async (skein) => {
          await skein.createNamespace(origin)
          return await load(skein, origin, '--replication', String(replication))
        })
      return { name: `r = ${replication}`, kind: 'ours', run }
    })
    return {
      ...amountOf(origin),
      ways,
      goals: [
        { way: 'r = 3', beside: 'r = 1', ratio: 0.5 },
        { way: 'r = 3', figure: 'originReads', most: 1.001 },
      ],
    }
  },
}

const distant: readonly CaseDefinition[] = ['large', 'small'].map((name) => ({
  name: `latency-${name}`,
  what: `the set ${name} from a store 30 ms away that holds back 1 % of the requests by 500 ms`,
  prepare: async (tools) => {
    const { count, size } = setOf(name)
    const origin = await tools.origin(name === 'small' ? count / 4 : count, size)
    const url = await withDistance(tools, origin)
    return {
      ...amountOf(origin),
      ways: [loadWay(tools, origin, url), ...downloadWays(tools, origin, url)],
      goals: goalsOf({ limit: 0.85 }),
    }
  },
}))

export const loadCases: readonly CaseDefinition[] = [...loads, ...reloads, replicate, ...distant, ...profiles]
