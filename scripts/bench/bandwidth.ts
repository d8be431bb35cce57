// Why: a budget of bytes a second is worth what the store sees of it. How: real processes of all
// roles, two workers, a real Redis; origins in this process count what they give. Prints, for each
// scenario, the slowest and the fastest of all windows of ten seconds against the budget, how the
// loads shared it, and last how long a reader waits during a load at full speed.
//
//   node scripts/bench/bandwidth.ts [--seconds 25] [--only single,namespace,cluster,demand]
//   run `npm run build` first
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loadConfig } from '../../src/config/read-config.ts'
import { connectCluster } from '../../src/client/connect.ts'
import type { Cluster as Client } from '../../src/client/cluster.ts'
import { startChild } from '../../test/support/child.ts'
import { Cluster } from '../../test/support/cluster.ts'
import type { CommandResult } from '../../test/support/command-result.ts'
import { LocalSkein, storeFlags } from '../../test/support/local-skein.ts'
import { type Origin, startOrigin } from '../../test/support/origin/server.ts'
import { testCredential } from '../../test/support/origin/stores.ts'
import { startRedis } from '../../test/support/redis.ts'
import { undoing, Undos } from './undos.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '25' },
    only: { type: 'string', default: 'single,namespace,cluster,demand' },
  },
})
const seconds = Number(values.seconds)
const only = new Set(values.only.split(','))
const mib = 1024 ** 2
const budget = 50 * mib
const sampleMs = 250
const windowMs = 10_000
const warmMs = 3000
const never = new AbortController().signal
const undos = new Undos()
const scratch = mkdtempSync(join(tmpdir(), 'skein-bandwidth-'))
process.env['TMPDIR'] = scratch

interface Sample {
  readonly atMs: number
  readonly bytes: readonly number[]
}

const startServer = (): Promise<Origin> => startOrigin({ credentials: [testCredential], buckets: ['data'] })
const percent = (value: number, of: number): string => `${(((value - of) / of) * 100).toFixed(1).padStart(5)} %`

async function sampled(read: () => readonly number[]): Promise<Sample[]> {
  const samples: Sample[] = []
  const endMs = performance.now() + seconds * 1000
  while (performance.now() < endMs) {
    samples.push({ atMs: performance.now(), bytes: read() })
    await delay(sampleMs)
  }
  return samples
}

/** Bytes a second of every window of ten seconds that begins after the loads have settled. */
function windows(samples: readonly Sample[]): number[] {
  const total = (sample: Sample): number => sample.bytes.reduce((sum, bytes) => sum + bytes, 0)
  const first = (samples[0]?.atMs ?? 0) + warmMs
  return samples.flatMap((from) => {
    if (from.atMs < first) return []
    const to = samples.find((sample) => sample.atMs >= from.atMs + windowMs)
    return to === undefined ? [] : [((total(to) - total(from)) * 1000) / (to.atMs - from.atMs)]
  })
}

function print(what: string, samples: readonly Sample[], weights: readonly number[]): void {
  const rates = windows(samples)
  const [low, high] = [Math.min(...rates), Math.max(...rates)]
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  console.log(
    `${what}: ${rates.length} windows of 10 s, mean ${(mean / mib).toFixed(2)} MB/s (${percent(mean, budget)})`,
  )
  console.log(
    `  slowest ${(low / mib).toFixed(2)} (${percent(low, budget)}), fastest ${(high / mib).toFixed(2)} ` +
      `(${percent(high, budget)})`,
  )
  const settled = samples.find((sample) => sample.atMs >= (samples[0]?.atMs ?? 0) + warmMs)
  const last = samples.at(-1)
  if (weights.length < 2 || settled === undefined || last === undefined) return
  const read = last.bytes.map((bytes, index) => bytes - (settled.bytes[index] ?? 0))
  const all = read.reduce((sum, bytes) => sum + bytes, 0)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  for (const [index, weight] of weights.entries()) {
    const share = (read[index] ?? 0) / all
    console.log(
      `  priority ${weight}: ${(share * 100).toFixed(1)} % of the bytes, due ` +
        `${((weight / sum) * 100).toFixed(1)} % (${percent(share, weight / sum)})`,
    )
  }
}

function clientOf(masterAddress: string): Client {
  const definitions = { 'skein.home': join(scratch, 'client') }
  return connectCluster(loadConfig({ mode: 'client', definitions, environment: { SKEIN_MASTER: masterAddress } }))
}

async function withCluster(
  properties: Readonly<Record<string, string>>,
  body: (roles: Cluster, client: Client) => Promise<void>,
): Promise<void> {
  const redis = await startRedis()
  undos.onEnd(() => redis.dispose())
  const roles = await Cluster.start({ queueUrl: redis.url, workers: 2, quota: '8GB', properties })
  undos.onEnd(() => roles.stop())
  const client = clientOf(roles.masterAddress)
  try {
    await body(roles, client)
  } finally {
    client.close()
    await roles.stop()
    await redis.dispose()
  }
}

async function succeed(command: Promise<{ readonly code: number | null; readonly stderr: string }>): Promise<void> {
  const { code, stderr } = await command
  if (code !== 0) throw new Error(stderr)
}

async function submit(
  client: Client,
  path: string,
  options: { readonly bandwidth?: string; readonly priority?: number },
): Promise<string> {
  const defaults = { replication: 1, activeJobs: 3000, batchSize: 0 }
  const { loadId } = await client
    .jobMaster()
    .submitLoad({ requestKey: '', path, options: { ...defaults, ...options } }, { signal: never })
  return loadId
}

/** More than the budget lets through in the time. */
const filesEach = Math.ceil((seconds * 1.5 * budget) / (32 * mib))

async function single(): Promise<void> {
  const origin = await startServer()
  origin.bucket('data').generateMany('a/', filesEach, 32 * mib)
  await withCluster({}, async (roles, client) => {
    await succeed(roles.cli(['ns', 'create', 'one', 's3://data/', ...storeFlags(origin.url)]))
    await submit(client, '/one/a/', { bandwidth: '50MB/s' })
    print('one load, --bandwidth 50MB/s', await sampled(() => [origin.counters.objectBytes]), [1])
  })
  await origin.close()
}

const priorities = [30, 20, 10]

/** Three loads of one namespace that has the budget. */
async function namespace(): Promise<void> {
  const origin = await startServer()
  const read = [0, 0, 0]
  origin.counters.onObjectBytes = (key, bytes) => {
    const index = 'abc'.indexOf(key.charAt(0))
    read[index] = (read[index] ?? 0) + bytes
  }
  for (const folder of 'abc') origin.bucket('data').generateMany(`${folder}/`, filesEach, 32 * mib)
  await withCluster({}, async (roles, client) => {
    await succeed(
      roles.cli(['ns', 'create', 'one', 's3://data/', '--attribute', 'bandwidth=50MB/s', ...storeFlags(origin.url)]),
    )
    for (const [index, priority] of priorities.entries())
      await submit(client, `/one/${'abc'.charAt(index)}/`, { priority })
    print('three loads, namespace attribute bandwidth=50MB/s', await sampled(() => [...read]), priorities)
  })
  await origin.close()
}

/** Three loads of three namespaces at three stores; the cluster has the budget. */
async function cluster(): Promise<void> {
  const origins = await Promise.all(priorities.map(startServer))
  for (const origin of origins) origin.bucket('data').generateMany('a/', filesEach, 32 * mib)
  await withCluster({ 'skein.load.bandwidth': '50MB/s' }, async (roles, client) => {
    for (const [index, origin] of origins.entries()) {
      await succeed(roles.cli(['ns', 'create', `n${index}`, 's3://data/', ...storeFlags(origin.url)]))
      await submit(client, `/n${index}/a/`, { priority: priorities[index] ?? 1 })
    }
    print(
      'three loads, skein.load.bandwidth=50MB/s',
      await sampled(() => origins.map((origin) => origin.counters.objectBytes)),
      priorities,
    )
  })
  await Promise.all(origins.map((origin) => origin.close()))
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now()
  await work()
  return performance.now() - startMs
}

function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0)
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)} ms`
}

const betweenReadsMs = 300

/** What a reader reads from. */
interface ReadFrom {
  readonly what: string
  readonly master: string
  cli(...args: readonly string[]): Promise<CommandResult>
  end(): Promise<void>
}

async function localSkein(): Promise<ReadFrom> {
  const skein = new LocalSkein({ quota: '14GB' })
  undos.onEnd(() => skein.dispose())
  await skein.start()
  const master = skein.addresses()['master'] ?? ''
  return { what: 'skein local', master, cli: (...args) => skein.cli(...args), end: () => skein.dispose() }
}

async function processes(): Promise<ReadFrom> {
  const redis = await startRedis()
  undos.onEnd(() => redis.dispose())
  const roles = await Cluster.start({ queueUrl: redis.url, workers: 1, quota: '14GB' })
  undos.onEnd(() => roles.stop())
  const end = async (): Promise<void> => {
    await roles.stop()
    await redis.dispose()
  }
  return { what: 'a process a role', master: roles.masterAddress, cli: (...args) => roles.cli(args), end }
}

/**
 * What is not cached is read by a client, idle and while a load runs as fast as it can; everything
 * but this client in processes of their own.
 */
async function demand(start: () => Promise<ReadFrom>): Promise<void> {
  const data = ['load/:192x64MiB', 'cold/small-:400x256KiB', 'cold/large-:60x8MiB'].flatMap((set) => [
    '--data',
    `data=${set}`,
  ])
  const { accessKeyId, secretAccessKey } = testCredential
  const args = ['test/support/origin/main.ts', '--access-key', accessKeyId, '--secret-key', secretAccessKey, ...data]
  const origin = startChild(process.execPath, args, { logFile: join(scratch, 'origin.log') })
  undos.onEnd(() => origin.end('SIGKILL'))
  const { url } = JSON.parse(await origin.line((line) => (line.startsWith('{') ? line : undefined), 30_000)) as {
    url: string
  }
  const skein = await start()
  const client = clientOf(skein.master)
  try {
    await succeed(skein.cli('ns', 'create', 'one', 's3://data/', ...storeFlags(url)))
    const read = async (path: string): Promise<void> => {
      for await (const chunk of client.readFile(path, never)) void chunk
    }
    const times = async (kind: string, from: number, count: number): Promise<number[]> => {
      const all: number[] = []
      for (let n = from; n < from + count; n += 1) {
        all.push(await timed(() => read(`/one/cold/${kind}-${String(n).padStart(7, '0')}`)))
        await delay(betweenReadsMs)
      }
      return all
    }
    const calls = async (count: number): Promise<number[]> => {
      const all: number[] = []
      for (let n = 0; n < count; n += 1) {
        all.push(await timed(async () => void (await client.master().getClusterSummary({}, { signal: never }))))
        await delay(20)
      }
      return all
    }
    const loaded = async (): Promise<number> =>
      (await client.jobMaster().getLoad({ loadId }, { signal: never })).counts?.originBytes ?? 0
    /** What the load reads meanwhile, MB/s. */
    const rateDuring = async (work: () => Promise<unknown>): Promise<string> => {
      const [before, startMs] = [await loaded(), performance.now()]
      await work()
      return `${((((await loaded()) - before) * 1000) / (performance.now() - startMs) / mib).toFixed(0)} MB/s`
    }
    await times('small', 0, 5)
    await times('large', 0, 5)
    const idle = { call: await calls(50), small: await times('small', 5, 20), large: await times('large', 5, 20) }
    const loadId = await submit(client, '/one/load/', {})
    await delay(1000)
    const alone = await rateDuring(() => delay(3000))
    const busy = { call: await calls(50), small: [0], large: [0] }
    const rare = await rateDuring(async () => {
      busy.small = await times('small', 25, 12)
      busy.large = await times('large', 25, 12)
    })
    const endless = await rateDuring(async () => {
      const endMs = performance.now() + 3000
      for (let n = 50; n < 400 && performance.now() < endMs; n += 1)
        await read(`/one/cold/small-${String(n).padStart(7, '0')}`)
    })
    const { state } = await client.jobMaster().getLoad({ loadId }, { signal: never })
    console.log(
      `${skein.what}: a reader during a load at full speed (${state}; alone ${alone}, beside these reads ` +
        `${rare}, beside reads without a pause ${endless})`,
    )
    const names = { call: 'a call that reads nothing', small: '256 KiB', large: '8 MiB' }
    for (const kind of ['call', 'small', 'large'] as const) {
      console.log(`  ${names[kind]}: unloaded ${spread(idle[kind])}; loaded ${spread(busy[kind])}`)
    }
  } finally {
    client.close()
    await skein.end()
    await origin.end('SIGKILL')
  }
}

const scenarios = {
  single,
  namespace,
  cluster,
  demand: async () => {
    await demand(localSkein)
    await demand(processes)
  },
}
await undoing(async () => {
  undos.onEnd(() => rmSync(scratch, { recursive: true, force: true }))
  for (const [name, run] of Object.entries(scenarios)) if (only.has(name)) await run()
}, undos)
