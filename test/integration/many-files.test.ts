// Why: a load of very many small files must begin before it is listed, stay small in Redis and in
// what is planned, and answer meanwhile. How: thousands of objects whose listing is held up at
// first and comes at once then, with a small window, on a real Redis with one process a role; the
// load's status and Redis are looked at all the time. scripts/bench/million.ts has the figures.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/read-config.ts'
import { connectCluster } from '../../src/client/connect.ts'
import type { Cluster as Client } from '../../src/client/cluster.ts'
import type { LoadStatus } from '../../src/wire/generated/job.ts'
import { Cluster } from '../support/cluster.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const files = ordinaryOrLong(6000, 20_000)
const batchSize = 50
const windowTasks = ordinaryOrLong(8, 16)
const plannedFilesMax = ordinaryOrLong(400, 2000)
const pageFiles = 1000
/** Of BullMQ's own, whatever the number of tasks. */
const redisKeysBesides = 40
const never = new AbortController().signal

describe.skipIf(!redisAvailable)(`${files} small files`, () => {
  let redis: RedisServer
  let origin: Origin
  let cluster: Cluster
  let client: Client

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [{ accessKeyId: 'many-files', secretAccessKey: 'many-files-secret' }] })
    origin.bucket('many').generateMany('data/file-', files, 1024)
    redis = await startRedis()
    cluster = await Cluster.start({
      queueUrl: redis.url,
      workers: 1,
      properties: {
        'skein.load.window.tasks': `${windowTasks}`,
        'skein.load.planned.files.max': `${plannedFilesMax}`,
        'skein.load.listing.wait': '300ms',
      },
    })
    const definitions = { 'skein.home': join(cluster.home, 'client') }
    client = connectCluster(
      loadConfig({ mode: 'client', definitions, environment: { SKEIN_MASTER: cluster.masterAddress } }),
    )
  })

  afterAll(async () => {
    client?.close()
    await cluster?.stop()
    await redis?.dispose()
    await origin?.close()
  })

  it('are loaded while they are listed, in a small window, and the status is there all the time', async () => {
    const created = await cluster.cli([
      ...[
        'ns',
        'create',
        'many',
        's3://many/',
        '--attribute',
        `s3.endpoint=${origin.url}`,
        '--attribute',
        's3.region=us-east-1',
      ],
      ...[
        '--attribute',
        's3.forcePathStyle=true',
        '--secret',
        's3.accessKeyId=many-files',
        '--secret',
        's3.secretAccessKey=many-files-secret',
      ],
    ])
    expect(created).toMatchObject({ code: 0 })
    // Half of the pages come late, the others at once.
    origin.faults.add({ kind: 'delay', on: 'list', times: files / pageFiles / 2, delayMs: 400 })
    const options = { replication: 1, activeJobs: 3000, batchSize }
    const { loadId } = await client
      .jobMaster()
      .submitLoad({ path: '/many', requestKey: '', options }, { signal: never })

    const seen: LoadStatus[] = []
    const redisKeys: number[] = []
    let statWhileListing: ReturnType<Cluster['cli']> | undefined
    for (;;) {
      const status = await client.jobMaster().getLoad({ loadId }, { signal: never })
      seen.push(status)
      redisKeys.push(Number(/^:(\d+)/.exec(await redis.command('DBSIZE'))?.[1]))
      if (!status.listingDone && (status.counts?.tasksDone ?? 0) > 0)
        statWhileListing ??= cluster.cli(['job', 'stat', loadId])
      if (status.endedMs > 0) break
      await delay(25)
    }

    const last = seen.at(-1)
    expect(last?.reason).toBe('')
    expect(last).toMatchObject({
      state: 'COMPLETED',
      counts: { files, filesLoaded: files, filesFailed: 0, bytesLoaded: files * 1024 },
    })
    // Work had been done before the listing had ended.
    expect(seen.some((status) => !status.listingDone && (status.counts?.filesLoaded ?? 0) > 0)).toBe(true)
    expect((await statWhileListing)?.code).toBe(0)
    expect((await statWhileListing)?.stdout).toContain('/many')
    // What is out, in Redis, and planned ahead follows the keys, not the load.
    expect(last?.counts?.tasks).toBeGreaterThanOrEqual(files / batchSize)
    expect(Math.max(...seen.map((status) => status.counts?.tasksOut ?? 0))).toBeLessThanOrEqual(windowTasks)
    expect(Math.max(...redisKeys)).toBeLessThanOrEqual(windowTasks + redisKeysBesides)
    const waiting = seen.map(({ counts }) => (counts?.files ?? 0) - (counts?.filesLoaded ?? 0))
    expect(Math.max(...waiting)).toBeLessThanOrEqual(plannedFilesMax + 2 * pageFiles + windowTasks * batchSize)
    // Each object was read once.
    expect(origin.counters.objectBytes).toBe(files * 1024)

    const { names, pageSizes } = await listAll(loadId)
    expect(names.size).toBe(files)
    expect(Math.max(...pageSizes)).toBeLessThan(pageFiles + batchSize)
    expect(await read(`/many/data/file-0002345`)).toEqual(origin.bucket('many').bytesOf('data/file-0002345'))
  })

  async function listAll(loadId: string): Promise<{ names: Set<string>; pageSizes: number[] }> {
    const names = new Set<string>()
    const pageSizes: number[] = []
    let pageToken = ''
    do {
      const page = await client
        .jobMaster()
        .listLoadFiles({ loadId, pageToken, limit: pageFiles, failedOnly: false }, { signal: never })
      for (const file of page.files) if (file.state === 'DONE') names.add(file.path)
      pageSizes.push(page.files.length)
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    return { names, pageSizes }
  }

  async function read(path: string): Promise<Buffer> {
    const chunks: Uint8Array[] = []
    for await (const chunk of client.readFile(path, never)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }
})
