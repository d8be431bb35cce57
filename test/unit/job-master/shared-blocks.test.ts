// Why: a byte of the store is read once for all loads that want it, however many run at the same
// time, and once for all replicas, however many there were before. How: loads of overlapping paths
// in a world of its own time, whose master hears of blocks late, as the real one does.
import { afterEach, describe, expect, test } from 'vitest'
import { never } from '../../model/support/load-doubles.ts'
import { megabyte, World } from '../../model/support/load-world.ts'
import type { WorldOptions } from '../../model/support/world-options.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

const files = 60

async function begin(workers: number, options: Partial<WorldOptions> = {}): Promise<World> {
  const w = new World({ seed: 3, workers, reportLagMs: 1500, ...options })
  world = w
  for (let index = 0; index < files; index += 1)
    w.addFile(index % 2 === 0 ? `a/f${index}` : `a/b/f${index}`, (1 + (index % 3)) * megabyte)
  // Several sets.
  w.addFile('a/b/large', 700 * megabyte)
  await w.startJobMaster()
  for (const number of [1, 2, 3, 4]) w.startJobWorker(`j${number}`, `host${number}`)
  return w
}

const total = (w: World, prefix = ''): number =>
  [...w.files.values()].filter(({ key }) => key.startsWith(prefix)).reduce((sum, { length }) => sum + length, 0)

async function submit(w: World, path: string, replication = 1, batchSize = 4): Promise<string> {
  if (w.jobMaster === undefined) throw new Error('no job master')
  const options = { replication, activeJobs: 100, batchSize }
  return (await w.jobMaster.service.submitLoad({ requestKey: '', path, options }, { signal: never })).loadId
}

const completed = { state: 'COMPLETED', reason: '', counts: { filesFailed: 0 } }

describe('loads of overlapping paths at the same time', () => {
  test.each([1, 2, 5])('read each byte once (%s workers)', async (workers) => {
    const w = await begin(workers)
    const loads = [await submit(w, '/ns/a/'), await submit(w, '/ns/a/b/', 1, 7), await submit(w, '/ns/a/b/large', 1, 1)]
    await w.clock.advance(700)
    loads.push(await submit(w, '/ns/', 1, 3))
    for (const loadId of loads) expect(await w.untilEnded(loadId)).toMatchObject(completed)
    expect(w.originBytes).toBe(total(w))
    for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBe(1)
  })

  test('read each byte once also for another number of replicas', async () => {
    const w = await begin(4)
    const loads = [await submit(w, '/ns/a/'), await submit(w, '/ns/a/', 3), await submit(w, '/ns/a/b/', 2)]
    for (const loadId of loads) expect(await w.untilEnded(loadId)).toMatchObject(completed)
    expect(w.originBytes).toBe(total(w))
    for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBeGreaterThanOrEqual(3)
  })

  test('say which load they wait for', async () => {
    const w = await begin(2, { taskMs: 4000 })
    const first = await submit(w, '/ns/a/b/large', 1, 1)
    const second = await submit(w, '/ns/a/b/large', 2, 1)
    await w.clock.advance(2000)
    const reasonOf = async (loadId: string): Promise<string | undefined> =>
      (await w.jobMaster?.service.getLoad({ loadId }, { signal: never }))?.reason
    expect(await reasonOf(second)).toBe(`waiting for blocks that ${first} is loading`)
    expect(await reasonOf(first)).toBe('')
    for (const loadId of [first, second]) expect(await w.untilEnded(loadId)).toMatchObject(completed)
  })

  test('do not count on one that is cancelled', async () => {
    const w = await begin(2, { taskMs: 4000 })
    const first = await submit(w, '/ns/a/', 1, 60)
    const second = await submit(w, '/ns/a/b/', 1, 7)
    await w.clock.advance(2000)
    await w.jobMaster?.service.cancelLoad({ loadId: first }, { signal: never })
    expect(await w.untilEnded(second)).toMatchObject(completed)
    expect(await w.status(first)).toMatchObject({ state: 'CANCELLED' })
    for (const file of w.files.values())
      if (file.key.startsWith('a/b/')) expect(w.fewestReplicas(file)).toBeGreaterThanOrEqual(1)
  })

  test('do not count on what was evicted since', async () => {
    const w = await begin(2, { jobMaster: { repairRoundsMax: 1 } })
    const loads = [await submit(w, '/ns/a/'), await submit(w, '/ns/a/b/', 1, 7)]
    while (w.originBytes < total(w)) await w.clock.step(w.clock.now + 100)
    for (const worker of w.workers) worker.blocks.clear()
    for (const loadId of loads) expect(await w.untilEnded(loadId)).toMatchObject(completed)
    for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBe(1)
  })

  test('do not count on one that fails', async () => {
    const w = await begin(2, {
      readFailures: 0.4,
      jobMaster: { retry: { attemptsMax: 2, initialMs: 100, maxMs: 200 } },
    })
    const first = await submit(w, '/ns/a/', 1, 60)
    const second = await submit(w, '/ns/a/b/', 1, 7)
    const ends = [await w.untilEnded(first), await w.untilEnded(second)]
    // Either load may fail at any file, and each file is in unless all that tried it failed.
    const failed = ends.map(({ counts }) => counts?.filesFailed ?? 0)
    const missing = [...w.files.values()].filter((file) => w.fewestReplicas(file) === 0)
    expect(missing.length).toBeLessThanOrEqual(failed.reduce((sum, count) => sum + count, 0))
    expect(ends.map(({ state }) => state)).toEqual(failed.map((count) => (count === 0 ? 'COMPLETED' : 'PARTIAL')))
  })
})

describe('replicas of what is cached', () => {
  test('are copied from the workers that have it', async () => {
    const w = await begin(3)
    expect(await w.untilEnded(await submit(w, '/ns/a/'))).toMatchObject(completed)
    await w.clock.advance(5000)
    expect(await w.untilEnded(await submit(w, '/ns/a/', 2))).toMatchObject(completed)
    expect(w.originBytes).toBe(total(w))
    for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBe(2)
  })

  test('come from the store where the copy fails', async () => {
    const w = await begin(3)
    expect(await w.untilEnded(await submit(w, '/ns/a/b/large'))).toMatchObject(completed)
    await w.clock.advance(5000)
    for (const worker of w.workers) if (worker.blocks.size > 0) w.unreachable.add(worker.workerId)
    const read = w.originBytes
    const status = await w.untilEnded(await submit(w, '/ns/a/b/large', 2))
    expect(w.originBytes - read).toBeGreaterThan(0)
    expect(status.state).toBe('COMPLETED')
  })
})
