// The file system of the library over real processes: 100,000 names in pages, and reads of all
// kinds that give the bytes of the store while a worker is killed. One program is on the host of a
// worker and reads block files, the other one is elsewhere.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { connect, type FileHandle, type FileSystem, type ListOptions } from '../../src/client/library.ts'
import { Cluster } from '../support/cluster.ts'
import { storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'

const names = 100_000
const mebibyte = 1024 * 1024
const content = Buffer.alloc(24 * mebibyte + 4321)
const random = seededRandom(20_261_129)
for (let at = 0; at + 4 <= content.length; at += 4) content.writeUInt32LE(Math.floor(random() * 2 ** 32), at)

describe.skipIf(!redisAvailable)('the file system of the library', () => {
  let redis: RedisServer
  let origin: Origin
  let cluster: Cluster
  let near: FileSystem
  let far: FileSystem

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    origin.bucket('data').generateMany('names/n', names, 10)
    origin.bucket('data').put('big', content)
    redis = await startRedis()
    cluster = await Cluster.start({ queueUrl: redis.url })
    const program = (hostname: string): FileSystem =>
      connect({
        master: cluster.masterAddress,
        home: join(cluster.home, 'client'),
        properties: { 'goosefs.worker.hostname': hostname, 'skein.user.read.ahead.memory': '16MB' },
      })
    near = program('host-1')
    far = program('elsewhere')
    const block = ['--attribute', `fs.cosn.block.size=${4 * mebibyte}`]
    const flags = [...storeFlags(origin.url), ...block]
    expect(await cluster.cli(['ns', 'create', 'data', 's3://data/', ...flags])).toMatchObject({ code: 0 })
    const load = await cluster.cli(['fs', 'distributedLoad', '/data/big', '--replication', '2'])
    expect(load).toMatchObject({ code: 0 })
  })

  afterAll(async () => {
    await near?.close()
    await far?.close()
    await cluster?.stop()
    await redis?.dispose()
    await origin?.close()
  })

  async function list(options: ListOptions): Promise<string[]> {
    const found: string[] = []
    for await (const page of near.list('/data/names', options)) {
      expect(page.length).toBeLessThanOrEqual(options.pageSize ?? 1000)
      found.push(...page.map(({ name }) => name))
    }
    return found
  }

  it('lists 100,000 names in pages, all of them or a part', async () => {
    const all = Array.from({ length: names }, (_, index) => `n${String(index).padStart(7, '0')}`)
    expect(await list({ recursive: true })).toEqual(all)
    const lists = origin.counters.requests.list
    expect(await list({ prefix: 'n00500', pageSize: 7 })).toEqual(all.slice(50_000, 50_100))
    expect(await list({ startAfter: 'n0099989x', recursive: true })).toEqual(all.slice(99_990))
    expect(await list({ prefix: 'n0012', startAfter: 'n0012998' })).toEqual([all[12_999]])
    expect(origin.counters.requests.list).toBe(lists)
  })

  it('reads right while a worker is killed', async () => {
    const handles = await Promise.all([near, far].map((files) => files.open('/data/big')))
    expect((await near.blockLocations('/data/big')).map(({ hosts }) => [...hosts].sort())).toEqual(
      Array.from({ length: 7 }, () => ['host-1', 'host-2']),
    )
    const isRight = async (handle: FileHandle, from: number, length: number): Promise<boolean> => {
      const into = Buffer.alloc(length)
      const got = await handle.read(into, from)
      const wanted = content.subarray(from, from + length)
      return got === wanted.length && into.subarray(0, got).equals(wanted)
    }
    const results: boolean[] = []
    const sequential = async (handle: FileHandle): Promise<void> => {
      for (let at = 0; at < content.length; at += 100_000) results.push(await isRight(handle, at, 100_000))
    }
    const scattered = async (handle: FileHandle): Promise<void> => {
      for (let count = 0; count < 150; count += 1) {
        const from = Math.floor(random() * content.length)
        results.push(await isRight(handle, from, 1 + Math.floor(random() * 600_000)))
      }
    }
    const streamed = async (handle: FileHandle): Promise<void> => {
      const chunks: Uint8Array[] = []
      for await (const chunk of handle.stream({ offset: 1000 })) chunks.push(chunk)
      results.push(Buffer.concat(chunks).equals(content.subarray(1000)))
    }
    const reading = handles.flatMap((handle) => [sequential(handle), scattered(handle), streamed(handle)])
    await expect.poll(() => results.length, { interval: 1 }).toBeGreaterThan(100)
    await cluster.kill('worker-1')
    await Promise.all(reading)
    const afterwards = results.length
    for (const handle of handles) await Promise.all([sequential(handle), scattered(handle), streamed(handle)])
    expect(results.every(Boolean)).toBe(true)
    expect(results.length).toBe(2 * afterwards)
    for (const handle of handles) await handle.close()
  })
})
