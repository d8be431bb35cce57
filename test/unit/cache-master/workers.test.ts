import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lostWorkers } from '../../../src/cache-master/workers/worker-liveness.ts'
import type { DirectoryUsage, SyncedFile } from '../../../src/wire/generated/master.ts'
import { WorkerRegistry } from '../../../src/cache-master/workers/worker-registry.ts'
import { BlockMap } from '../../../src/meta/block-map.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { FakeClock } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let file: SyncedFile
let block: number

beforeEach(async () => {
  fixture = await MasterFixture.open()
  const store = await fixture.create()
  store.put('f', { length: 4 })
  const page = await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
  file = page.files[0] as SyncedFile
  block = file.fileId - (2 ** 20 - 1)
})
afterEach(() => fixture.close())

const directory: DirectoryUsage = { path: '/d', tier: 'MEM', mediumType: 'MEM', quotaBytes: 100, usedBytes: 4 }
async function register(workerId: string, port = workerId, hostname = 'h1'): Promise<string> {
  const request = {
    workerId,
    hostname,
    rpcAddress: `${hostname}:${port}`,
    dataAddress: '',
    webAddress: '',
    directories: [directory],
  }
  return (await fixture.service.registerWorker(request, call)).session
}
async function report(workerId: string, session: string, added: number[], removed: number[] = []): Promise<number[]> {
  return (
    await fixture.service.reportBlocks(
      { workerId, session, added, removed, fullReportEnd: true, directories: [] },
      call,
    )
  ).unknown
}
async function locations(): Promise<string[]> {
  return (await fixture.service.openFile({ path: '/ns/f' }, call)).blocks.flatMap(({ workerIds }) => workerIds)
}
const heartbeat = (workerId: string, session: string) =>
  fixture.service.workerHeartbeat({ workerId, session, directories: [directory], counters: {} }, call)

describe('workers', () => {
  it('are lost after the time without a heartbeat, with their locations, and come back with a report', async () => {
    const first = await register('w1')
    const other = await register('w2')
    await report('w1', first, [block])
    await report('w2', other, [block])
    expect(await locations()).toEqual(['w1', 'w2'])
    fixture.clock.now += 9999
    await heartbeat('w2', other)
    expect(await locations()).toEqual(['w1', 'w2'])
    fixture.clock.now += 1
    expect(await locations()).toEqual(['w2'])
    expect(await fixture.service.getClusterSummary({}, call)).toMatchObject({
      liveWorkers: 1,
      lostWorkers: 1,
      capacityBytes: 100,
      usedBytes: 4,
    })
    expect(
      (await fixture.service.listWorkers({}, call)).workers.map(({ workerId, live, blockCount }) => [
        workerId,
        live,
        blockCount,
      ]),
    ).toEqual([
      ['w1', false, 0],
      ['w2', true, 1],
    ])
    await expect(heartbeat('w1', first)).rejects.toMatchObject({
      code: 'failed_precondition',
      reason: 'register_again',
    })
    await expect(report('w1', first, [block])).rejects.toMatchObject({ reason: 'register_again' })
    const again = await register('w1')
    expect(await locations()).toEqual(['w2'])
    await report('w1', again, [block])
    expect((await locations()).toSorted()).toEqual(['w1', 'w2'])
  })

  it('start from nothing with a new session, and the old one counts no more', async () => {
    const first = await register('w1')
    await report('w1', first, [block])
    const second = await register('w1')
    expect(await locations()).toEqual([])
    await expect(report('w1', first, [block])).rejects.toMatchObject({ reason: 'register_again' })
    await report('w1', second, [block])
    await report('w1', second, [block])
    expect(await locations()).toEqual(['w1'])
    await report('w1', second, [], [block])
    expect(await locations()).toEqual([])
  })

  it('take over the address of one that is gone', async () => {
    await report('w1', await register('w1', '1'), [block])
    await register('w2', '1')
    expect(await locations()).toEqual([])
    expect((await fixture.service.listWorkers({}, call)).workers.map(({ workerId, live }) => [workerId, live])).toEqual(
      [
        ['w1', false],
        ['w2', true],
      ],
    )
  })

  it('learn which blocks belong to no file', async () => {
    const session = await register('w1')
    expect(await report('w1', session, [block, block + 1, block + 2 ** 20, 7])).toEqual([block + 1, block + 2 ** 20, 7])
  })

  it('report again after a restart of the master', async () => {
    const session = await register('w1')
    await report('w1', session, [block])
    expect((await fixture.service.getClusterSummary({}, call)).safeMode).toBe(false)
    await fixture.restart()
    expect((await fixture.service.getClusterSummary({}, call)).safeMode).toBe(true)
    await expect(heartbeat('w1', session)).rejects.toMatchObject({ reason: 'register_again' })
    expect(await report('w1', await register('w1'), [block])).toEqual([])
    expect(await locations()).toEqual(['w1'])
    expect((await fixture.service.getClusterSummary({}, call)).safeMode).toBe(false)
  })

  it('are told to delete a block until they say that it is gone, a few times at most', async () => {
    const session = await register('w1')
    await report('w1', session, [block])
    const free = () => fixture.service.free({ path: '/ns/f', force: false }, call)
    await free()
    for (const expected of [[block], [block], [block], []])
      expect((await heartbeat('w1', session)).freeBlocks).toEqual(expected)
    expect(await report('w1', session, [block])).toEqual([block])
    expect(await locations()).toEqual([])
  })

  it('add up by tier', async () => {
    await register('w1')
    await register('w2')
    expect((await fixture.service.getClusterSummary({}, call)).tiers).toEqual([
      { alias: 'MEM', capacityBytes: 200, usedBytes: 8 },
    ])
  })
})

describe('liveness', () => {
  it('is decided by the time since the last word', () => {
    const workers = [{ heardMonotonicMs: 0 }, { heardMonotonicMs: 1 }]
    expect(lostWorkers(workers, 10, 10)).toEqual([workers[0]])
    expect(lostWorkers(workers, 9, 10)).toEqual([])
  })
})

describe('the job master', () => {
  it('is where it said last', async () => {
    expect(await fixture.service.getJobMaster({}, call)).toEqual({ rpcAddress: '', webAddress: '' })
    await fixture.service.registerJobMaster({ rpcAddress: 'a:1', webAddress: 'a:2' }, call)
    expect(await fixture.service.getJobMaster({}, call)).toEqual({ rpcAddress: 'a:1', webAddress: 'a:2' })
  })
})

describe('a master that stood still', () => {
  it('allows its workers for the time in which it could hear nobody, once', () => {
    const clock = new FakeClock()
    let stoodStillMs = 0
    const workers = new WorkerRegistry({
      ...{ blocks: new BlockMap(), blockCount: () => 1, clock, logger: silentLogger, workerLostMs: 10_000 },
      stoodStillMs: () => stoodStillMs,
    })
    const addresses = { rpcAddress: 'h1:1', dataAddress: '', webAddress: '' }
    workers.register({ workerId: 'w1', hostname: 'h1', ...addresses, directories: [directory] })
    clock.now += 25_000
    stoodStillMs = 20_000
    expect(workers.list().map(({ live }) => live)).toEqual([true])
    clock.now += 4999
    expect(workers.list().map(({ live }) => live)).toEqual([true])
    clock.now += 1
    expect(workers.list().map(({ live }) => live)).toEqual([false])
  })
})

describe('what is in memory', () => {
  it('is told by reports, also when a block moves, and is none of a worker that is lost', async () => {
    const session = await register('w1')
    const say = (added: number[], inMemory: number[]) =>
      fixture.service.reportBlocks(
        {
          workerId: 'w1',
          session,
          added,
          removed: [],
          fullReportEnd: false,
          directories: [],
          inMemory: { ids: inMemory },
        },
        call,
      )
    const inMemory = async () => {
      const { cachedBytes, inMemoryBytes } = await fixture.service.getStatus({ path: '/ns/f' }, call)
      return [cachedBytes, inMemoryBytes]
    }
    await say([block], [block])
    const [all, memory] = await inMemory()
    expect(memory).toBe(all)
    await say([block], [])
    expect(await inMemory()).toEqual([all, 0])
    expect((await fixture.service.listWorkers({}, call)).workers[0]?.blockCount).toBe(1)
    await say([block], [block])
    expect(await inMemory()).toEqual([all, all])
    fixture.clock.now += 60_000
    expect(await inMemory()).toEqual([0, 0])
  })
})
