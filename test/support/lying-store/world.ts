// Why: what is believed of a store shows only in the whole: listing, planning, reading, audit, and
// the bytes that are there in the end. How: all of Skein in this process, one namespace a seed,
// several seeds at a time. Each seed has three parts: an honest load, then the store changes and
// lies, and then it is honest again. The oracle: a load that says COMPLETED has every byte of every
// object, nothing that an honest store has was removed, and every load ends.
import { createCipheriv } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../../src/base/clock.ts'
import { loadConfig } from '../../../src/config/read-config.ts'
import { connectCluster } from '../../../src/client/connect.ts'
import type { Cluster } from '../../../src/client/cluster.ts'
import { run } from '../../../src/process/roles/local-role.ts'
import type { LoadStatus } from '../../../src/wire/generated/job.ts'
import { freePortProperties } from '../local-skein.ts'
import { Oracle } from '../oracle.ts'
import { type Lie, lies } from './lies.ts'
import { type LyingBucket, type LyingStore, startLyingStore } from './server.ts'

const { signal } = new AbortController()
const blockBytes = 64 * 1024
const pollMs = 120
/** A load that takes longer does not end. */
const loadMaxMs = 300_000
/** Listings of one bucket, in all of a seed's loads. */
const listsMax = 400
const names = [
  'a',
  'a b',
  'a/b',
  'a/B',
  'b/c/d',
  'b/c%2Fd',
  'b+c',
  'd/',
  'd/e',
  'd/é',
  'd/e\u0301',
  'D/f',
  'z~',
  'z/\u{1f9f6}',
  'z/￥',
]
/** Names of which a listing may make one. */
const twins: Readonly<Record<string, string>> = { 'b/c%2Fd': 'b/c/d', 'd/e\u0301': 'd/é' }
const sizes = [0, 1, 10, 700, blockBytes, blockBytes + 1, 3 * blockBytes - 5]

export class LyingWorld {
  readonly #folder = mkdtempSync(join(tmpdir(), 'skein-lying-'))
  readonly #stop = new AbortController()
  #running: Promise<void> | undefined
  #store: LyingStore | undefined
  #cluster: Cluster | undefined
  #oracle: Oracle | undefined
  readonly logs: string[] = []

  async start(): Promise<void> {
    // Thousands of errors are thrown, and nobody looks at where.
    Error.stackTraceLimit = 1
    this.#store = await startLyingStore()
    const home = join(this.#folder, 'home')
    const definitions = {
      ...freePortProperties,
      'skein.home': home,
      'skein.ufs.allowPrivateEndpoints': 'true',
      'goosefs.user.block.size.bytes.default': String(blockBytes),
      'goosefs.worker.tieredstore.level0.dirs.quota': '1GB',
      'goosefs.worker.tieredstore.level0.dirs.path': join(this.#folder, 'blocks'),
      'skein.load.attempts.max': '2',
      'skein.load.retry.initial': '10ms',
      'skein.load.retry.max': '20ms',
      'skein.load.listing.wait': '50ms',
      'fs.cosn.maxRetries': '2',
    }
    const ready = Promise.withResolvers<void>()
    this.#running = run(loadConfig({ mode: 'local', definitions, environment: {} }), {
      stdout: () => ready.resolve(),
      stderr: (text) => void this.logs.push(text),
      stop: this.#stop.signal,
    })
    this.#running.catch(ready.reject)
    await ready.promise
    this.#cluster = connectCluster(loadConfig({ mode: 'client', definitions: { 'skein.home': home }, environment: {} }))
    this.#oracle = new Oracle(this.#cluster.address)
  }

  async stop(): Promise<void> {
    this.#oracle?.close()
    this.#cluster?.close()
    this.#stop.abort()
    await this.#running?.catch(() => undefined)
    await this.#store?.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /**
   * What went wrong with a seed; undefined when nothing did. @param forced lies to tell; else some
   * at random
   */
  async problem(seed: number, forced?: readonly Lie[]): Promise<string | undefined> {
    const cluster = this.#cluster
    if (cluster === undefined) throw new Error('not started')
    const random = seededRandom(seed)
    const name = `ns-${seed}-${Math.floor(Math.random() * 1e9).toString(36)}`
    const bucket = await this.#namespace(name, random)
    fill(bucket, random)
    const told = forced ?? some(random)
    const isKnown = random() < 0.6
    const seen = isKnown ? await this.#load(name, bucket) : undefined
    if (seen !== undefined) return `the honest load: ${seen}`
    const removedMax = change(bucket, random)
    bucket.lies = told
    if (told.some(({ omits }) => omits === true) && isKnown)
      bucket.omitted = new Set(
        [...bucket.truth.keys()].filter(
          (key) => bucket.versions.get(key)?.length === 1 && known.has(bucket, key) && random() < 0.5,
        ),
      )
    const lied = await this.#load(name, bucket, isKnown ? removedMax : 0)
    bucket.lies = []
    bucket.omitted = new Set()
    // What was believed may show only to who looks again.
    const isAgain = forced !== undefined || random() < 0.3
    // What was invented goes again.
    const mayGo = isKnown && !told.some(({ invents }) => invents === true) ? removedMax : Number.MAX_SAFE_INTEGER
    const problem = lied ?? (isAgain ? await this.#load(name, bucket, mayGo, true) : undefined)
    await cluster.master().deleteNamespace({ name }, { signal })
    return problem === undefined ? undefined : `seed ${seed}, ${told.map((lie) => lie.name).join('; ')}: ${problem}`
  }

  /** A namespace with an empty bucket. */
  async #namespace(name: string, random: () => number): Promise<LyingBucket> {
    const [store, cluster] = [this.#store, this.#cluster]
    if (store === undefined || cluster === undefined) throw new Error('not started')
    const bucket = store.bucket(name, random)
    await cluster.master().createNamespace(
      {
        name,
        uri: `s3://${name}/`,
        attributes: { 's3.endpoint': store.url, 's3.forcePathStyle': 'true', 'fs.cosn.read.ahead.block.size': '24KB' },
        secrets: { 's3.accessKeyId': 'AKIDLYING', 's3.secretAccessKey': 'lying-store-secret' },
      },
      { signal },
    )
    return bucket
  }

  /**
   * What went wrong with the load of an honest store beside one of a store that tells this lie all
   * the time, of objects of so many bytes each; undefined when it completed and the other one still
   * ran.
   */
  async problemBeside(lie: Lie, objectBytes: number): Promise<string | undefined> {
    const jobs = this.#cluster?.jobMaster()
    if (jobs === undefined) throw new Error('not started')
    const random = seededRandom(objectBytes)
    const [odd, honest] = [`odd-${objectBytes}`, `honest-${objectBytes}`]
    const bucket = await this.#namespace(odd, random)
    for (let index = 0; index < 200; index += 1) bucket.put(`k${index}`, noise(objectBytes, random))
    bucket.pageSize = 1000
    bucket.lies = [lie]
    const options = { replication: 1, activeJobs: 100, batchSize: 20 }
    const { loadId } = await jobs.submitLoad({ requestKey: '', path: `/${odd}`, options }, { signal })
    // Its reads hold all the room that they can get.
    await sleep(1500)
    const other = await this.#namespace(honest, random)
    for (const index of [1, 2, 3]) other.put(`k${index}`, noise(objectBytes, random))
    const problem = await this.#load(honest, other)
    const { endedMs } = await jobs.getLoad({ loadId }, { signal })
    await jobs.cancelLoad({ loadId }, { signal })
    return problem ?? (endedMs > 0 ? 'the load of the odd store has ended' : undefined)
  }

  /**
   * Loads, and holds what is there against the truth. @param removedMax files that were really
   * removed
   */
  async #load(
    name: string,
    bucket: LyingBucket,
    removedMax = 0,
    mustComplete = removedMax === 0 && bucket.lies.length === 0,
  ): Promise<string | undefined> {
    const jobs = this.#cluster?.jobMaster()
    if (jobs === undefined) throw new Error('not started')
    const options = { replication: 1, activeJobs: 100, batchSize: 0 }
    const submitted = await jobs
      .submitLoad({ requestKey: '', path: `/${name}`, options }, { signal })
      .catch((error: unknown) => String(error))
    // Refused: that is no COMPLETED.
    if (typeof submitted === 'string') return mustComplete ? submitted : undefined
    const { loadId } = submitted
    let status: LoadStatus
    const untilMs = performance.now() + loadMaxMs
    for (;;) {
      status = await jobs.getLoad({ loadId }, { signal })
      if (status.endedMs > 0) break
      if (performance.now() > untilMs || bucket.lists > listsMax) {
        await jobs.cancelLoad({ loadId }, { signal })
        return `the load does not end: ${bucket.lists} listings, ${status.state} ${status.reason}`
      }
      await sleep(pollMs)
    }
    const removed = status.counts?.filesRemoved ?? 0
    if (removed > removedMax) return `${removed} files were removed, ${removedMax} are gone`
    if (status.state !== 'COMPLETED') return mustComplete ? `${status.state}: ${status.reason}` : undefined
    for (const key of bucket.truth.keys()) known.add(bucket, key)
    return await this.#missing(name, bucket)
  }

  /** The first object of which not every byte is in the cache. */
  async #missing(name: string, bucket: LyingBucket): Promise<string | undefined> {
    const oracle = this.#oracle
    if (oracle === undefined) throw new Error('not started')
    // Looking must not ask the store: it would lie, or bring in what a load did not.
    for (const key of bucket.truth.keys()) {
      if (key.endsWith('/')) continue
      const shown = JSON.stringify(key)
      const bytes = await oracle.bytes(`/${name}/${key}`).catch((error: unknown) => String(error))
      if (typeof bytes === 'string') return `COMPLETED without ${shown}: ${bytes}`
      if (!bucket.versions.get(key)?.some((version) => version.equals(bytes)))
        return `COMPLETED with wrong bytes of ${shown}: ${bytes.length}`
    }
    return undefined
  }
}

/** Keys of a bucket that a load has brought in. */
const known = {
  keys: new WeakMap<LyingBucket, Set<string>>(),
  has: (bucket: LyingBucket, key: string): boolean => known.keys.get(bucket)?.has(key) === true,
  add: (bucket: LyingBucket, key: string): void => {
    known.keys.set(bucket, (known.keys.get(bucket) ?? new Set()).add(key))
  },
}

function fill(bucket: LyingBucket, random: () => number): void {
  bucket.pageSize = 1 + Math.floor(random() * 4)
  for (const name of names) {
    if (random() < 0.55) continue
    const twin = random() < 0.5 ? bucket.truth.get(twins[name] ?? '') : undefined
    const size = name.endsWith('/') ? 0 : (twin?.bytes.length ?? sizes[Math.floor(random() * sizes.length)] ?? 1)
    bucket.put(name, noise(size, random))
  }
  if (bucket.truth.size < 3) for (const name of ['k1', 'k2', 'k3']) bucket.put(name, noise(blockBytes + 5, random))
}

/** What others do at the store. @returns how many files they removed */
function change(bucket: LyingBucket, random: () => number): number {
  let removed = 0
  for (const key of [...bucket.truth.keys()]) {
    if (key.endsWith('/')) continue
    const chance = random()
    if (chance < 0.1) {
      bucket.truth.delete(key)
      removed += 1
    } else if (chance < 0.3) bucket.put(key, noise((bucket.truth.get(key)?.bytes.length ?? 0) + 3, random))
  }
  if (random() < 0.5) bucket.put(`new/${Math.floor(random() * 100)}`, noise(2 * blockBytes, random))
  return removed
}

function some(random: () => number): readonly Lie[] {
  const count = 1 + Math.floor(random() ** 2 * 3)
  return Array.from({ length: count }, () => lies[Math.floor(random() * lies.length)]).filter(
    (lie) => lie !== undefined,
  )
}

function noise(length: number, random: () => number): Buffer {
  const key = Buffer.alloc(16)
  key.writeDoubleLE(random())
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
}
