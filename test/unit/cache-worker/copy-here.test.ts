// A client may have a block copied to the worker of its host; what cannot be copied is passed over.
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { startDataServer } from '../../../src/wire/data/data-server.ts'
import { bytesOf, headerOf, never, readWhole } from '../../conformance/support/block-store-fixture.ts'
import { makeWorker, until } from './support/worker-fixture.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

test('copyHere fetches blocks from the worker that has them', async () => {
  const source = await makeWorker()
  cleanups.push(source.close)
  const target = await makeWorker()
  cleanups.push(target.close)
  const handlers = source.worker.dataHandlers
  const server = await startDataServer({
    host: '127.0.0.1',
    port: 0,
    handlers,
    logger: silentLogger,
    clock: systemClock,
  })
  cleanups.push(() => server.close(0))
  for (const id of [1, 3]) await source.store.put(headerOf(id, 5000), bytesOf(5000, id))
  const blocks = [1, 2, 3].map((blockId) => ({ blockId, dataAddress: server.address }))
  expect(await target.worker.workerService.copyHere({ blocks }, { signal: never })).toEqual({})
  await until(() => target.store.has(1) && target.store.has(3) && target.logged('a replica could not be copied') === 1)
  for (const id of [1, 3]) expect((await readWhole(target.store, id)).equals(bytesOf(5000, id))).toBe(true)
  expect(target.store.has(2)).toBe(false)
  // Asked again, it is there: nothing is fetched.
  await target.worker.workerService.copyHere({ blocks: blocks.slice(0, 1) }, { signal: never })
  expect(target.store.blockCount).toBe(2)
})

test('reads of clients of this host are counted apart', async () => {
  const { worker, store, deps, close } = await makeWorker()
  cleanups.push(close)
  await store.put(headerOf(1, 5000), bytesOf(5000, 1))
  for (const host of ['host-1', 'host-2', undefined]) {
    const { chunks } = await worker.dataHandlers.read(1, 0, 1000, never, host)
    for await (const chunk of chunks) expect(chunk.length).toBe(1000)
  }
  expect(deps.metrics.get('skein_worker_read_bytes_total', { source: 'local' })).toBe(1000)
  expect(deps.metrics.get('skein_worker_read_bytes_total', { source: 'remote' })).toBe(2000)
})
