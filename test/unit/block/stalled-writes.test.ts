// Room that a writer reserves and does not fill, when another one needs it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { BlockHeader } from '../../../src/block/block-store.ts'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import type { TieredStore } from '../../../src/block/tier/tiered-store.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'

const mib = 1024 * 1024
const quotaBytes = 32 * mib
/** Longer than a busy machine keeps a test from writing. */
const stallMs = 2000
const header = (blockId: number, length: number): BlockHeader => ({
  blockId,
  length,
  namespaceId: 'n',
  key: 'k',
  etag: 'e',
  offset: 0,
})
const fails = (code: string, reason: string) => ({ code, reason })

let cleanUp: () => Promise<void> = () => Promise.resolve()
afterEach(() => cleanUp())

async function open(): Promise<{ store: TieredStore; metrics: MetricRegistry }> {
  const folder = mkdtempSync(join(tmpdir(), 'skein-stalled-'))
  const metrics = new MetricRegistry()
  const store = await openTiers({
    tiers: [[{ path: join(folder, 'blocks'), tier: 'MEM', mediumType: 'MEM', quotaBytes }]],
    workerId: 'w',
    annotator: { kind: 'LRU' },
    stallMs,
    leastBytesPerSecond: mib,
    events: { added: () => undefined, removed: () => undefined },
    clock: systemClock,
    logger: silentLogger,
    metrics,
  })
  cleanUp = async () => {
    await store.close()
    rmSync(folder, { recursive: true, force: true })
  }
  return { store, metrics }
}

describe('a reservation that does not grow', () => {
  it('is given up for a writer that finds no room, for a small block too', async () => {
    const { store, metrics } = await open()
    const idle = await store.reserve(header(1, quotaBytes))
    await idle.write(Buffer.alloc(10))
    await store.put(header(2, 100), Buffer.alloc(100))
    expect(store.has(2)).toBe(true)
    await expect(idle.write(Buffer.alloc(10))).rejects.toMatchObject(fails('aborted', 'reservation_ended'))
    expect(metrics.get('skein_worker_reservations_aborted_total')).toBe(1)
    const again = await store.reserve(header(1, mib))
    await again.abort()
  })

  it('keeps its room as long as nobody else needs it', async () => {
    const { store } = await open()
    const idle = await store.reserve(header(1, 4))
    await store.put(header(2, 100), Buffer.alloc(100))
    await systemClock.sleep(2 * stallMs, new AbortController().signal)
    await idle.write(Buffer.alloc(4))
    await idle.commit()
    expect(store.has(1)).toBe(true)
  })

  it('is not given up where its room would not be enough', async () => {
    const { store } = await open()
    await store.put(header(3, 20 * mib), Buffer.alloc(20 * mib))
    const idle = await store.reserve(header(1, 2 * mib))
    await expect(store.reserve(header(2, 16 * mib))).rejects.toMatchObject(fails('resource_exhausted', 'no_capacity'))
    expect(idle.ended).toBe(false)
  })

  it('is left to its load, which was planned as a whole', async () => {
    const { store } = await open()
    const idle = await store.reserve(header(1, quotaBytes), { loadId: 'l' })
    await expect(store.put(header(2, 100), Buffer.alloc(100), { loadId: 'l' })).rejects.toMatchObject(
      fails('resource_exhausted', 'no_capacity'),
    )
    expect(idle.ended).toBe(false)
  })
})

describe('a reservation that grows', () => {
  it('keeps its room, and is committed', async () => {
    const { store } = await open()
    const busy = await store.reserve(header(1, quotaBytes))
    const refused = expect(store.put(header(2, 100), Buffer.alloc(100))).rejects.toMatchObject(
      fails('resource_exhausted', 'no_capacity'),
    )
    for (let written = 0; written < quotaBytes; written += mib) {
      await busy.write(Buffer.alloc(mib))
      await systemClock.sleep(stallMs / 16, new AbortController().signal)
    }
    await refused
    await busy.commit()
    expect(store.has(1)).toBe(true)
  })
})
