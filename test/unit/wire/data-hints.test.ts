// For whom a block is written travels with it, over every way into a worker, and never with a
// neighbour's blocks.
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { BlockStore, WriteHints as StoreHints } from '../../../src/block/block-store.ts'
import { createDataHandlers } from '../../../src/cache-worker/data-handlers.ts'
import { LocalBlockTarget } from '../../../src/cache-worker/local-block-target.ts'
import { createWorkerService } from '../../../src/cache-worker/block-calls.ts'
import type { BlockTarget } from '../../../src/client/write/block-target.ts'
import { HttpBlockTarget } from '../../../src/client/write/http-block-target.ts'
import { ShortCircuitBlockTarget } from '../../../src/client/write/short-circuit-block-target.ts'
import { openBlockStore } from '../../../src/block/assembly/multi-directory-store.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import {
  decodeHints,
  decodeStoreObject,
  encodeHints,
  encodeStoreObject,
  type WriteHints,
} from '../../../src/wire/data/data-plane.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  noEviction,
  storeDependencies,
  temporaryFolder,
} from '../../conformance/support/block-store-fixture.ts'
import { client, noStores, serve } from './support/data-plane-fixture.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function house() {
  const folder = await temporaryFolder()
  const deps = storeDependencies()
  const directory = { path: folder.path, tier: 'SSD', mediumType: 'SSD', quotaBytes: 64 * mebibyte }
  const real = await openBlockStore({ directories: [directory], workerId: 'w', ...deps })
  const seen = new Map<number, StoreHints | undefined>()
  const store: BlockStore = new Proxy<BlockStore>(real, {
    get: (target, name) => {
      if (name === 'reserve')
        return (header: { blockId: number }, hints?: StoreHints) => (
          seen.set(header.blockId, hints),
          real.reserve(header as never)
        )
      if (name === 'put')
        return (header: { blockId: number }, bytes: Uint8Array, hints?: StoreHints) => (
          seen.set(header.blockId, hints),
          real.put(header as never, bytes)
        )
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const server = await serve(
    createDataHandlers({ store, metrics: deps.metrics, clock: systemClock, readStore: noStores }),
  )
  const http = new HttpBlockTarget('w', server.address, client())
  const { service } = createWorkerService({
    workerId: 'w',
    hostname: 'h',
    home: '',
    store,
    eviction: noEviction,
    clock: systemClock,
  })
  const short = new ShortCircuitBlockTarget({
    workerId: 'w',
    worker: service,
    http,
    directoriesOf: async () => real.usage().map(({ path }) => path),
    clock: systemClock,
    logger: silentLogger,
  })
  cleanups.push(async () => {
    short.close()
    await real.close()
    await folder.remove()
  })
  const targets: Record<'http' | 'short circuit' | 'in process', BlockTarget> = {
    http,
    'short circuit': short,
    'in process': new LocalBlockTarget('w', store),
  }
  return { seen, targets, real }
}

const cases: readonly [WriteHints, boolean, string | undefined][] = [
  [{}, false, undefined],
  [{ evict: true }, true, undefined],
  [{ loadId: 'load ä/1' }, false, 'load ä/1'],
  [{ evict: true, loadId: 'load-2' }, true, 'load-2'],
]

describe('write hints', () => {
  test('reach the store over every way, for streamed and for small blocks', async () => {
    const { seen, targets, real } = await house()
    let blockId = 0
    for (const target of Object.values(targets)) {
      for (const [hints, evict, loadId] of cases) {
        for (const small of [true, false]) {
          blockId += 1
          const header = headerOf(blockId, 5000)
          const bytes = bytesOf(5000, blockId)
          if (small) await target.put({ header, bytes }, never, hints)
          else {
            const sink = await target.open(header, never, hints)
            await sink?.write(bytes)
            await sink?.commit()
          }
          expect(real.has(blockId)).toBe(true)
          expect(seen.get(blockId)?.evict === true).toBe(evict)
          expect(seen.get(blockId)?.loadId).toBe(loadId)
        }
      }
    }
  })

  test('small blocks of several loads that are put at once keep their own', async () => {
    const { seen, targets } = await house()
    const { http } = targets
    await Promise.all(
      Array.from({ length: 600 }, (_, blockId) =>
        http.put({ header: headerOf(blockId, 50), bytes: bytesOf(50, blockId) }, never, {
          loadId: `load-${blockId % 3}`,
          evict: blockId % 2 === 0,
        }),
      ),
    )
    expect(seen.size).toBe(600)
    for (const [blockId, hints] of seen)
      expect(hints).toEqual({ loadId: `load-${blockId % 3}`, evict: blockId % 2 === 0 })
  })

  test('what cannot be read is refused', () => {
    expect(decodeHints(encodeHints({ loadId: '' }))).toEqual({ evict: false })
    for (const load of ['%zz', '', 'x'.repeat(201)]) {
      expect(() => decodeHints({ 'x-skein-load': load })).toThrow('the id of the load is malformed')
    }
  })
})

test('the block that is read from a store is named, or nothing is', () => {
  const block = { blockId: 7, offset: 0, length: 3 }
  const named = { key: 'k\u0000"', etag: 'e', block }
  expect(decodeStoreObject(encodeStoreObject(named))).toEqual(named)
  expect(decodeStoreObject(encodeStoreObject({ key: 'k', etag: 'e' }))).toEqual({ key: 'k', etag: 'e' })
  for (const bad of [{ ...block, length: 0 }, { ...block, offset: -1 }, { ...block, blockId: 1.5 }, {}, null, 'x']) {
    const text = Buffer.from(JSON.stringify({ key: 'k', etag: 'e', block: bad })).toString('base64url')
    expect(() => decodeStoreObject(text)).toThrow('is missing or malformed')
  }
})
