// Why: a service runs for months; what each load leaves behind adds up. How: objects are made,
// loaded and deleted, cycle after cycle, with a process for each role and a real Redis. When it is
// over, everything that a role counts or holds must be back where it was after the first few
// cycles: blocks, files, open descriptors, keys of Redis, the heap. SKEIN_TEST_LONG=1: 200 cycles.
import { readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/read-config.ts'
import { connectCluster } from '../../src/client/connect.ts'
import type { Cluster as Client } from '../../src/client/cluster.ts'
import { Cluster } from '../support/cluster.ts'
import { contentOf, objects } from '../support/dataset.ts'
import { storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const cycles = ordinaryOrLong(8, 200)
const firstCycles = 4
const roles = ['master', 'job-master', 'worker-1', 'job-worker-1'] as const
const dataset = [...objects('large', 2, 3 * 1024 ** 2 + 5), ...objects('small', 100, 8 * 1024)]
const never = new AbortController().signal
const mib = 1024 ** 2

interface Figures {
  readonly heapBytes: number
  readonly descriptors: number
}

describe.skipIf(!redisAvailable)(`${cycles} cycles of create, load and delete`, () => {
  let origin: Origin
  let redis: RedisServer
  let cluster: Cluster
  let client: Client

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    redis = await startRedis()
    // Each role collects its garbage while it is looked at: what is left is in use.
    const properties = { 'skein.load.history.max': '2', 'skein.memory.idle.collect': '1s' }
    cluster = await Cluster.start({ queueUrl: redis.url, workers: 1, properties })
    const made = await cluster.cli(['ns', 'create', 'one', 's3://data/', ...storeFlags(origin.url)])
    if (made.code !== 0) throw new Error(made.stderr)
    client = connectCluster(
      loadConfig({
        mode: 'client',
        definitions: {},
        environment: { SKEIN_MASTER: cluster.masterAddress, SKEIN_HOME: cluster.home },
      }),
    )
  })

  afterAll(async () => {
    client?.close()
    await cluster?.stop()
    await redis?.dispose()
    await origin?.close()
  })

  async function cycle(): Promise<void> {
    for (const { key, length } of dataset) origin.bucket('data').put(`d/${key}`, contentOf(key, length))
    const options = { replication: 1, activeJobs: 100, batchSize: 0 }
    const { loadId } = await client
      .jobMaster()
      .submitLoad({ requestKey: '', path: '/one/d/', options }, { signal: never })
    for (;;) {
      const { state, counts } = await client.jobMaster().getLoad({ loadId }, { signal: never })
      if (state === 'COMPLETED') break
      if (state === 'FAILED' || state === 'PARTIAL')
        throw new Error(`the load ended ${state}: ${JSON.stringify(counts)}`)
      await delay(50)
    }
    const { code, stderr } = await cluster.cli(['fs', 'rm', '-R', '/one/d/'])
    if (code !== 0) throw new Error(stderr)
  }

  async function metric(role: string, name: string): Promise<number> {
    const text = await (await fetch(`http://${cluster.webAddress(role)}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN)
  }

  async function figuresOf(role: string): Promise<Figures> {
    const heaps: number[] = []
    const descriptors: number[] = []
    for (let sample = 0; sample < 24; sample += 1) {
      heaps.push(await metric(role, 'nodejs_heap_size_used_bytes'))
      descriptors.push(readdirSync(`/proc/${cluster.pid(role)}/fd`).length)
      await delay(250)
    }
    return { heapBytes: Math.min(...heaps), descriptors: Math.min(...descriptors) }
  }

  const keys = async (): Promise<number> => Number(/:(\d+)/.exec(await redis.command('DBSIZE'))?.[1])
  const left = async (): Promise<number[]> => [
    await metric('worker-1', 'skein_worker_blocks'),
    await metric('worker-1', 'skein_worker_used_bytes'),
    await metric('master', 'skein_master_files'),
  ]

  it('leave nothing behind', async () => {
    for (let n = 0; n < firstCycles; n += 1) await cycle()
    await expect.poll(left).toEqual([0, 0, 0])
    const before = new Map(await Promise.all(roles.map(async (role) => [role, await figuresOf(role)] as const)))
    const keysBefore = await keys()
    for (let n = 0; n < cycles; n += 1) await cycle()
    await expect.poll(left).toEqual([0, 0, 0])
    await expect.poll(keys).toBeLessThanOrEqual(keysBefore)
    for (const role of roles) {
      const was = before.get(role)
      const is = await figuresOf(role)
      expect(is.descriptors, `descriptors of the ${role}`).toBeLessThanOrEqual((was?.descriptors ?? 0) + 4)
      expect(is.heapBytes / mib, `heap of the ${role}, MiB`).toBeLessThanOrEqual(
        ((was?.heapBytes ?? 0) / mib) * 1.15 + 6,
      )
    }
  })
})
