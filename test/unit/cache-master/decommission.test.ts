// Whom the operator means, and what is answered; how blocks move is in replication.test.ts.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

const directories = [{ path: '/d', tier: 'MEM', mediumType: 'MEM', quotaBytes: 100, usedBytes: 4 }]
async function register(workerId: string, hostname: string, port: number, reported = true): Promise<void> {
  const addresses = { rpcAddress: `10.0.0.1:${port}`, dataAddress: `10.0.0.1:${port + 1}`, webAddress: '' }
  const { session } = await fixture.service.registerWorker({ workerId, hostname, ...addresses, directories }, call)
  if (!reported) return
  await fixture.service.reportBlocks(
    { workerId, session, added: [], removed: [], fullReportEnd: true, directories: [] },
    call,
  )
}
const decommission = (worker: string, cancel = false) => fixture.master.lifecycle.decommission({ worker, cancel }, call)
const leaving = async (): Promise<string[]> =>
  (await fixture.service.listWorkers({}, call)).workers
    .filter((worker) => worker.decommissioning)
    .map(({ workerId }) => workerId)

describe('decommission', () => {
  it('finds a worker by its id, its host, and its address', async () => {
    await register('w1', 'h1', 10)
    await register('w2', 'h2', 20)
    for (const name of ['w1', 'h1', '10.0.0.1:10', '10.0.0.1:11', 'h1:10']) {
      expect(await decommission(name)).toEqual({ workerId: 'w1', blocksLeft: 0, done: true })
      expect(await leaving()).toEqual(['w1'])
      expect(await decommission(name, true)).toEqual({ workerId: 'w1', blocksLeft: 0, done: false })
      expect(await leaving()).toEqual([])
    }
  })

  it('refuses a name that nobody has, that several have, and a worker that is lost', async () => {
    await register('w1', 'h1', 10)
    await register('w2', 'h1', 20)
    for (const name of ['', 'h2', '10.0.0.1:1'])
      await expect(decommission(name)).rejects.toMatchObject({ code: 'not_found' })
    await expect(decommission('h1')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(decommission('h1')).rejects.toThrow(/w1 \(10\.0\.0\.1:10\), w2 \(10\.0\.0\.1:20\)/)
    fixture.clock.now += 10_000
    await expect(decommission('w1')).rejects.toMatchObject({ code: 'failed_precondition' })
    expect(await leaving()).toEqual([])
  })

  it('is not done before the worker has said what it holds', async () => {
    await register('w1', 'h1', 10, false)
    expect((await decommission('w1')).done).toBe(false)
  })

  it('outlives the master, is written once, and can be cancelled for a worker that is gone', async () => {
    await register('w1', 'h1', 10)
    const before = fixture.journal.entries.length
    await decommission('w1')
    await decommission('w1')
    expect(fixture.journal.entries).toHaveLength(before + 1)
    await fixture.restart()
    await register('w1', 'h1', 10)
    expect(await leaving()).toEqual(['w1'])
    await fixture.restart()
    expect(await decommission('w1', true)).toEqual({ workerId: 'w1', blocksLeft: 0, done: false })
    await register('w1', 'h1', 10)
    expect(await leaving()).toEqual([])
  })

  it('says what it waits for, in every answer until it is done', async () => {
    const waits = async (): Promise<string | undefined> => (await decommission('w1')).waitingFor
    await fixture.close()
    fixture = await MasterFixture.open({ replication: { graceMs: 0 } })
    await fixture.create()
    const fileId = await fixture.write('/ns/a', 5)
    await register('w1', 'h1', 10, false)
    expect(await waits()).toContain('has not reported all of its blocks')
    const block = blockIdOf(fileId, 0)
    fixture.clock.now += 20_000
    await fixture.worker('w1', [block], 5)
    expect(await waits()).toContain('no other live worker can take its blocks')
    await register('w2', 'h2', 20, false)
    expect(await waits()).toContain('copies begin once all of them have reported')
    await fixture.worker('w2', [], 100)

    await fixture.until(
      async () => (await waits())?.includes('no other worker has room for a block of 4 bytes') === true,
    )
    await fixture.worker('w2', [], 0)
    await decommission('w1', true)
    await fixture.until(async () => (await waits())?.includes('1 copy is on the way') === true)
  })
})

describe('forget', () => {
  const forget = (worker: string) => fixture.master.lifecycle.forgetWorker({ worker }, call)
  const known = async (): Promise<string[]> =>
    (await fixture.service.listWorkers({}, call)).workers.map(({ workerId }) => workerId)

  it('takes a lost worker out of the reports; decommission and the refusal of a live one name the way', async () => {
    await register('w1', 'h1', 10)
    await decommission('w1')
    await expect(forget('h1')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining("'skein fsadmin decommission w1'"),
    })
    fixture.clock.now += 10_000
    await decommission('w1', true)
    await expect(decommission('h1')).rejects.toThrow("'skein fsadmin forget w1'")
    expect(await forget('h1')).toEqual({ workerId: 'w1' })
    expect(await known()).toEqual([])
    await expect(forget('h1')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('means the lost one of two workers with one name, and one that comes back is as any other', async () => {
    await register('w1', 'h1', 10)
    fixture.clock.now += 10_000
    await register('w2', 'h1', 20)
    expect(await forget('h1')).toEqual({ workerId: 'w1' })
    expect(await known()).toEqual(['w2'])
    await register('w1', 'h1', 10)
    expect(await known()).toEqual(['w1', 'w2'])
  })

  it('ends what a restarted master waits for', async () => {
    await register('w1', 'h1', 10)
    await decommission('w1')
    await fixture.restart()
    expect((await fixture.service.getClusterSummary({}, call)).safeMode).toBe(true)
    expect(await forget('w1')).toEqual({ workerId: 'w1' })
    expect((await fixture.service.getClusterSummary({}, call)).safeMode).toBe(false)
    await register('w1', 'h1', 10)
    expect(await leaving()).toEqual([])
  })
})
