// Why: a budget of bytes a second must hold on the way from the command to the store. How: real
// processes, and an origin that counts what it gives. Only what a slow machine cannot break is
// asserted: that nothing went faster than it may. The exact figures are measured by
// scripts/bench/bandwidth.ts.
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config/read-config.ts'
import { connectCluster } from '../../src/client/connect.ts'
import type { Cluster as Client } from '../../src/client/cluster.ts'
import type { LoadOptions, LoadStatus } from '../../src/wire/generated/job.ts'
import { LocalSkein, oneLine } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

const mib = 1024 ** 2
const never = new AbortController().signal

describe('budgets', () => {
  let origin: Origin
  let skein: LocalSkein
  let client: Client
  /** When bytes were given out, by folder. */
  const given = new Map<string, { atMs: number; bytes: number }[]>()

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    for (const folder of ['a', 'b', 'c', 'd']) origin.bucket('data').generateMany(`${folder}/`, 24, mib)
    origin.bucket('data').generateMany('small/', 2000, 8 * 1024)
    origin.counters.onObjectBytes = (key, bytes) => {
      const folder = key.split('/', 1)[0] ?? ''
      given.set(folder, [...(given.get(folder) ?? []), { atMs: performance.now(), bytes }])
    }
    skein = await LocalSkein.start({ properties: { 'skein.load.batch.bytes': '4MB' } })
    for (const [name, ...more] of [['free'], ['held', '--attribute', 'bandwidth=8MB/s']] as const)
      expect(await skein.createNamespace(name, origin, 'data', more)).toMatchObject({ code: 0 })
    const definitions = { 'skein.home': join(skein.folder, 'client') }
    const environment = { SKEIN_MASTER: skein.addresses()['master'] ?? '' }
    client = connectCluster(loadConfig({ mode: 'client', definitions, environment }))
  }, 120_000)

  afterAll(async () => {
    client?.close()
    await skein?.dispose()
    await origin?.close()
  })

  const submit = async (path: string, options: Partial<LoadOptions>): Promise<string> => {
    const all = { replication: 1, activeJobs: 3000, batchSize: 0, ...options }
    return (await client.jobMaster().submitLoad({ requestKey: '', path, options: all }, { signal: never })).loadId
  }
  const ended = async (loadId: string): Promise<LoadStatus> => {
    for (;;) {
      const status = await client.jobMaster().getLoad({ loadId }, { signal: never })
      if (status.endedMs > 0) return status
      await delay(50)
    }
  }
  /**
   * Bytes a second from the first to the last that were given out of these folders, what came first
   * not counted.
   */
  const rateOf = (...folders: string[]): number => {
    const all = folders.flatMap((folder) => given.get(folder) ?? []).toSorted((x, y) => x.atMs - y.atMs)
    const [first, last] = [all[0], all.at(-1)]
    if (first === undefined || last === undefined) throw new Error('nothing was given out')
    return ((all.reduce((sum, { bytes }) => sum + bytes, 0) - first.bytes) * 1000) / (last.atMs - first.atMs)
  }

  it('a load keeps to its own, of large objects and of small ones', async () => {
    const loads = [
      await submit('/free/a/', { bandwidth: '8MB/s' }),
      await submit('/free/small/', { bandwidth: '8MB/s' }),
    ]
    for (const loadId of loads) expect(await ended(loadId)).toMatchObject({ state: 'COMPLETED' })
    expect(rateOf('a')).toBeLessThan(8 * mib * 1.3)
    expect(rateOf('small')).toBeLessThan(8 * mib * 1.3)
  })

  it('loads of a namespace share what it has, while another namespace is free', async () => {
    const loads = [
      await submit('/held/b/', { priority: 30 }),
      await submit('/held/c/', {}),
      await submit('/free/d/', {}),
    ]
    for (const loadId of loads) expect(await ended(loadId)).toMatchObject({ state: 'COMPLETED' })
    expect(rateOf('b', 'c')).toBeLessThan(8 * mib * 1.3)
    const lastOf = (folder: string): number => given.get(folder)?.at(-1)?.atMs ?? 0
    expect(lastOf('d')).toBeLessThan(Math.max(lastOf('b'), lastOf('c')))
  })

  it('what cannot be is refused in one line, before anything is loaded', async () => {
    const refusal = (options: Partial<LoadOptions>): Promise<unknown> =>
      submit('/free/a/', options).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
    expect(await refusal({ bandwidth: '0' })).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('a rate of 0'),
    })
    expect(await refusal({ bandwidth: '08:00-20:00=1MB/s' })).toMatchObject({
      message: expect.stringContaining('has no rate for 00:00-08:00'),
    })
    expect(await refusal({ priority: 101 })).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('from 1 to 100'),
    })
    expect(await refusal({ maxFailures: 'some' })).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('--max-failures'),
    })
    const created = await skein.createNamespace('bad', origin, 'data', ['--attribute', 'bandwidth=0MB/s'])
    expect(created.code).not.toBe(0)
    expect(oneLine(created)).toContain('a rate of 0')
  })
})
