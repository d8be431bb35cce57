// Why: whatever happens to the master or the way to it, in the end it knows exactly the blocks that
// are there.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { bytesOf, headerOf, never } from '../../conformance/support/block-store-fixture.ts'
import { addresses, makeWorker, until } from './support/worker-fixture.ts'

const sorted = (ids: Iterable<number>): number[] => [...ids].sort((a, b) => a - b)
const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

async function made(...options: Parameters<typeof makeWorker>) {
  const parts = await makeWorker(...options)
  cleanups.push(parts.close)
  const put = async (...ids: number[]): Promise<void> => {
    await Promise.all(ids.map((id) => parts.store.put(headerOf(id, 10), bytesOf(10, id))))
  }
  const agree = (): boolean =>
    [...parts.store.list()].every((header) => parts.master.blocks.has(header.blockId)) &&
    parts.master.blocks.size === parts.store.blockCount
  return { ...parts, put, agree }
}

describe('registration', () => {
  test('says who it is, then all blocks in parts, the last one marked', async () => {
    const { worker, master, put, agree } = await made({ reportIdsMax: 3 })
    await put(1, 2, 3, 4, 5, 6, 7)
    worker.start(addresses, never)
    await worker.registered
    expect(master.registrations).toHaveLength(1)
    expect(master.registrations[0]).toMatchObject({ workerId: 'worker-1', hostname: 'host-1', ...addresses })
    expect(master.registrations[0]?.directories).toHaveLength(2)
    expect(master.reports.map((report) => [report.added.length, report.fullReportEnd])).toEqual([
      [3, false],
      [3, false],
      [1, true],
    ])
    expect(agree()).toBe(true)
  })

  test.each([
    [0, 1],
    [3, 1],
    [6, 2],
  ])('%i blocks by threes end with %i parts', async (count, parts) => {
    const { worker, master, put } = await made({ reportIdsMax: 3 })
    await put(...Array.from({ length: count }, (_, id) => id))
    worker.start(addresses, never)
    await worker.registered
    expect(master.reports).toHaveLength(parts)
    expect(master.reports.filter((report) => report.fullReportEnd)).toEqual([master.reports.at(-1)])
  })

  test('blocks that come and go during the full report are told after it', async () => {
    const { worker, master, store, put, agree } = await made({ reportIdsMax: 2 })
    await put(1, 2, 3, 4)
    let slow = Promise.withResolvers<void>()
    master.delay = () => slow.promise
    worker.start(addresses, never)
    await until(() => master.reportsRunning === 1)
    await put(5, 6)
    await store.free(1)
    await store.free(5)
    slow.resolve()
    slow = Promise.withResolvers<void>()
    slow.resolve()
    await until(() => agree())
    expect(sorted(master.blocks)).toEqual([2, 3, 4, 6])
  })
})

describe('changes', () => {
  test('that pile up during a call are the next batch, one call at a time', async () => {
    const { worker, master, store, put, agree } = await made()
    worker.start(addresses, never)
    await worker.registered
    const before = master.reports.length
    const gate = Promise.withResolvers<void>()
    master.delay = () => gate.promise
    await put(1000)
    await until(() => master.reportsRunning === 1)
    for (let id = 0; id < 300; id += 1) {
      await put(id)
      if (id % 3 === 0) await store.free(id)
    }
    gate.resolve()
    await until(() => agree())
    expect(master.reportsRunningMax).toBe(1)
    expect(master.reports.length - before).toBe(2)
    expect(master.blocks.size).toBe(201)
  })

  test('whose answer was lost are told again', async () => {
    const { worker, master, put, agree, logged } = await made()
    worker.start(addresses, never)
    await worker.registered
    master.loseAnswers = 3
    await put(1, 2)
    await until(() => master.loseAnswers === 0 && agree())
    expect(master.registrations).toHaveLength(1)
    expect(logged('"level":"warn"')).toBeLessThanOrEqual(3)
  })
})

describe('what the master wants gone', () => {
  test('unknown blocks of the full report and of changes are freed', async () => {
    const { worker, master, store, put, agree } = await made({ reportIdsMax: 2 })
    for (const id of [1, 4, 7]) master.unknown.add(id)
    await put(1, 2, 3, 4, 5)
    worker.start(addresses, never)
    await until(() => store.blockCount === 3)
    await put(6, 7)
    await until(() => !store.has(7) && agree())
    expect(sorted([...store.list()].map((header) => header.blockId))).toEqual([2, 3, 5, 6])
  })

  test('free_blocks of a heartbeat are freed, and the master is told', async () => {
    const { worker, master, store, put, agree } = await made()
    await put(...Array.from({ length: 50 }, (_, id) => id))
    worker.start(addresses, never)
    await worker.registered
    master.freeNext = Array.from({ length: 40 }, (_, id) => id + 5)
    await until(() => store.blockCount === 10 && agree())
  })

  test('heartbeats carry usage and counters', async () => {
    const { worker, master, put } = await made()
    await put(1, 2)
    worker.start(addresses, never)
    await until(() => master.heartbeats.length > 2)
    const last = master.heartbeats.at(-1)
    expect(last?.directories.reduce((total, directory) => total + directory.usedBytes, 0)).toBe(20)
    expect(last?.counters).toMatchObject({ 'worker.bytes.written': 20, 'worker.blocks.cached': 2 })
  })
})

describe('trouble', () => {
  test('a master that restarts gets everything anew', async () => {
    const { worker, master, put, agree } = await made({ reportIdsMax: 2 })
    await put(1, 2, 3)
    worker.start(addresses, never)
    await worker.registered
    for (let round = 0; round < 3; round += 1) {
      master.restart()
      await put(10 + round)
      await until(() => agree())
    }
    expect(master.registrations.length).toBeGreaterThanOrEqual(4)
  })

  test('a master that restarts in the middle of a full report gets it from the start', async () => {
    const { worker, master, put, agree } = await made({ reportIdsMax: 1 })
    await put(1, 2, 3, 4)
    master.delay = async () => {
      if (master.reports.length === 2 && master.registrations.length === 1) master.restart()
    }
    worker.start(addresses, never)
    await until(() => agree())
    expect(master.registrations).toHaveLength(2)
    expect(master.fullReports).toBe(1)
  })

  test('a master that is down is asked again, with one warning, and nothing is lost', async () => {
    const { worker, master, store, put, agree, logged } = await made()
    master.down = true
    worker.start(addresses, never)
    await put(1)
    await until(() => master.calls > 5)
    expect(logged('"level":"warn"')).toBe(1)
    master.down = false
    await worker.registered
    await until(() => agree())

    master.down = true
    const calls = master.calls
    await put(2, 3)
    await store.free(1)
    await until(() => master.calls > calls + 5)
    master.down = false
    await until(() => agree())
    expect(sorted(master.blocks)).toEqual([2, 3])
    expect(logged('"level":"warn"')).toBe(2)
    expect(logged('answers again')).toBe(2)
    expect(master.registrations).toHaveLength(1)
  })

  test('close ends it while the master is down', async () => {
    const { worker, master } = await made()
    master.down = true
    worker.start(addresses, never)
    await until(() => master.calls > 2)
    await worker.close()
    const calls = master.calls
    await sleep(30)
    expect(master.calls).toBe(calls)
  })

  test('an aborted signal ends it, and nothing is called afterwards', async () => {
    const { worker, master } = await made()
    const stop = new AbortController()
    worker.start(addresses, stop.signal)
    await worker.registered
    stop.abort()
    await worker.close()
    const calls = master.calls
    await sleep(30)
    expect(master.calls).toBe(calls)
  })
})
