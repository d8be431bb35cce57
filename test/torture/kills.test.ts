// Why: a load must survive the death of anything, at any moment. How: loads run one after the other
// while a random process (master, job master, a worker, a job worker, Redis) is killed with -9 some
// 50 to 800 ms in and started again; every load must end COMPLETED by itself, and every byte is
// read back. Seeded: SKEIN_SEED=n replays, SKEIN_TORTURE=full kills 100 times.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { Cluster } from '../support/cluster.ts'
import { contentOf, objects } from '../support/dataset.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { Oracle } from '../support/oracle.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'

const full = process.env['SKEIN_TORTURE'] === 'full'
const kills = full ? 100 : 6
const seed = Number(process.env['SKEIN_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const credential = { accessKeyId: 'torture', secretAccessKey: 'torture-secret' }
const [largeMiB, smallCount, blockSize] = full ? [24, 400, '8MB'] : [8, 100, '2MB']
const dataset = [...objects('large', 4, largeMiB * 1024 ** 2 + 5), ...objects('small', smallCount, 16 * 1024)]
/** A load takes a second at least, so that a process dies in its middle. */
const bandwidth = full ? 'unlimited' : '30MB/s'

describe.skipIf(!redisAvailable)(`kill -9 of random processes, seed ${seed}`, () => {
  const random = seededRandom(seed)
  let origin: Origin
  let redis: RedisServer
  let cluster: Cluster
  let oracle: Oracle

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [credential] })
    const bucket = origin.bucket('data')
    for (const { key, length } of dataset) bucket.put(key, contentOf(key, length))
    redis = await startRedis()
    cluster = await Cluster.start({
      queueUrl: redis.url,
      quota: '40GB',
      properties: { 'fs.cosn.block.size': blockSize },
    })
    oracle = new Oracle(cluster.masterAddress)
  })

  afterAll(async () => {
    oracle?.close()
    await cluster?.stop()
    await redis?.dispose()
    await origin?.close()
  })

  async function killAndRestart(victim: string): Promise<void> {
    if (victim === 'redis') {
      await redis.kill()
      await redis.start()
    } else {
      await cluster.kill(victim)
      await cluster.startRole(victim)
    }
  }

  for (let round = 1; round <= kills; round += 1) {
    it(`kill ${round}`, async () => {
      const victims = ['master', 'job-master', 'worker-1', 'worker-2', 'job-worker-1', 'job-worker-2', 'redis']
      const victim = victims[Math.floor(random() * victims.length)] ?? 'redis'
      const afterMs = 50 + random() * 750
      const name = `round-${round}`
      const flags = [
        '--attribute',
        `s3.endpoint=${origin.url}`,
        '--attribute',
        's3.region=us-east-1',
        '--attribute',
        's3.forcePathStyle=true',
        '--attribute',
        `bandwidth=${bandwidth}`,
      ]
      const secrets = [
        '--secret',
        `s3.accessKeyId=${credential.accessKeyId}`,
        '--secret',
        `s3.secretAccessKey=${credential.secretAccessKey}`,
      ]
      expect((await cluster.cli(['ns', 'create', name, 's3://data/', ...flags, ...secrets])).stderr).toBe('')
      const running = cluster.cli(['fs', 'distributedLoad', `/${name}`, '--replication', '2'], 90_000)
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      await killAndRestart(victim)
      const load = await running
      const what = `${victim} after ${afterMs.toFixed(0)} ms: ${load.stderr}`
      // The command may itself be refused while the master or job master is away before it has
      // submitted: then once more.
      if (load.code === 1 && !load.stderr.includes('submitted load')) {
        const again = await cluster.cli(['fs', 'distributedLoad', `/${name}`, '--replication', '2'], 90_000)
        expect(again.code, `${what} then ${again.stderr}`).toBe(0)
      } else expect(load.code, what).toBe(0)
      expect(await oracle.problems(name, dataset, 2), what).toEqual([])
    })
  }
})
