// What a worker's blocks are worth must not depend on which master it happens to meet: a worker
// over real directories, and real masters over homes of their own, one of them empty.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { systemRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { openTiers } from '../../../src/block/assembly/open-tiers.ts'
import { BlockChanges } from '../../../src/cache-worker/blocks/block-changes.ts'
import { type CacheWorker, createCacheWorker } from '../../../src/cache-worker/cache-worker.ts'
import type { MasterLinkDependencies } from '../../../src/cache-worker/link/master-link.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  storeDependencies,
  temporaryFolder,
} from '../../conformance/support/block-store-fixture.ts'
import { call, MasterFixture } from '../cache-master/support/master-fixture.ts'
import { FakeMaster } from './support/fake-master.ts'
import { addresses, until } from './support/worker-fixture.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function newMaster(): Promise<MasterFixture> {
  const master = await MasterFixture.open()
  cleanups.push(() => master.close())
  return master
}

const directoriesIn = (folder: string) =>
  ['a', 'b'].map((name) => ({ path: join(folder, name), tier: 'SSD', mediumType: 'SSD', quotaBytes: 16 * mebibyte }))

async function openWorker(folder: string, master: MasterLinkDependencies['master']) {
  const changes = new BlockChanges()
  const deps = storeDependencies()
  const lines: string[] = []
  const logger = createLogger(
    'info',
    (line) => lines.push(line),
    () => 0,
  )
  const segments = { blockBytesMax: 64 * 1024, segmentBytes: mebibyte }
  const store = await openTiers({
    tiers: [directoriesIn(folder)],
    workerId: 'w',
    segments,
    annotator: { kind: 'LRU' },
    ...deps,
    events: changes,
  })
  const options = { heartbeatMs: 5, retry: { attemptsMax: 1, initialMs: 2, maxMs: 10 } }
  const openStore = (): Promise<never> => Promise.reject(new SkeinError('not_found', 'none'))
  const parts = {
    store,
    changes,
    master,
    openStore,
    clock: deps.clock,
    random: systemRandom,
    logger,
    metrics: deps.metrics,
    options,
  }
  const worker = await createCacheWorker({ workerId: 'w', hostname: 'h', home: folder, ...parts })
  let closed = false
  const close = async (): Promise<void> => {
    if (!closed) await worker.close()
    closed = true
  }
  cleanups.push(close)
  worker.start(addresses, call.signal)
  return {
    worker,
    store,
    lines,
    close,
    ids: () => [...store.list()].map(({ blockId }) => blockId).toSorted((a, b) => a - b),
  }
}

const keptOf = async (worker: CacheWorker) => worker.workerService.listKeptBlocks({}, call)
const durable = (blockId: number) => ({ ...headerOf(blockId, 10), key: `key-${blockId}`, durable: true })
/** Of no file of any master here. */
const stray = (n: number): number => blockIdOf(fileIdOf(1000 + n), 0)

test('a worker whose master has lost its state keeps every block, says so, and is named', async () => {
  const folder = await temporaryFolder()
  cleanups.push(() => folder.remove())
  const first = await newMaster()
  const store = await first.create()
  for (let n = 0; n < 20; n += 1) store.put(`f${n}`, { length: 4 })
  const { files } = await first.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
  const before = await openWorker(folder.path, first.service)
  await before.worker.registered
  for (const { fileId } of files) await before.store.put(headerOf(blockIdOf(fileId, 0), 4), bytesOf(4, fileId))
  const file = await first.lifecycle.createFile({ path: '/ns/only-here', blockSizeBytes: 0, requestKey: '' }, call)
  await before.store.put(durable(blockIdOf(file.fileId, 0)), bytesOf(10, 1))
  await before.close()

  const empty = await newMaster()
  const after = await openWorker(folder.path, empty.service)
  await until(() => after.lines.some((line) => line.includes('cannot register with or report to the master')))
  await after.worker.refused
  for (let tries = 0; tries < 20; tries += 1) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(after.ids()).toEqual(before.ids())
  expect(after.ids()).toHaveLength(21)
  const firstId = (await first.service.getClusterSummary({}, call)).clusterId
  const { refusedWorkers, liveWorkers } = await empty.service.getClusterSummary({}, call)
  expect(liveWorkers).toBe(0)
  expect(refusedWorkers).toEqual([{ workerId: 'w', hostname: 'h', clusterId: firstId, blocks: 21, adopt: firstId }])
  expect(after.lines.join('\n')).toContain(`skein fsadmin adopt ${firstId}`)
  await after.close()

  // With its own master all is as it was.
  const again = await openWorker(folder.path, first.service)
  await again.worker.registered
  expect(again.ids()).toHaveLength(21)
  await again.close()

  // Adopted: what the store has too goes, what nobody else has is set aside, out of the way of the
  // new cluster's ids.
  await expect(empty.service.adoptCluster({ id: '../etc' }, call)).rejects.toMatchObject({ code: 'invalid_argument' })
  expect(await empty.service.adoptCluster({ id: firstId }, call)).toEqual({ wasAdopted: false })
  expect(await empty.service.adoptCluster({ id: firstId }, call)).toEqual({ wasAdopted: true })
  await empty.restart()
  const adopted = await openWorker(folder.path, empty.service)
  await adopted.worker.registered
  expect(adopted.ids()).toEqual([])
  const { blocks, total } = await keptOf(adopted.worker)
  const blockId = blockIdOf(file.fileId, 0)
  expect({ total, blocks }).toMatchObject({ total: 1, blocks: [{ clusterId: firstId, header: durable(blockId) }] })
  const read = await adopted.worker.workerService.readKeptBlock(
    { clusterId: firstId, blockId, offset: 0, length: 10 },
    call,
  )
  expect(Buffer.from(read.data)).toEqual(Buffer.from(bytesOf(10, 1)))
  await adopted.close()
  // It is the new cluster's now, restarts included; the old master refuses it only when it holds
  // something.
  const last = await openWorker(folder.path, empty.service)
  await last.worker.registered
  await last.store.put(durable(stray(1)), bytesOf(10, 2))
  expect((await keptOf(last.worker)).total).toBeGreaterThanOrEqual(1)
  expect(
    await last.worker.workerService.releaseKeptBlocks(
      { blocks: [{ clusterId: firstId, blockId, offset: 0, length: 0 }] },
      call,
    ),
  ).toEqual({
    released: 1,
  })
  await last.close()
})

test('a durable block of no known file is kept and counted, one of a deleted file goes', async () => {
  const folder = await temporaryFolder()
  cleanups.push(() => folder.remove())
  const master = await newMaster()
  await master.create()
  const { worker, store, ids, close } = await openWorker(folder.path, master.service)
  await worker.registered
  const { fileId } = await master.lifecycle.createFile({ path: '/ns/f', blockSizeBytes: 0, requestKey: '' }, call)
  await store.put(durable(blockIdOf(fileId, 0)), bytesOf(10, 1))
  await until(() => ids().length === 1)
  await close()
  await master.lifecycle.abandonFile({ fileId }, call)
  const again = await openWorker(folder.path, master.service)
  await again.worker.registered
  await again.store.put(durable(stray(1)), bytesOf(10, 2))
  await again.store.put({ ...headerOf(stray(2), 10) }, bytesOf(10, 3))
  await until(() => again.ids().length === 1)
  expect(again.ids()).toEqual([stray(1)])
  expect((await keptOf(again.worker)).blocks.map(({ header }) => header?.key)).toEqual([`key-${stray(1)}`])
  await until(() => again.lines.some((line) => line.includes('the blocks are kept')))
  // With the next heartbeat.
  const keptAtMaster = async (): Promise<number> =>
    (await master.service.listWorkers({}, call)).workers[0]?.keptBlocks ?? 0
  while ((await keptAtMaster()) !== 1) await new Promise((resolve) => setTimeout(resolve, 5))
  const one = { clusterId: '', blockId: stray(1), offset: 0, length: 0 }
  expect(
    await again.worker.workerService.releaseKeptBlocks({ blocks: [one, { ...one, blockId: stray(9) }] }, call),
  ).toEqual({
    released: 1,
  })
  expect(again.ids()).toEqual([])
})

test('a master of the version before deletes no durable block, and none once the worker has a cluster', async () => {
  const folder = await temporaryFolder()
  cleanups.push(() => folder.remove())
  const old = new FakeMaster()
  const { worker, store, ids, close } = await openWorker(folder.path, old.service)
  await worker.registered
  for (const blockId of [1, 2]) old.unknown.add(blockId)
  await store.put(durable(1), bytesOf(10, 1))
  await store.put(headerOf(2, 10), bytesOf(10, 2))
  await until(() => ids().length === 1)
  expect(ids()).toEqual([1])
  await close()
  // The first master that names its cluster does not know the block: whoever's it was, it is set
  // aside.
  const master = await newMaster()
  const named = await openWorker(folder.path, master.service)
  await named.worker.registered
  expect((await keptOf(named.worker)).blocks).toMatchObject([{ clusterId: 'unknown', header: { blockId: 1 } }])
  expect(named.ids()).toEqual([])
  await named.store.put(durable(stray(1)), bytesOf(10, 1))
  await named.close()
  old.restart()
  const back = await openWorker(folder.path, old.service)
  await until(() => back.lines.some((line) => line.includes('upgrade the master')))
  expect(back.ids()).toEqual([stray(1)])
})

test('directories of two clusters are refused with both names, before anything is changed', async () => {
  const folder = await temporaryFolder()
  cleanups.push(() => folder.remove())
  const master = await newMaster()
  const { worker, close } = await openWorker(folder.path, master.service)
  await worker.registered
  await close()
  const marker = join(folder.path, 'b', 'skein-directory.json')
  const said = JSON.parse(readFileSync(marker, 'utf8')) as Record<string, unknown>
  expect(said).toMatchObject({
    format: 1,
    workerId: 'w',
    clusterId: (await master.service.getClusterSummary({}, call)).clusterId,
  })
  writeFileSync(marker, JSON.stringify({ ...said, clusterId: 'another' }))
  const names = readdirSync(join(folder.path, 'a'))
  await expect(openWorker(folder.path, master.service)).rejects.toThrow(
    /a holds blocks of cluster .*b of cluster another/,
  )
  expect(readdirSync(join(folder.path, 'a'))).toEqual(names)
})
