// Why: a load is refused for want of room only where there is none, and one that may evict ends
// with all of its files in. How: workers that evict their oldest blocks, those of the running load
// excepted, as the real ones do.
import { afterEach, describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { blockIdOf } from '../../../src/base/block-id.ts'
import type { LoadStatus } from '../../../src/wire/generated/job.ts'
import { never } from '../../model/support/load-doubles.ts'
import { megabyte, World } from '../../model/support/load-world.ts'
import { usedBytes } from '../../model/support/world-worker.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

async function begin(workers: number, prepare: (w: World) => void = () => undefined): Promise<World> {
  const w = new World({ seed: 1, workers, capacityBytes: 100 * megabyte })
  world = w
  prepare(w)
  await w.startJobMaster()
  w.startJobWorker('j1', 'host1')
  return w
}

function add(w: World, directory: string, files: number, megabytes: number): void {
  for (let index = 0; index < files; index += 1) w.addFile(`${directory}/f${index}`, megabytes * megabyte)
}

async function submit(w: World, path: string, evict: boolean, activeJobs = 100): Promise<string> {
  if (w.jobMaster === undefined) throw new Error('no job master')
  const options = { replication: 1, activeJobs, batchSize: 1, evict }
  return (await w.jobMaster.service.submitLoad({ requestKey: '', path, options }, { signal: never })).loadId
}

async function load(w: World, path: string, evict = false): Promise<LoadStatus> {
  return await w.untilEnded(await submit(w, path, evict))
}

/**
 * From now on workers evict the oldest of what was not written since. Gives the number of evicted
 * blocks.
 */
function evictOthers(w: World): () => number {
  const own = new Set<number>()
  let evicted = 0
  w.takes = (worker, blockId, bytes) => {
    for (const old of worker.blocks.keys()) {
      if (usedBytes(worker) + bytes <= worker.capacityBytes) break
      if (own.has(old)) continue
      worker.blocks.delete(old)
      evicted += 1
    }
    own.add(blockId)
    return usedBytes(worker) + bytes <= worker.capacityBytes
  }
  return () => evicted
}

describe('room that another load has left', () => {
  test('is there for the next load at once, as soon as the workers say so', async () => {
    const w = await begin(2)
    for (let round = 0; round < 3; round += 1) {
      add(w, `r${round}`, 20, 9)
      expect(await load(w, `/ns/r${round}/`)).toMatchObject({ state: 'COMPLETED', reason: '' })
      for (const worker of w.workers) worker.blocks.clear()
    }
  })

  test('is there while a third load goes on', async () => {
    const w = await begin(1)
    add(w, 'first', 8, 10)
    add(w, 'second', 8, 10)
    for (let index = 0; index < 100; index += 1) w.addFile(`long/f${index}`, Math.floor(megabyte / 10))
    const long = await submit(w, '/ns/long/', false, 1)
    for (const directory of ['first', 'second']) {
      expect(await load(w, `/ns/${directory}/`)).toMatchObject({ state: 'COMPLETED', reason: '' })
      for (const file of w.files.values())
        if (file.key.startsWith(directory)) w.workers[0]?.blocks.delete(blockIdOf(file.fileId, 0))
    }
    expect(await w.status(long)).toMatchObject({ state: 'RUNNING' })
    expect(await w.untilEnded(long)).toMatchObject({ state: 'COMPLETED' })
  })

  test('is there for a load that may evict, without any wait', async () => {
    const w = await begin(2)
    add(w, 'a', 18, 10)
    add(w, 'b', 18, 10)
    expect(await load(w, '/ns/a/')).toMatchObject({ state: 'COMPLETED' })
    evictOthers(w)
    const status = await load(w, '/ns/b/', true)
    expect(status).toMatchObject({ state: 'COMPLETED', reason: '', counts: { filesLoaded: 18 } })
    expect(status.startedMs - status.submittedMs).toBeLessThan(1000)
  })

  test('is none where nothing would be free: the refusal comes at once', async () => {
    const w = await begin(1)
    add(w, 'a', 9, 10)
    add(w, 'b', 9, 30)
    expect(await load(w, '/ns/a/')).toMatchObject({ state: 'COMPLETED' })
    const status = await load(w, '/ns/b/')
    expect(status).toMatchObject({ state: 'FAILED', errorCode: 'resource_exhausted' })
    expect(status.endedMs - status.submittedMs).toBeLessThan(1500)
    expect(w.originBytes).toBe(90 * megabyte)
  })

  test('is not promised while the load that has it runs', async () => {
    const w = await begin(1)
    add(w, 'a', 8, 10)
    add(w, 'b', 3, 10)
    w.storeDown = true
    const running = await submit(w, '/ns/a/', true)
    await w.clock.advance(5000)
    expect(await load(w, '/ns/b/', true)).toMatchObject({ state: 'FAILED', errorCode: 'resource_exhausted' })
    w.storeDown = false
    expect(await w.untilEnded(running)).toMatchObject({ state: 'COMPLETED' })
  })
})

describe('what a load that may evict had found cached', () => {
  test.each([1, 3])('is in at the end, though the workers pushed it out first (%s workers)', async (workers) => {
    const w = await begin(workers)
    add(w, 'mine/old', 50 * workers, 1)
    add(w, 'others', 45 * workers, 1)
    expect(await load(w, '/ns/mine/')).toMatchObject({ state: 'COMPLETED' })
    expect(await load(w, '/ns/others/')).toMatchObject({ state: 'COMPLETED' })
    add(w, 'mine/new', 35 * workers, 1)
    const evicted = evictOthers(w)
    const status = await load(w, '/ns/mine/', true)
    expect(evicted()).toBeGreaterThan(20)
    expect(status).toMatchObject({ state: 'COMPLETED', reason: '', counts: { files: 85 * workers, filesFailed: 0 } })
    expect((status.counts?.filesLoaded ?? 0) + (status.counts?.filesCached ?? 0)).toBe(85 * workers)
    for (const file of w.files.values()) if (file.key.startsWith('mine/')) expect(w.fewestReplicas(file)).toBe(1)
  })

  test('is pushed out a little a round, in more rounds than repairs may have, and comes in all the same', async () => {
    const w = await begin(1)
    add(w, 'mine/old', 40, 2)
    add(w, 'others', 1, 20)
    expect(await load(w, '/ns/mine/')).toMatchObject({ state: 'COMPLETED' })
    expect(await load(w, '/ns/others/')).toMatchObject({ state: 'COMPLETED' })
    add(w, 'mine/new', 1, 2)
    evictOthers(w)
    expect(await load(w, '/ns/mine/', true)).toMatchObject({
      state: 'COMPLETED',
      reason: '',
      counts: { files: 41, filesFailed: 0 },
    })
    for (const file of w.files.values()) if (file.key.startsWith('mine/')) expect(w.fewestReplicas(file)).toBe(1)
  })

  test('is no room for it: where both do not fit it is refused, and nothing is evicted', async () => {
    const w = await begin(1)
    add(w, 'mine/old', 50, 1)
    expect(await load(w, '/ns/mine/')).toMatchObject({ state: 'COMPLETED' })
    add(w, 'mine/new', 60, 1)
    const evicted = evictOthers(w)
    expect(await load(w, '/ns/mine/', true)).toMatchObject({
      state: 'FAILED',
      errorCode: 'resource_exhausted',
      missingCapacityBytes: 10 * megabyte,
    })
    expect(evicted()).toBe(0)
  })
})

describe('what a load that may evict counts on', () => {
  const held = new Set<string>()
  const gone = new Set<number>()
  const asked: string[] = []
  const holding = (w: World): void => {
    for (const kept of [held, gone]) kept.clear()
    asked.splice(0)
    w.holds = async ({ workerId }, { loadId, blockIds, runningLoads, before }) => {
      asked.push(`${workerId} ${loadId} of ${runningLoads.join()} before ${before}`)
      for (const blockId of blockIds) held.add(`${workerId}/${blockId}`)
      return { missing: blockIds.filter((blockId) => gone.has(blockId)) }
    }
    w.takes = (worker, blockId, bytes) => {
      for (const old of worker.blocks.keys()) {
        if (usedBytes(worker) + bytes <= worker.capacityBytes) break
        if (!held.has(`${worker.workerId}/${old}`)) worker.blocks.delete(old)
      }
      held.add(`${worker.workerId}/${blockId}`)
      return usedBytes(worker) + bytes <= worker.capacityBytes
    }
  }

  test.each([1, 3])('stays, and each byte is read once (%s workers)', async (workers) => {
    const w = await begin(workers, holding)
    add(w, 'mine/old', 50 * workers, 1)
    add(w, 'others', 45 * workers, 1)
    for (const path of ['/ns/mine/', '/ns/others/']) expect(await load(w, path)).toMatchObject({ state: 'COMPLETED' })
    add(w, 'mine/new', 35 * workers, 1)
    expect(asked).toEqual([])
    held.clear()
    const read = w.originBytes
    const status = await load(w, '/ns/mine/', true)
    const counts = { filesCached: 50 * workers, filesLoaded: 35 * workers, filesFailed: 0 }
    expect(status).toMatchObject({ state: 'COMPLETED', reason: '', counts })
    expect(w.originBytes - read).toBe(35 * workers * megabyte)
    expect(asked.toSorted()).toEqual(Array.from({ length: workers }, (_, index) => `w${index + 1} L3 of L3 before 4`))
  })

  test('is not what its worker has pushed out since the listing: that is planned at once', async () => {
    const w = await begin(1, holding)
    add(w, 'mine/old', 50, 1)
    expect(await load(w, '/ns/mine/')).toMatchObject({ state: 'COMPLETED' })
    const [first, second] = [...(w.workers[0]?.blocks.keys() ?? [])]
    for (const blockId of [first, second]) {
      gone.add(blockId ?? 0)
      w.workers[0]?.blocks.delete(blockId ?? 0)
    }
    for (const blockId of gone) w.listedStill.add(`w1/${blockId}`)
    // Before any audit, which would find it, too.
    Object.assign(w.options, { blindAudit: true })
    expect(await load(w, '/ns/mine/', true)).toMatchObject({
      state: 'COMPLETED',
      counts: { filesCached: 48, filesLoaded: 2 },
    })
    for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBe(1)
  })

  test('is what the listing says where a worker does not answer', async () => {
    const w = await begin(1, (before) => {
      before.holds = async () => Promise.reject(new SkeinError('unavailable', 'no answer'))
    })
    add(w, 'mine', 10, 1)
    expect(await load(w, '/ns/mine/')).toMatchObject({ state: 'COMPLETED' })
    expect(await load(w, '/ns/mine/', true)).toMatchObject({ state: 'COMPLETED', counts: { filesCached: 10 } })
  })
})

test('the list of running loads speaks of all loads so far, and names those that run', async () => {
  const w = await begin(1)
  add(w, 'a', 3, 1)
  await w.clock.advance(1000)
  expect(w.runningLoads).toEqual({ ids: [], before: 1 })
  expect(await load(w, '/ns/a/')).toMatchObject({ state: 'COMPLETED' })
  w.storeDown = true
  add(w, 'b', 3, 1)
  const running = await submit(w, '/ns/b/', true)
  await w.clock.advance(1000)
  expect(w.runningLoads).toEqual({ ids: [running], before: 3 })
  await w.killJobMaster(false)
  await w.startJobMaster()
  await w.clock.advance(100)
  expect(w.runningLoads).toEqual({ ids: [running], before: 3 })
})
