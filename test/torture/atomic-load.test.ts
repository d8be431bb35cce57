// Why: an atomic load swaps a whole dataset in, or leaves the old one as it was, whatever dies
// meanwhile. How: every object of a dataset is replaced at the origin, again and again; each
// version is loaded with -A while readers verify what they see and a random process is killed with
// -9 and started again. One object, the manifest, is read before and after the others: when it did
// not change in between, all of them must be of its version. Seeded: SKEIN_SEED=n replays,
// SKEIN_TORTURE=full: 30 kills.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { Cluster } from '../support/cluster.ts'
import { contentOf, type DatasetObject, objects } from '../support/dataset.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { Oracle } from '../support/oracle.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'

const full = process.env['SKEIN_TORTURE'] === 'full'
const kills = full ? 30 : 3
const seed = Number(process.env['SKEIN_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const credential = { accessKeyId: 'atomic', secretAccessKey: 'atomic-secret' }
const manifest: DatasetObject = { key: 'set/manifest', length: 100 }
const parts = [
  ...objects('set/small', full ? 1990 : 160, 8 * 1024),
  ...objects('set/large', full ? 8 : 4, 9 * 1024 ** 2),
]
/** Loads take a second and a half at least, so that a process dies in their middle. */
const bandwidth = full ? 'unlimited' : '25MB/s'
const dataset = [manifest, ...parts]
const readersAtOnce = 4
const filesPerLook = 25
/** Between two looks of a reader. */
const pauseMs = full ? 5 : 25
const mostLooksAfterStop = 20

describe.skipIf(!redisAvailable)(`atomic loads under kill -9, seed ${seed}`, () => {
  const random = seededRandom(seed)
  let origin: Origin
  let redis: RedisServer
  let cluster: Cluster
  let oracle: Oracle
  let version = 1

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [credential] })
    redis = await startRedis()
    cluster = await Cluster.start({ queueUrl: redis.url, quota: '40GB', properties: { 'fs.cosn.block.size': '4MB' } })
    oracle = new Oracle(cluster.masterAddress)
    replaceAtOrigin(1)
    const attributes = [
      `s3.endpoint=${origin.url}`,
      's3.region=us-east-1',
      's3.forcePathStyle=true',
      `bandwidth=${bandwidth}`,
    ]
    const secrets = [`s3.accessKeyId=${credential.accessKeyId}`, `s3.secretAccessKey=${credential.secretAccessKey}`]
    const flags = [
      ...attributes.flatMap((text) => ['--attribute', text]),
      ...secrets.flatMap((text) => ['--secret', text]),
    ]
    expect((await cluster.cli(['ns', 'create', 'ns', 's3://data/', ...flags])).stderr).toBe('')
    const load = await cluster.cli(['fs', 'distributedLoad', '/ns/set', '--replication', '2'], 90_000)
    expect(load.code, load.stderr).toBe(0)
  })

  afterAll(async () => {
    oracle?.close()
    await cluster?.stop()
    await redis?.dispose()
    await origin?.close()
  })

  function replaceAtOrigin(next: number): void {
    const bucket = origin.bucket('data')
    for (const { key, length } of dataset) bucket.put(key, contentOf(key, length, next))
  }

  /**
   * Which version of an object the cache has, by its bytes; a read that fails says nothing. @throws
   * when it is none
   */
  async function versionOf(object: DatasetObject, candidates: readonly number[]): Promise<number | undefined> {
    const found = await oracle.checksum(`/ns/${object.key}`).catch(() => undefined)
    if (found === undefined) return undefined
    const is = candidates.find((candidate) => oracle.expected.of(object, candidate) === found)
    if (is === undefined)
      throw new Error(`${object.key}: its bytes are of none of the versions ${candidates.join(', ')}`)
    return is
  }

  /**
   * Looks at some files between two looks at the manifest. @returns the version that all of them
   * had; undefined when nothing can be said
   */
  async function look(some: readonly DatasetObject[], candidates: readonly number[]): Promise<number | undefined> {
    const before = await versionOf(manifest, candidates)
    const seen = await Promise.all(some.map((object) => versionOf(object, candidates)))
    const after = await versionOf(manifest, candidates)
    if (before === undefined || before !== after) return undefined
    const others = some.filter((_object, i) => seen[i] !== undefined && seen[i] !== before)
    if (others.length > 0)
      throw new Error(`the manifest is of version ${before}, but not ${others.map(({ key }) => key).join(', ')}`)
    return seen.includes(undefined) ? undefined : before
  }

  /**
   * Looks until told to stop, and at least once: on a slow machine the load may be through before
   * the first look is.
   */
  async function reader(candidates: readonly number[], stop: AbortSignal): Promise<number> {
    let highest = candidates[0] ?? 0
    let looks = 0
    let looksAfterStop = 0
    for (; !stop.aborted || (looks === 0 && looksAfterStop < mostLooksAfterStop); await sleep(pauseMs)) {
      if (stop.aborted) looksAfterStop += 1
      const some = Array.from(
        { length: filesPerLook },
        () => parts[Math.floor(Math.random() * parts.length)] ?? manifest,
      )
      const seen = await look(some, candidates)
      if (seen === undefined) continue
      looks += 1
      if (seen < highest) throw new Error(`version ${seen} was seen after version ${highest}`)
      highest = seen
    }
    return looks
  }

  for (let round = 1; round <= kills; round += 1) {
    it(`kill ${round}`, async () => {
      const victims = ['master', 'job-master', 'worker-1', 'worker-2']
      const victim = victims[Math.floor(random() * victims.length)] ?? 'master'
      const afterMs = 50 + random() * 900
      const what = `${victim} after ${afterMs.toFixed(0)} ms`
      const candidates = [version, version + 1]
      replaceAtOrigin(version + 1)
      const stop = new AbortController()
      const readers = Promise.all(Array.from({ length: readersAtOnce }, () => reader(candidates, stop.signal)))
      readers.catch(() => stop.abort())
      const running = cluster.cli(['fs', 'distributedLoad', '-A', '/ns/set', '--replication', '2'], 120_000)
      await sleep(afterMs)
      await cluster.kill(victim)
      await cluster.startRole(victim)
      let load = await running
      // The command may be refused where the process that died had not taken the load yet.
      if (load.code === 1 && !load.stderr.includes('submitted load')) {
        load = await cluster.cli(['fs', 'distributedLoad', '-A', '/ns/set', '--replication', '2'], 120_000)
      }
      expect(load.code, `${what}: ${load.stderr}`).toBe(0)
      stop.abort()
      expect(
        (await readers).every((looks) => looks > 0),
        what,
      ).toBe(true)
      const versions = new Map(dataset.map(({ key }) => [key, version + 1]))
      expect(await oracle.problems('ns', dataset, 2, versions), what).toEqual([])
      version += 1
    })
  }

  it('a load that fails or is cancelled leaves the old version', async () => {
    const bucket = origin.bucket('data')
    replaceAtOrigin(version + 1)
    const poisoned = parts[0]?.key ?? ''
    bucket.put(poisoned, Buffer.alloc(9), { storageClass: 'GLACIER' })
    const failed = await cluster.cli(['fs', 'distributedLoad', '-A', '/ns/set', '--replication', '2'], 120_000)
    expect(failed.code, failed.stderr).toBe(1)
    expect(failed.stderr).toContain('nothing was swapped in')
    const versions = new Map(dataset.map(({ key }) => [key, version]))
    expect(await oracle.problems('ns', dataset, 2, versions)).toEqual([])
    replaceAtOrigin(version + 1)
    const submitted = await cluster.cli(['fs', 'distributedLoad', '-A', '--async', '/ns/set', '--replication', '2'])
    const loadId = /L\d+/.exec(submitted.stdout)?.[0] ?? ''
    const refused = await cluster.cli(['fs', 'distributedLoad', '/ns/set/small'])
    const cancelled = await cluster.cli(['job', 'cancel', loadId])
    const state = await cluster.cli(['job', 'stat', loadId, '--format', 'json'])
    // It may have been quicker than the cancelling; then it is whole as well.
    const isIn = state.stdout.includes('COMPLETED')
    if (!isIn) expect([refused.code, cancelled.code], refused.stderr).toEqual([1, 0])
    if (isIn) for (const { key } of dataset) versions.set(key, version + 1)
    expect(await oracle.problems('ns', dataset, 2, versions)).toEqual([])
  })
})
