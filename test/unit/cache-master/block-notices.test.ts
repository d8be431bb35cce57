// Why: a worker that is not told keeps what nobody needs, or gives up what somebody does. How: the
// master's service, a worker that reports and listens.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import type { WorkerHeartbeatResponse } from '../../../src/wire/generated/master.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
  await fixture.create()
})
afterEach(() => fixture.close())

const beat = (
  workerId: string,
  session: string,
  counters: Record<string, number> = {},
): Promise<WorkerHeartbeatResponse> =>
  fixture.service.workerHeartbeat({ workerId, session, directories: [], counters }, call)
const report = (workerId: string, session: string, added: number[], durable: number[] = [], removed: number[] = []) =>
  fixture.service.reportBlocks(
    { workerId, session, added, removed, durable: { ids: durable }, fullReportEnd: true, directories: [] },
    call,
  )

/** A file that only the cache has, and its worker's session. */
async function written(path: string): Promise<{ fileId: number; blocks: number[]; workerId: string; session: string }> {
  const fileId = await fixture.write(path, 8)
  const blocks = [blockIdOf(fileId, 0), blockIdOf(fileId, 1)]
  const session = await fixture.worker('w', blocks)
  return { fileId, blocks, workerId: 'w', session }
}

describe('blocks of a file that is persisted', () => {
  it('are released at their holders: told with three heartbeats, and no more', async () => {
    const { blocks, workerId, session } = await written('/ns/f')
    expect((await beat(workerId, session)).releaseBlocks).toEqual([])
    await fixture.lifecycle.persist({ path: '/ns/f' }, call)
    for (let n = 0; n < 3; n += 1) expect((await beat(workerId, session)).releaseBlocks).toEqual(blocks)
    expect((await beat(workerId, session)).releaseBlocks).toEqual([])
  })

  it('are released in the answer to any report that calls them durable, also after a restart', async () => {
    const { blocks, workerId, session } = await written('/ns/f')
    expect((await report(workerId, session, blocks, blocks)).release).toEqual([])
    await fixture.lifecycle.persist({ path: '/ns/f' }, call)
    expect((await report(workerId, session, blocks, [blocks[1] ?? 0])).release).toEqual([blocks[1]])
    await fixture.restart()
    const again = await fixture.worker('other')
    expect(await report('other', again, blocks, blocks)).toMatchObject({ unknown: [], release: blocks })
  })

  it('that are gone, or of a worker that registers anew, are not told of', async () => {
    const { blocks, workerId, session } = await written('/ns/f')
    await fixture.lifecycle.persist({ path: '/ns/f' }, call)
    await report(workerId, session, [], [], [blocks[0] ?? 0])
    expect((await beat(workerId, session)).releaseBlocks).toEqual([blocks[1]])
    const next = await fixture.worker(workerId)
    expect((await beat(workerId, next)).releaseBlocks).toEqual([])
  })
})

describe('pins', () => {
  const pin = (path: string, pinned: boolean) => fixture.lifecycle.setPinned({ path, pinned }, call)

  it('are told to the holders as they change, the last word only', async () => {
    const { blocks, workerId, session } = await written('/ns/d/f')
    await pin('/ns/d', true)
    for (let n = 0; n < 2; n += 1)
      expect(await beat(workerId, session)).toMatchObject({ pinBlocks: blocks, unpinBlocks: [] })
    await pin('/ns/d/f', false)
    for (let n = 0; n < 3; n += 1)
      expect(await beat(workerId, session)).toMatchObject({ pinBlocks: [], unpinBlocks: blocks })
    expect(await beat(workerId, session)).toMatchObject({ pinBlocks: [], unpinBlocks: [] })
  })

  it('are named in the answer to a report, and told for a file that is written into a pinned directory', async () => {
    const { blocks, workerId, session } = await written('/ns/d/f')
    await pin('/ns/d/f', true)
    expect((await report(workerId, session, blocks)).pinned).toEqual(blocks)
    await pin('/ns/d', true)
    const { fileId } = await fixture.lifecycle.createFile({ path: '/ns/d/g', blockSizeBytes: 0, requestKey: '' }, call)
    const writer = await fixture.worker('writer', [blockIdOf(fileId, 0)])
    await fixture.lifecycle.completeFile({ fileId, length: 4 }, call)
    expect(await beat('writer', writer)).toMatchObject({ pinBlocks: [blockIdOf(fileId, 0)], unpinBlocks: [] })
    expect((await fixture.stat('/ns/d/g')).pinned).toBe(true)
    const late = await fixture.worker('late')
    expect((await report('late', late, [blockIdOf(fileId, 0)])).pinned).toEqual([blockIdOf(fileId, 0)])
  })
})

describe('the loads that run', () => {
  const register = (ids?: string[]) =>
    fixture.service.registerJobMaster(
      { rpcAddress: 'a:1', webAddress: '', ...(ids === undefined ? {} : { runningLoads: { ids } }) },
      call,
    )

  it('are passed on, and not known before the job master says so, or when it is silent', async () => {
    const session = await fixture.worker('w')
    expect((await beat('w', session)).runningLoads).toBeUndefined()
    await register()
    expect((await beat('w', session)).runningLoads).toBeUndefined()
    await register(['L1', 'L2'])
    expect((await beat('w', session)).runningLoads).toEqual({ ids: ['L1', 'L2'] })
    await register([])
    fixture.clock.now += 9000
    expect((await beat('w', session)).runningLoads).toEqual({ ids: [] })
    fixture.clock.now += 1000
    expect((await beat('w', session)).runningLoads).toBeUndefined()
  })
})

describe('metrics of the cluster', () => {
  const figures = async (): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await fixture.service.getClusterMetrics({}, call)).metrics.map(({ name, value }) => [name, value]),
    )

  it('sum the workers, go on over a restart of one, and are per minute where they say so', async () => {
    const [a, b] = [await fixture.worker('a', [], 40), await fixture.worker('b')]
    await beat('a', a, { 'worker.bytes.read.local': 100, 'worker.blocks.evicted': 2 })
    await beat('b', b, { 'worker.bytes.read.local': 50 })
    expect(await figures()).toMatchObject({
      'Cluster.BytesReadLocal': 150,
      'Cluster.BytesReadLocalThroughput': 150,
      'Cluster.BlocksEvicted': 2,
      'Cluster.Workers': 2,
      'Cluster.CapacityTotal': 0,
    })
    fixture.clock.now += 5000
    const restarted = await fixture.worker('a', [], 40)
    await beat('a', restarted, { 'worker.bytes.read.local': 7 })
    expect(await figures()).toMatchObject({ 'Cluster.BytesReadLocal': 157, 'Cluster.BytesReadLocalThroughput': 157 })
    for (let seconds = 0; seconds < 61; seconds += 1) {
      fixture.clock.now += 1000
      await beat('a', restarted, { 'worker.bytes.read.local': 7 })
    }
    expect(await figures()).toMatchObject({ 'Cluster.BytesReadLocal': 157, 'Cluster.BytesReadLocalThroughput': 0 })
    await beat('a', restarted, {
      'worker.bytes.read.local': 1007,
      'worker.unknown': 5,
      'worker.bytes.written': Number.NaN,
    })
    expect(await figures()).toMatchObject({ 'Cluster.BytesReadLocalThroughput': 1000, 'Cluster.BytesWritten': 0 })
  })
})
