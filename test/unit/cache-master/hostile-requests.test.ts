// Why: each of these requests stopped a master for good, held it up, or made a list unreadable.
// How: the request, and what can still be asked afterwards, over a restart too.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { Turns } from '../../../src/base/flow/turns.ts'
import { ClusterSummary, WorkerList } from '../../../src/wire/generated/master.ts'
import { FakeClock } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
beforeEach(async () => {
  fixture = await MasterFixture.open()
  await fixture.create()
})
afterEach(() => fixture.close())

const long = 'k'.repeat(2100)
const addresses = { rpcAddress: 'h:1', dataAddress: 'h:2', webAddress: '' }

describe('a name that the state has no room for', () => {
  const requests: [string, () => Promise<unknown>][] = [
    ['a request key', () => fixture.lifecycle.createFile({ path: '/ns/f', blockSizeBytes: 4, requestKey: long }, call)],
    [
      'the id of a worker',
      () => fixture.service.registerWorker({ workerId: long, hostname: 'h', ...addresses, directories: [] }, call),
    ],
    ['a worker to decommission', () => fixture.lifecycle.decommission({ worker: long, cancel: false }, call)],
  ]
  test.each(requests)('is refused, and the master starts again: %s', async (_what, request) => {
    await expect(request()).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/is longer than 800 bytes$/),
    })
    expect(fixture.master.stopped.aborted).toBe(false)
    await fixture.restart()
    const { fileId } = await fixture.lifecycle.createFile(
      { path: '/ns/f', blockSizeBytes: 4, requestKey: 'k'.repeat(800) },
      call,
    )
    await fixture.restart()
    const again = await fixture.lifecycle.createFile(
      { path: '/ns/f', blockSizeBytes: 4, requestKey: 'k'.repeat(800) },
      call,
    )
    expect(again.fileId).toBe(fileId)
  })
})

test('a directory may be moved to the name of an empty segment', async () => {
  await fixture.lifecycle.makeDirectory({ path: '/ns/d/e' }, call)
  await fixture.lifecycle.rename({ from: '/ns/d/', to: '/ns//' }, call).catch(() => undefined)
  await fixture.restart()
  expect((await fixture.keys()).every((key) => ['d/', 'd/e/', '/', '/e/'].includes(key))).toBe(true)
})

test('quotas whose sum no answer could carry are told as the largest number', async () => {
  const quotaBytes = Number.MAX_SAFE_INTEGER
  for (const workerId of ['w1', 'w2']) {
    const directories = [{ path: '/d', tier: 'MEM', mediumType: 'MEM', quotaBytes, usedBytes: quotaBytes }]
    await fixture.service.registerWorker(
      { workerId, hostname: workerId, ...addresses, rpcAddress: workerId, directories },
      call,
    )
  }
  const summary = ClusterSummary.decode(
    ClusterSummary.encode(await fixture.service.getClusterSummary({}, call)).finish(),
  )
  expect(summary).toMatchObject({
    capacityBytes: quotaBytes,
    usedBytes: quotaBytes,
    tiers: [{ capacityBytes: quotaBytes }],
  })
  expect(
    WorkerList.decode(WorkerList.encode(await fixture.service.listWorkers({}, call)).finish()).workers,
  ).toHaveLength(2)
})

test('a million ids in one call are refused', async () => {
  const ids = Array.from({ length: 1_000_000 }, (_, index) => index)
  const session = await fixture.worker('w1')
  const report = { workerId: 'w1', session, removed: [], fullReportEnd: false, directories: [] }
  await expect(fixture.service.reportBlocks({ ...report, added: ids }, call)).rejects.toThrow(
    /added has 1000000 entries/,
  )
  await expect(fixture.service.auditFiles({ fileIds: ids, replication: 1 }, call)).rejects.toThrow(
    /fileIds has 1000000 entries/,
  )
})

test('an audit lets others have their turn, and tells no more than an answer can carry', async () => {
  const store = await fixture.create('big', 's3://big')
  store.put('huge', { length: 4 * 1_000_000 })
  const { fileId } = await fixture.stat('/big/huge')
  let sleeps = 0
  fixture.clock.monotonicMs = () => (fixture.clock.now += 1)
  fixture.clock.sleep = async () => {
    sleeps += 1
  }
  const { files } = await fixture.service.auditFiles({ fileIds: [fileId, fileIdOf(77)], replication: 1 }, call)
  expect(sleeps).toBeGreaterThan(10)
  expect(files.map(({ gone, shortages }) => [gone, shortages.length])).toEqual([
    [false, 500_000],
    [true, 0],
  ])
})

test('turns end after a slice of time', async () => {
  const clock = new FakeClock()
  const turns = new Turns(clock, 10)
  expect(turns.isOver).toBe(false)
  clock.now += 10
  expect(turns.isOver).toBe(true)
  await turns.pause(call.signal)
  expect(turns.isOver).toBe(false)
})
