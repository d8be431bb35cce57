// Why: `skein tune` promises to spend what it says, and to measure what loads will meet. How: a
// whole Skein and the project's own origin, whose counters say what was really asked.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProbeDocument } from '../../src/tuning/probe-document.ts'
import type { PointSummary } from '../../src/tuning/sweep-state.ts'
import { LocalSkein, storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

let origin: Origin
let skein: LocalSkein

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['large', 'small'], seed: 11 })
  for (const number of [1, 2, 3, 4]) origin.bucket('large').generate(`part-${number}`, 12_000_000)
  origin.bucket('small').generateMany('data/', 400, 16_384)
  skein = await LocalSkein.start({ quota: '300MB' })
  for (const name of ['large', 'small'])
    expect(await skein.createNamespace(name, origin, name)).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await skein?.dispose()
  await origin?.close()
})

const probe = (...words: readonly string[]): Promise<ProbeDocument> => skein.json('tune', 'probe', ...words)

describe('tune probe', () => {
  it('spends what it says and no more than its bounds, and caches nothing', async () => {
    await skein.cli('fs', 'ls', '/large')
    const { requests, objectBytes } = origin.counters
    const before = { get: requests.get, head: requests.head, objectBytes }
    const found = await probe('large', '--bytes', '24MB', '--requests', '120', '--range', '256KB', '--connections', '8')
    const { counters } = origin
    const sent = counters.requests.get - before.get + (counters.requests.head - before.head)
    expect(found.spent.requests).toBe(sent)
    expect(sent).toBeLessThanOrEqual(120)
    expect(counters.objectBytes - before.objectBytes).toBeLessThanOrEqual(24 * 1024 ** 2 + 100)
    expect(found.spent.bytes).toBeGreaterThan(4_000_000)
    expect(found.roundTripMs?.least).toBeGreaterThan(0)
    expect(found.knee?.bytesPerSecond).toBeGreaterThan(0)
    expect(found.rungs.every(({ failed, slowDowns }) => failed === 0 && slowDowns === 0)).toBe(true)
    expect(found.disks).toMatchObject([{ problem: '' }])
    expect(found.disks[0]?.bytesPerSecond).toBeGreaterThan(0)
    expect(readdirSync(join(found.disks[0]?.path ?? '', 'temp'))).toEqual([])
    expect(await skein.json('fs', 'stat', '/large/part-1')).toMatchObject({ cachedBytes: 0 })
  })

  it('reads small objects whole, one request each', async () => {
    const found = await probe('/small', '--no-disks', '--connections', '2', '--requests', '200')
    expect(found).toMatchObject({ objects: { count: 400, medianBytes: 16_384 }, disks: [] })
    const rates = found.rungs.map(({ bytesPerSecond, requestsPerSecond }) => bytesPerSecond / requestsPerSecond)
    for (const each of rates) expect(each).toBeCloseTo(16_384)
  })

  it('is used by recommend, which asks nothing of the store for a file', async () => {
    const file = join(skein.folder, 'store.json')
    expect((await skein.cli('tune', 'probe', 'large', '--no-disks', '--write', file, '--bytes', '8MB')).code).toBe(0)
    const { get, head } = origin.counters.requests
    const { code, stdout } = await skein.cli('tune', 'recommend', '/large', '--probe', file)
    expect([code, stdout]).toEqual([0, expect.stringMatching(/# Store: \d+ requests at once/)])
    expect([origin.counters.requests.get, origin.counters.requests.head]).toEqual([get, head])
  })

  // The last: afterwards the worker asks this store less for a while.
  it('stops at a store that asks to slow down, and tells how long it does', async () => {
    origin.faults.add({ kind: 'slow_down', on: 'get', times: 30 })
    try {
      const found = await probe('large', '--no-disks', '--time', '20s')
      expect(found.endedBy).toBe('slow_down')
      expect(found.slowDown?.answers).toBeGreaterThan(2)
      expect(found.rungs.at(-1)).toMatchObject({ endedBy: 'slow_down' })
    } finally {
      origin.faults.clear()
    }
  })
})

describe('tune sweep', () => {
  const state = (): string => join(skein.folder, `sweep-${Math.random()}.json`)

  it('measures in the cluster of the path what a load is given', async () => {
    const before = origin.counters.requests.get
    const words = ['--param', 'skein.load.active.jobs=1,64', '--runs', '2', '--state', state()]
    const found = await skein.json<{ best: unknown; points: PointSummary[] }>('tune', 'sweep', '/small', ...words)
    expect(found.points.map(({ runs, failed, problem }) => [runs, failed, problem])).toEqual([
      [2, 0, ''],
      [2, 0, ''],
    ])
    expect(found.best).not.toBeNull()
    expect(origin.counters.requests.get - before).toBe(4 * 400)
  })

  it('measures settings of roles in clusters of its own, and leaves none of them behind', async () => {
    const own = join(skein.folder, 'own')
    mkdirSync(own)
    const profile = join(skein.folder, 'best.properties')
    const secrets = storeFlags(origin.url).slice(-4)
    const words = [
      ...['--own', '--folder', own, '--param', 'fs.cosn.upload_thread_pool=1,16', '--runs', '1'],
      ...['--state', state(), '--write', profile, '-Dfs.cosn.read.ahead.block.size=16KB'],
    ]
    const { stdout, stderr } = await skein.cli('--format', 'json', 'tune', 'sweep', '/small', ...words, ...secrets)
    const { points } = JSON.parse(stdout === '' ? stderr : stdout) as { points: PointSummary[] }
    for (const { problem, failed, peakBytes = 0, processorSeconds = 0, filesPerSecond = 0 } of points) {
      expect([problem, failed]).toEqual(['', 0])
      expect(peakBytes).toBeGreaterThan(40 * 1024 ** 2)
      expect(processorSeconds).toBeGreaterThan(0)
      expect(filesPerSecond).toBeGreaterThan(0)
    }
    expect(points).toHaveLength(2)
    expect(readdirSync(own)).toEqual([])
    const best = readFileSync(profile, 'utf8')
    expect(best).toMatch(/^# Made by skein tune sweep \/small, /)
    expect(best).toMatch(/\nfs\.cosn\.read\.ahead\.block\.size=16KB\n[\s\S]*fs\.cosn\.upload_thread_pool=(1|16)\n/)
    expect(await skein.cli('tune', 'check', profile)).toMatchObject({ code: 0 })
    expect(await skein.json('fs', 'stat', '/small/data/0000001')).toMatchObject({ folder: false })
  })

  it('tells of a value with which no role starts, and goes on', async () => {
    const words = ['--own', '--param', 'goosefs.job.worker.threadpool.size=4,1000', '--runs', '1', '--state', state()]
    const fixed = ['-Dgoosefs.job.worker.max.active.task.num=8', '-Dfs.cosn.upload_thread_pool=4']
    const secrets = storeFlags(origin.url).slice(-4)
    const found = await skein.json<{ points: PointSummary[] }>(
      'tune',
      'sweep',
      '/small',
      ...words,
      ...fixed,
      ...secrets,
    )
    const problem = expect.stringMatching(/did not start: .*threadpool\.size: 1000 is above/)
    expect(found.points).toMatchObject([
      { problem: '', isBest: true },
      { problem, runs: 0, isBest: false },
    ])
  })
})
