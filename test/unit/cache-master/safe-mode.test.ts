import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

const safeMode = async (): Promise<boolean> => (await fixture.service.getClusterSummary({}, call)).safeMode

describe('safe mode', () => {
  it('is off where no worker was ever seen', async () => {
    expect(await safeMode()).toBe(false)
    await fixture.worker('w1')
    expect(await safeMode()).toBe(false)
  })

  it('lasts over a restart until each worker that lived has reported', async () => {
    await fixture.worker('w1')
    await fixture.worker('w2')
    await fixture.restart()
    expect(await safeMode()).toBe(true)
    await fixture.worker('w1')
    await fixture.worker('w3')
    expect(await safeMode()).toBe(true)
    await fixture.worker('w2')
    expect(await safeMode()).toBe(false)
  })

  it('waits no longer for a worker than until it is lost, and not again at the next start', async () => {
    await fixture.worker('w1')
    await fixture.worker('w2')
    await fixture.restart()
    const session = await fixture.worker('w1')
    fixture.clock.now += 9999
    expect(await safeMode()).toBe(true)
    await fixture.service.workerHeartbeat({ workerId: 'w1', session, directories: [], counters: {} }, call)
    fixture.clock.now += 1
    expect(await safeMode()).toBe(false)
    const written = fixture.journal.entries.length
    await fixture.until(() => fixture.journal.entries.length > written)
    await fixture.restart()
    await fixture.worker('w1')
    expect(await safeMode()).toBe(false)
  })
})
