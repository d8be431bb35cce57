// Why: replicas are kept by the cluster itself: a lost one comes from a living one, never again
// from the store, and what is too much goes. How: a process a role, three workers, one of them
// killed; the origin counts what is read from it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { contentOf, objects } from '../support/dataset.ts'
import { storeFlags } from '../support/local-skein.ts'
import { Oracle } from '../support/oracle.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const dataset = [...objects('large', 2, 3 * 1024 ** 2 + 7), ...objects('small', 10, 20_000)]

describe.skipIf(!redisAvailable)('replicas', () => {
  let origin: Origin
  let redis: RedisServer
  let cluster: Cluster
  let oracle: Oracle

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [testCredential] })
    for (const { key, length } of dataset) origin.bucket('data').put(key, contentOf(key, length))
    redis = await startRedis()
    cluster = await Cluster.start({
      queueUrl: redis.url,
      workers: 3,
      properties: {
        'fs.cosn.block.size': '1MB',
        'skein.worker.lost.timeout': '3s',
        'skein.master.replication.grace': '500ms',
        'skein.master.replication.interval': '1s',
        'goosefs.master.ttl.checker.interval': '200ms',
      },
    })
    oracle = new Oracle(cluster.masterAddress)
    expect(await cluster.cli(['ns', 'create', 'ns', 's3://data', ...storeFlags(origin.url)])).toMatchObject({ code: 0 })
    expect(await cluster.cli(['fs', 'distributedLoad', '--replication', '2', '/ns'])).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    oracle?.close()
    await cluster?.stop()
    await redis?.dispose()
    await origin?.close()
  })

  const replicas = async (): Promise<number[]> => (await oracle.files('/ns')).map((file) => file.replicas)
  const all = (count: number) => (seen: readonly number[]) =>
    seen.length === dataset.length && seen.every((one) => one === count)
  const setReplication = async (...flags: readonly string[]): Promise<void> => {
    expect(await cluster.cli(['fs', 'setReplication', '-R', ...flags, '/ns'])).toMatchObject({ code: 0, stderr: '' })
  }
  const liveWorkers = async (): Promise<number> => {
    const { stdout } = await cluster.cli(['--format', 'json', 'fsadmin', 'report'])
    return (JSON.parse(stdout) as { liveWorkers: number }).liveWorkers
  }

  it('of a killed worker come back from the living ones, with nothing read from the store', async () => {
    await setReplication('--min', '2')
    const read = origin.counters.objectBytes
    await cluster.kill('worker-1')
    await until(liveWorkers, (live) => live === 2)
    await until(replicas, all(2))
    expect(origin.counters.objectBytes).toBe(read)
    expect(await oracle.problems('ns', dataset, 2)).toEqual([])
    await cluster.startRole('worker-1')
    await until(liveWorkers, (live) => live === 3)
  })

  it('are made up to three, and two of them go at a maximum of one', async () => {
    const read = origin.counters.objectBytes
    await setReplication('--min', '3', '--max', '-1')
    await until(replicas, all(3))
    await setReplication('--min', '0', '--max', '1')
    await until(replicas, all(1))
    expect(await oracle.problems('ns', dataset, 1)).toEqual([])
    const held = async (): Promise<number> =>
      (await oracle.master.listWorkers({}, { signal: new AbortController().signal })).workers.reduce(
        (sum, one) => sum + one.usedBytes,
        0,
      )
    const bytes = dataset.reduce((sum, { length }) => sum + length, 0)
    // Forgotten by the master and gone from the workers' disks; checksums are in the used bytes
    // too.
    await until(held, (used) => used < 2 * bytes)
    expect(origin.counters.objectBytes).toBe(read)
  })

  it('follow two settings in a row: both count', async () => {
    const read = origin.counters.objectBytes
    await setReplication('--max', '2')
    await setReplication('--min', '2')
    await until(replicas, all(2))
    expect((await cluster.cli(['fs', 'stat', `/ns/${dataset[0]?.key}`])).stdout).toMatch(
      /replicationMax=2, replicationMin=2/,
    )
    expect(origin.counters.objectBytes).toBe(read)
  })

  it('are all dropped by a TTL that ends after the master was killed and started again', async () => {
    const path = `/ns/${dataset[0]?.key}`
    expect(await cluster.cli(['fs', 'setTtl', path, '2s', '--action', 'free'])).toMatchObject({ code: 0 })
    await cluster.kill('master')
    await cluster.startRole('master')
    const file = async () => (await oracle.files(path))[0]
    await until(liveWorkers, (live) => live === 3)
    await until(file, (seen) => seen?.cachedBytes === 0 && seen.ttlMs === -1)
    expect(origin.bucket('data').get(dataset[0]?.key ?? '')).toBeDefined()
  })
})
