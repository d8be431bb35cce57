// Why: the main job as its users run it: real Redis, a real S3 gateway, one process a role, the
// command line; then the same with one process killed in the middle. After each the oracle reads
// every byte back.
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { type CountingProxy, startCountingProxy } from '../support/counting-proxy.ts'
import { contentOf, objects, sha256, TestBucket } from '../support/dataset.ts'
import { Oracle } from '../support/oracle.ts'
import { type Radosgw, radosgwInstalled, startRadosgw } from '../support/radosgw.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const available = redisAvailable && radosgwInstalled()
const [largeCount, largeMiB, smallCount] = ordinaryOrLong([4, 16, 300], [16, 64, 5000])
const largeBytes = largeMiB * 1024 ** 2
/** A large object has several blocks. */
const blockSize = `${largeMiB / 4}MB`
const large = objects('large', largeCount, largeBytes)
const small = objects('small', smallCount, 16 * 1024)
const dataset = [...large, ...small]
const datasetBytes = dataset.reduce((sum, object) => sum + object.length, 0)
const faultSet = [
  ...objects('large', ordinaryOrLong(3, 6), largeBytes),
  ...objects('small', ordinaryOrLong(150, 1000), 16 * 1024),
]
/** Of a fault set, when something is broken. */
const brokenAtBytes = ordinaryOrLong(15, 100) * 1024 ** 2
/** Of the store while something is broken: a load takes two seconds at least. */
const slowBytesPerSecond = ordinaryOrLong(25, 100) * 1024 ** 2

describe.skipIf(!available)('the main job on real servers', () => {
  let store: Radosgw
  let redis: RedisServer
  let proxy: CountingProxy
  let slowProxy: CountingProxy
  let cluster: Cluster
  let oracle: Oracle
  const secret = 'testsecretkey'

  beforeAll(async () => {
    store = await startRadosgw({ memoryGiB: 6 })
    redis = await startRedis()
    proxy = await startCountingProxy(store.port)
    slowProxy = await startCountingProxy(store.port, { bytesPerSecond: slowBytesPerSecond })
    const bucket = new TestBucket('main', store)
    await bucket.create()
    await bucket.putAll(dataset)
    const faults = new TestBucket('faults', store)
    await faults.create()
    await faults.putAll(faultSet)
    bucket.close()
    faults.close()
    cluster = await Cluster.start({
      queueUrl: redis.url,
      quota: '8GB',
      properties: { 'fs.cosn.block.size': blockSize },
    })
    oracle = new Oracle(cluster.masterAddress)
  }, 240_000)

  afterAll(async () => {
    oracle?.close()
    await cluster?.stop()
    await proxy?.close()
    await slowProxy?.close()
    await redis?.dispose()
    await store?.stop()
  })

  const create = (name: string, bucket: string, port: number): ReturnType<Cluster['cli']> =>
    cluster.cli([
      ...[
        'ns',
        'create',
        name,
        `s3://${bucket}/`,
        '--attribute',
        `s3.endpoint=http://127.0.0.1:${port}`,
        '--attribute',
        's3.region=us-east-1',
      ],
      ...[
        '--attribute',
        's3.forcePathStyle=true',
        '--secret',
        `s3.accessKeyId=${store.accessKey}`,
        '--secret',
        `s3.secretAccessKey=${secret}`,
      ],
    ])

  const sizes = `${largeCount} x ${largeMiB} MiB and ${smallCount} x 16 KiB`
  it(`loads ${sizes} to two workers, reading the origin once`, async () => {
    expect(await create('main', 'main', proxy.port)).toMatchObject({ code: 0 })
    proxy.reset()
    const load = await cluster.cli(['fs', 'distributedLoad', '/main', '--replication', '2'])
    expect(load.stderr + load.stdout).toContain(
      `Total completed file count is ${dataset.length}, failed file count is 0`,
    )
    expect(load.code).toBe(0)
    // Bodies and headers together: responses of 16 KiB objects carry about 400 bytes of headers,
    // listings some more.
    expect(proxy.bytes()).toBeLessThanOrEqual(datasetBytes * 1.02 + dataset.length * 700)
    expect(await oracle.problems('main', dataset, 2)).toEqual([])
    const location = await cluster.cli(['fs', 'location', `/main/${large[0]?.key ?? ''}`])
    expect(location.stdout.trim().split('\n').slice(1)).toHaveLength(2)
    const ls = await cluster.cli(['fs', 'ls', '-R', '/main'])
    expect(ls.stdout.split('\n').filter((line) => line.includes(' 100% ')).length).toBe(dataset.length)
    const cat = await cluster.cli(['fs', 'cat', `/main/${small[7]?.key ?? ''}`])
    expect(sha256(Buffer.from(cat.stdout, 'utf8')).length).toBe(64)
  })

  it('answers a second load of the same at once, from the cache', async () => {
    proxy.reset()
    const load = await cluster.cli(['fs', 'distributedLoad', '/main', '--replication', '2'])
    expect(load.code).toBe(0)
    expect(load.stderr).toContain(`cached ${dataset.length}`)
    expect(proxy.bytes()).toBeLessThan(datasetBytes / 50)
  })

  it('refuses three replicas on two workers at once', async () => {
    const load = await cluster.cli(['fs', 'distributedLoad', '/main', '--replication', '3'])
    expect(load.code).toBe(1)
    expect(load.stderr).toMatch(/3.*2|2.*3/)
    expect(load.stderr.trim().split('\n')).toHaveLength(1)
  })

  it('keeps namespaces, files and blocks over a kill -9 of the master', async () => {
    await cluster.kill('master')
    await cluster.startRole('master')
    await expect
      .poll(async () => (await oracle.files('/main')).filter((file) => file.replicas === 2).length, {
        timeout: 30_000,
        interval: 500,
      })
      .toBe(dataset.length)
    expect((await cluster.cli(['ns', 'ls'])).stdout).toContain('main')
    expect((await cluster.cli(['job', 'ls'])).stdout).toContain('COMPLETED')
    expect(await oracle.problems('main', dataset.slice(0, 100), 2, new Map(), dataset.length)).toEqual([])
  })

  /** Starts a load, breaks something when a part of it has arrived, and waits for its end. */
  async function withFault(name: string, fault: () => Promise<void>): Promise<void> {
    expect(await create(name, 'faults', slowProxy.port)).toMatchObject({ code: 0 })
    slowProxy.reset()
    const running = cluster.cli(['fs', 'distributedLoad', `/${name}`, '--replication', '2'])
    await expect.poll(() => slowProxy.bytes(), { timeout: 30_000, interval: 20 }).toBeGreaterThan(brokenAtBytes)
    const faultAt = performance.now()
    await fault()
    const load = await running
    const seconds = (performance.now() - faultAt) / 1000
    expect(`${load.stdout}${load.stderr}`).toContain(
      `Total completed file count is ${faultSet.length}, failed file count is 0`,
    )
    expect(load.code).toBe(0)
    expect(seconds).toBeLessThan(60)
    expect(await oracle.problems(name, faultSet, 2)).toEqual([])
  }

  it('survives kill -9 of a job worker', async () => {
    await withFault('f-job-worker', () => cluster.kill('job-worker-1'))
    await cluster.startRole('job-worker-1')
  })

  it('survives kill -9 and restart of the job master', () =>
    withFault('f-job-master', async () => {
      await cluster.kill('job-master')
      await cluster.startRole('job-master')
    }))

  it('survives kill -9 and restart of a worker', () =>
    withFault('f-worker', async () => {
      await cluster.kill('worker-2')
      await cluster.startRole('worker-2')
    }))

  it('survives FLUSHALL', () =>
    withFault('f-flush', async () => {
      await redis.command('FLUSHALL')
    }))

  it('survives a restart of Redis', () =>
    withFault('f-redis', async () => {
      await redis.kill()
      await redis.start()
    }))

  it('survives kill -9 and restart of the master', () =>
    withFault('f-master', async () => {
      await cluster.kill('master')
      await cluster.startRole('master')
    }))

  it('an object overwritten in the middle is wholly one version; a deleted one is named', async () => {
    const bucket = new TestBucket('changing', store)
    await bucket.create()
    const changing = objects('large', 8, largeBytes)
    await bucket.putAll(changing)
    expect((await create('changing', 'changing', slowProxy.port)).code).toBe(0)
    slowProxy.reset()
    const running = cluster.cli(['fs', 'distributedLoad', '/changing'])
    await expect.poll(() => slowProxy.bytes(), { timeout: 30_000, interval: 20 }).toBeGreaterThan(largeBytes)
    // However long the store takes for the change, the load is in its middle.
    slowProxy.hold()
    const [overwritten, deleted] = [changing[6]?.key ?? '', changing[7]?.key ?? '']
    const etag = await bucket.put(overwritten, contentOf(overwritten, largeBytes, 2))
    await bucket.delete(deleted)
    slowProxy.release()
    const load = await running
    bucket.close()
    const left = changing.filter((object) => object.key !== deleted)
    expect(load.code).toBe(3)
    expect(load.stdout).toContain(deleted)
    expect(await oracle.problems('changing', left, 1, new Map([[overwritten, 2]]))).toEqual([])
    expect((await cluster.cli(['fs', 'stat', `/changing/${overwritten}`])).stdout).toContain(etag)
  })

  it('no secret is anywhere on disk, in Redis or in a log', async () => {
    const forms = [secret, Buffer.from(secret).toString('base64').replaceAll('=', ''), encodeURIComponent(secret)]
    await redis.command('BGREWRITEAOF')
    for (const form of forms) {
      const found = (folder: string): string => {
        try {
          return execFileSync('grep', ['-rlaF', form, folder], { encoding: 'utf8' })
        } catch {
          return ''
        }
      }
      expect(found(cluster.home)).toBe('')
      expect(found(redis.directory)).toBe('')
      // The search itself can find something.
      writeFileSync(join(redis.directory, 'planted'), `x${form}x`)
      expect(found(redis.directory)).toContain('planted')
      rmSync(join(redis.directory, 'planted'))
    }
    expect((await cluster.cli(['ns', 'stat', 'main'])).stdout).not.toContain(secret)
  })
})
