// Why: what a load of very many small files costs: time for each, memory of the job master and of
// Redis, how soon the first task goes out, how fast a status is answered meanwhile. How: real
// processes of all roles on a real Redis, an nginx of generated 1 KiB objects; each load in a
// cluster of its own; memory is read from /proc and from Redis while it runs.
//
//   node scripts/bench/million.ts [--files 100000,1000000] [--bytes 1024] [--workers 1]
//     [--replication 1] [--dir <folder>]
//   run `npm run build` first
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { loadConfig } from '../../src/config/read-config.ts'
import { connectCluster } from '../../src/client/connect.ts'
import type { Cluster as Client } from '../../src/client/cluster.ts'
import type { LoadStatus } from '../../src/wire/generated/job.ts'
import { Cluster, run } from '../../test/support/cluster.ts'
import { freePort } from '../../test/support/free-port.ts'
import { type RedisServer, startRedis } from '../../test/support/redis.ts'
import { type ListedOrigin, startListedOrigin } from './listed-origin.ts'
import { undoing, Undos } from './undos.ts'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '100000,1000000' },
    bytes: { type: 'string', default: '1024' },
    workers: { type: 'string', default: '1' },
    replication: { type: 'string', default: '1' },
    dir: { type: 'string', default: tmpdir() },
  },
})
const sizes = values.files.split(',').map(Number)
const objectBytes = Number(values.bytes)
const workers = Number(values.workers)
const replication = Number(values.replication)
const scratch = mkdtempSync(join(values.dir, 'skein-million-'))
// Started by root, nginx reads as somebody else.
chmodSync(scratch, 0o755)
process.env['TMPDIR'] = scratch
const never = new AbortController().signal
const undos = new Undos()
const mib = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(0)} MiB`

/** Highest values seen, by name; bytes. */
class Peaks {
  readonly #peaks = new Map<string, number>()

  see(name: string, value: number): void {
    this.#peaks.set(name, Math.max(value, this.#peaks.get(name) ?? 0))
  }

  of(name: string): number {
    return this.#peaks.get(name) ?? 0
  }
}

function memoryOf(pid: number): { total: number; anon: number; file: number } {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024
  return { total: kib('VmRSS'), anon: kib('RssAnon'), file: kib('RssFile') }
}

/**
 * How long the main thread of a process has run, and waited for a CPU that others had; the machine
 * is busy when that is long.
 */
function processorOf(pid: number): string {
  const [ran = 0, waited = 0] = readFileSync(`/proc/${pid}/schedstat`, 'utf8')
    .split(' ')
    .map((nanoseconds) => Number(nanoseconds) / 1e9)
  return `ran ${ran.toFixed(1)} s, waited ${waited.toFixed(1)} s for a CPU`
}

/** Runs `step` again and again, `pauseMs` apart, until `stop`. */
async function repeat(stop: AbortSignal, pauseMs: number, step: () => Promise<void>): Promise<void> {
  while (!stop.aborted) {
    await step()
    await delay(pauseMs)
  }
}

async function watchMemory(cluster: Cluster, redis: RedisServer, peaks: Peaks, stop: AbortSignal): Promise<void> {
  const roles = ['master', 'job-master', 'worker-1', 'job-worker-1']
  await repeat(stop, 200, async () => {
    for (const role of roles) {
      const { total, anon, file } = memoryOf(cluster.pid(role))
      peaks.see(role, total)
      peaks.see(`${role} anon`, anon)
      peaks.see(`${role} file`, file)
    }
    peaks.see('redis', Number(/^used_memory:(\d+)/m.exec(await redis.command('INFO', 'memory'))?.[1] ?? 0))
    peaks.see('redis keys', Number(/:(\d+)/.exec(await redis.command('DBSIZE'))?.[1] ?? 0))
  })
}

/** How many of the slowest answers are named. */
const slowestMax = 8

interface Timeline {
  readonly slow: { readonly tookMs: number; readonly atMs: number }[]
  firstOutMs: number | undefined
  listedMs: number | undefined
  drainedMs: number | undefined
}

/** Asks for the load's status until it has ended; notes how long each answer took. */
async function follow(
  client: Client,
  loadId: string,
  startMs: number,
  latencies: number[],
  timeline: Timeline,
): Promise<LoadStatus> {
  let printedMs = performance.now()
  for (;;) {
    const askedMs = performance.now()
    const status = await client.jobMaster().getLoad({ loadId }, { signal: never })
    const nowMs = performance.now()
    latencies.push(nowMs - askedMs)
    timeline.slow.push({ tookMs: nowMs - askedMs, atMs: nowMs - startMs })
    const counts = status.counts
    if ((counts?.tasksOut ?? 0) + (counts?.tasksDone ?? 0) > 0) timeline.firstOutMs ??= nowMs - startMs
    if (status.listingDone) timeline.listedMs ??= nowMs - startMs
    if (status.state === 'AUDITING') timeline.drainedMs ??= nowMs - startMs
    if (status.endedMs > 0) return status
    if (nowMs - printedMs > 10_000) {
      printedMs = nowMs
      const seconds = ((nowMs - startMs) / 1000).toFixed(0)
      console.error(
        `  ${seconds} s: ${status.state}, listed ${counts?.files}, loaded ${counts?.filesLoaded}, out ` +
          `${counts?.tasksOut}`,
      )
    }
    await delay(timeline.firstOutMs === undefined ? 10 : 50)
  }
}

/** Every page of the load's files. @returns how long each took */
async function listAll(client: Client, loadId: string): Promise<{ files: number; latencies: number[] }> {
  const latencies: number[] = []
  let files = 0
  let pageToken = ''
  do {
    const askedMs = performance.now()
    const page = await client
      .jobMaster()
      .listLoadFiles({ loadId, pageToken, limit: 1000, failedOnly: false }, { signal: never })
    latencies.push(performance.now() - askedMs)
    files += page.files.length
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return { files, latencies }
}

/** Reads some files back through the cache. */
async function countWrong(client: Client, origin: ListedOrigin, name: string, count: number): Promise<number> {
  let wrong = 0
  for (let n = 0; n < 200; n += 1) {
    const index = Math.floor((n * count) / 200)
    const chunks: Uint8Array[] = []
    for await (const chunk of client.readFile(`/${name}/${origin.keyOf(index, count)}`, never)) chunks.push(chunk)
    if (!Buffer.concat(chunks).equals(origin.bytesOf(index))) wrong += 1
  }
  return wrong
}

function spread(latencies: readonly number[]): string {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1)
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms (${sorted.length} calls)`
}

/** Loads `count` files in a cluster of its own. @returns seconds */
async function measure(origin: ListedOrigin, count: number): Promise<number> {
  const name = `tiny-${count}`
  origin.create(name, count)
  const redis = await startRedis()
  undos.onEnd(() => redis.dispose())
  const cluster = await Cluster.start({ queueUrl: redis.url, workers, quota: '40GB' })
  undos.onEnd(() => cluster.stop())
  const client = connectCluster(
    loadConfig({
      mode: 'client',
      definitions: { 'skein.home': join(scratch, 'client') },
      environment: { SKEIN_MASTER: cluster.masterAddress },
    }),
  )
  const stop = new AbortController()
  const peaks = new Peaks()
  try {
    const attributes = [`s3.endpoint=${origin.url}`, 's3.region=us-east-1', 's3.forcePathStyle=true'].flatMap((one) => [
      '--attribute',
      one,
    ])
    const secrets = ['s3.accessKeyId=benchmark', 's3.secretAccessKey=not-checked'].flatMap((one) => ['--secret', one])
    const created = await cluster.cli(['ns', 'create', name, `s3://${name}/`, ...attributes, ...secrets])
    if (created.code !== 0) throw new Error(created.stderr)
    const watching = watchMemory(cluster, redis, peaks, stop.signal)
    const cliMs: number[] = []
    const startMs = performance.now()
    const options = { replication, activeJobs: 3000, batchSize: 0 }
    const { loadId } = await client
      .jobMaster()
      .submitLoad({ path: `/${name}`, requestKey: '', options }, { signal: never })
    const submittedMs = performance.now() - startMs
    const asking = repeat(stop.signal, 15_000, async () => {
      const askedMs = performance.now()
      await run(['job', 'stat', loadId], { env: { SKEIN_MASTER: cluster.masterAddress } })
      cliMs.push(performance.now() - askedMs)
    })
    const latencies: number[] = []
    const timeline: Timeline = { slow: [], firstOutMs: undefined, listedMs: undefined, drainedMs: undefined }
    const status = await follow(client, loadId, startMs, latencies, timeline)
    const seconds = (performance.now() - startMs) / 1000
    stop.abort()
    await Promise.all([watching, asking])
    const { counts } = status
    if (status.state !== 'COMPLETED' || counts?.filesLoaded !== count)
      throw new Error(`${status.state}: ${status.reason} ${JSON.stringify(counts)}`)
    const listed = await listAll(client, loadId)
    const wrong = await countWrong(client, origin, name, count)
    const after = (ms: number | undefined): string => `${((ms ?? Number.NaN) / 1000).toFixed(2)} s`
    console.log(
      `${count} files of ${objectBytes} bytes: ${seconds.toFixed(1)} s, ${Math.round(count / seconds)} files/s, ` +
        `${counts.tasks} tasks`,
    )
    console.log(`  submitted in ${submittedMs.toFixed(0)} ms, first task out after ${after(timeline.firstOutMs)}`)
    console.log(`  listed after ${after(timeline.listedMs)}, all sets done after ${after(timeline.drainedMs)}`)
    for (const role of ['job-master', 'master', 'worker-1', 'job-worker-1']) {
      console.log(
        `  ${role}: RSS at most ${mib(peaks.of(role))} (anon ${mib(peaks.of(`${role} anon`))}, file ` +
          `${mib(peaks.of(`${role} file`))}), ${processorOf(cluster.pid(role))}`,
      )
    }
    console.log(`  redis: at most ${mib(peaks.of('redis'))}, ${peaks.of('redis keys')} keys`)
    console.log(`  job stat, the call: ${spread(latencies)}; the whole command: ${spread(cliMs)}`)
    const slowest = timeline.slow.toSorted((a, b) => b.tookMs - a.tookMs).slice(0, slowestMax)
    console.log(
      `  slowest: ${slowest.map(({ tookMs, atMs }) => `${tookMs.toFixed(0)} ms at ${after(atMs)}`).join(', ')}`,
    )
    console.log(`  job stat -v: ${listed.files} files in pages of 1000, ${spread(listed.latencies)}`)
    console.log(`  read back: ${wrong} of 200 wrong`)
    return seconds
  } finally {
    stop.abort()
    client.close()
    await cluster.stop()
    await redis.dispose()
  }
}

await undoing(async () => {
  undos.onEnd(() => rmSync(scratch, { recursive: true, force: true }))
  const home = join(scratch, 'origin')
  mkdirSync(home)
  const origin = await startListedOrigin(home, await freePort(), objectBytes)
  undos.onEnd(() => origin.stop())
  const seconds: number[] = []
  for (const count of sizes) seconds.push(await measure(origin, count))
  const [first, last] = [seconds[0] ?? 0, seconds.at(-1) ?? 0]
  if (sizes.length > 1)
    console.log(`${sizes.at(-1)} files took ${(last / first).toFixed(2)} times as long as ${sizes[0]}`)
}, undos)
