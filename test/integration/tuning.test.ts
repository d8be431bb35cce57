// Why: `skein tune` promises to spend what it says, and to measure what loads will meet. How: a
// whole Skein and the project's own origin, whose counters say what was really asked.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProbeDocument } from '../../src/tuning/probe-document.ts'
import { LocalSkein } from '../support/local-skein.ts'
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
