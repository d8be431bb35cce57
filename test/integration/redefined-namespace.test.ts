// Why: `ns update` that names another endpoint must be followed at once by every role: what goes to
// the old store after its answer is lost, or read from the wrong place. How: a process a role, two
// origins with the same objects, the old one slow; while a load and a persist are under way the
// endpoint is changed, and from its answer on the old origin hears nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { contentOf, sha256 } from '../support/dataset.ts'
import { storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { type RedisServer, startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const mebibyte = 1024 * 1024

describe('a namespace that is given another endpoint', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-redefined-'))
  let redis: RedisServer
  let cluster: Cluster
  let old: Origin
  let next: Origin

  beforeAll(async () => {
    redis = await startRedis()
    const options = { credentials: [testCredential], buckets: ['data'] }
    old = await startOrigin(options)
    next = await startOrigin(options)
    cluster = await Cluster.start({ queueUrl: redis.url, properties: { 'fs.cosn.block.size': '1MB' } })
    for (let n = 0; n < 60; n += 1)
      for (const { bucket } of [old, next].map((origin) => ({ bucket: origin.bucket('data') })))
        bucket.put(`in/${n}`, contentOf(`in/${n}`, 3 * mebibyte))
    expect(
      await cluster.cli([
        'ns',
        'create',
        'd',
        's3://data/',
        ...storeFlags(old.url),
        '--attribute',
        'writePolicy=MUST_CACHE',
      ]),
    ).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await cluster?.stop()
    await redis?.stop()
    await old?.close()
    await next?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const requests = ({ counters }: Origin): number =>
    Object.values(counters.requests).reduce((sum, count) => sum + count, 0)
  const point = (to: Origin) => cluster.cli(['ns', 'update', 'd', '--attribute', `s3.endpoint=${to.url}`])

  it('is loaded, written and read from there from the answer on', async () => {
    const file = join(folder, 'out')
    writeFileSync(file, contentOf('out', 40 * mebibyte))
    expect(await cluster.cli(['fs', 'copyFromLocal', file, '/d/out']), 'copied').toMatchObject({ code: 0 })
    old.faults.add(
      { kind: 'delay', on: 'get', times: 100_000, delayMs: 300 },
      { kind: 'delay', on: 'part', times: 1000, delayMs: 6000 },
    )
    const loading = cluster.cli(['fs', 'distributedLoad', '/d/in'])
    const persisting = cluster.cli(['fs', 'persist', '/d/out'])
    await until(
      async () => old.counters.requests,
      ({ get, part }) => get > 5 && part > 0,
      30_000,
    )
    expect(await point(next)).toMatchObject({ code: 0 })
    const then = requests(old)
    const [loaded, persisted] = [await loading, await persisting]
    expect(persisted, `old at ${old.url}, new at ${next.url}: ${persisted.stderr}`).toMatchObject({ code: 0 })
    expect(loaded, loaded.stderr).toMatchObject({ code: 0 })
    const read = await cluster.cli(['fs', 'cat', '/d/in/59'])
    expect(sha256(read.bytes)).toBe(sha256(contentOf('in/59', 3 * mebibyte)))
    expect(requests(old) - then).toBe(0)
    expect(next.bucket('data').sortedKeys).toContain('out')
    // The file is where it is said to be.
    const again = await cluster.cli(['fs', 'distributedLoad', '/d'])
    expect(again.code, again.stderr).toBe(0)
    expect((await cluster.cli(['fs', 'ls', '/d/out'])).stdout).toContain('PERSISTED')
  })
})
