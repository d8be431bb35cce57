// Why: what a load does when much is lost at a bad moment, which random faults rarely hit. How: one
// scene a test, with the bounds as they are in production, in virtual time.
import { afterEach, expect, test } from 'vitest'
import type { LoadStatus } from '../../src/wire/generated/job.ts'
import { never } from './support/load-doubles.ts'
import { megabyte, World } from './support/load-world.ts'
import type { WorldOptions } from './support/world-options.ts'

const production = {
  repairRoundsMax: 5,
  retry: { attemptsMax: 5, initialMs: 500, maxMs: 15_000 },
  laneBytesMax: 4 * 1024 ** 3,
}

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

async function begin(options: Partial<WorldOptions>, files: number): Promise<World> {
  world = new World({
    seed: 1,
    workers: 3,
    taskMs: 300,
    ...options,
    jobMaster: { ...production, ...options.jobMaster },
  })
  for (let index = 0; index < files; index += 1) world.addFile(`f${String(index).padStart(6, '0')}`, 16_384)
  await world.startJobMaster()
  world.startJobWorker('j1', 'host1')
  world.startJobWorker('j2', 'host2')
  return world
}

async function submit(w: World, replication: number, activeJobs: number, batchSize: number): Promise<string> {
  const service = w.jobMaster?.service
  const answer = await service?.submitLoad(
    { requestKey: '', path: '/ns', options: { replication, activeJobs, batchSize } },
    { signal: never },
  )
  return answer?.loadId ?? ''
}

/** Strikes once, when it is time, and gives the load's end. */
async function end(
  w: World,
  loadId: string,
  when: (status: LoadStatus) => boolean,
  strike: () => void,
): Promise<LoadStatus> {
  const until = w.clock.now + 900_000
  for (let struck = false; ;) {
    const status = await w.status(loadId)
    if (status.endedMs > 0) return status
    if (!struck && when(status)) {
      struck = true
      strike()
    }
    if (w.clock.now >= until) throw new Error(`did not end: ${JSON.stringify(status)}`)
    await w.clock.step(until)
  }
}

const tookMs = (status: LoadStatus): number => status.endedMs - status.startedMs
const done = (status: LoadStatus): number => status.counts?.tasksDone ?? 0

test('a third of 12,000 files that is lost at the end is repaired in one round', async () => {
  const w = await begin({}, 12_000)
  const loadId = await w.submit('/ns', 1)
  const nearEnd = (status: LoadStatus): boolean => status.listingDone && done(status) >= (status.counts?.tasks ?? 0) - 2
  const status = await end(w, loadId, nearEnd, () => w.workers[0]?.blocks.clear())
  expect(status).toMatchObject({ state: 'COMPLETED', counts: { files: 12_000, filesLoaded: 12_000, filesFailed: 0 } })
  for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBe(1)
  // One grace time for the round, not one for each part of it.
  expect(tookMs(status)).toBeLessThan(40_000)
})

test('sets of a worker that is lost while planning waits for room go elsewhere', async () => {
  const w = await begin({ workers: 2 }, 3000)
  const loadId = await submit(w, 1, 20, 1)
  const status = await end(
    w,
    loadId,
    (now) => done(now) >= 30,
    () => {
      const [first] = w.workers
      if (first === undefined) return
      first.live = false
      first.blocks.clear()
    },
  )
  expect(status).toMatchObject({ state: 'COMPLETED', counts: { filesLoaded: 3000, filesFailed: 0 } })
})

test('sets of a worker that is in no list any more go elsewhere', async () => {
  const w = await begin({}, 3000)
  const loadId = await submit(w, 1, 3000, 10)
  const status = await end(
    w,
    loadId,
    (now) => done(now) >= 30 && now.listingDone,
    () => w.workers.shift(),
  )
  expect(status).toMatchObject({ state: 'COMPLETED', counts: { filesLoaded: 3000, filesFailed: 0 } })
})

test('so they do when the job master was started again meanwhile', async () => {
  const w = await begin({ taskMs: 5000 }, 300)
  const loadId = await submit(w, 1, 20, 10)
  await w.clock.advance(4000)
  w.workers.shift()
  await w.killJobMaster(false)
  await w.startJobMaster()
  expect(await w.untilEnded(loadId, 900_000)).toMatchObject({
    state: 'COMPLETED',
    counts: { filesLoaded: 300, filesFailed: 0 },
  })
})

test('too few workers while planning goes on: waits, then ends with the reason', async () => {
  const w = await begin({ workers: 2 }, 5000)
  const loadId = await submit(w, 2, 20, 1)
  const status = await end(
    w,
    loadId,
    (now) => done(now) >= 10,
    () => {
      const second = w.workers[1]
      if (second !== undefined) second.live = false
    },
  )
  expect(status).toMatchObject({ state: 'FAILED', errorCode: 'unavailable' })
  expect(status.reason).toMatch(/1 live, 2 needed/)
  expect(tookMs(status)).toBeLessThan(300_000)
})

test('a load waits for its workers after a master that was away for longer than its patience', async () => {
  const w = await begin({ workers: 2, taskMs: 2000 }, 300)
  const loadId = await submit(w, 1, 20, 1)
  await w.clock.advance(5000)
  w.masterDown = true
  for (const worker of w.workers) worker.live = false
  await w.clock.advance(120_000)
  w.masterDown = false
  await w.clock.advance(5000)
  for (const worker of w.workers) worker.live = true
  expect(await w.untilEnded(loadId, 900_000)).toMatchObject({ state: 'COMPLETED', counts: { filesLoaded: 300 } })
})

test('a block that a dead writer still holds costs no attempt and stays at its worker', async () => {
  const w = await begin({ workers: 2 }, 40)
  const heldUntilMs = w.clock.now + 14_000
  w.heldBlocks = (workerId) => workerId === 'w1' && w.clock.now < heldUntilMs
  const loadId = await w.submit('/ns', 2)
  const status = await w.untilEnded(loadId)
  expect(status).toMatchObject({ state: 'COMPLETED', counts: { filesLoaded: 40, filesFailed: 0 } })
  // A try each 1 to 2 seconds, no storm.
  expect(status.counts?.tasks).toBeLessThan(60)
})

test('one that is held moves to no other worker', async () => {
  const w = await begin({ workers: 3 }, 0)
  w.addFile('one', megabyte)
  const heldUntilMs = w.clock.now + 14_000
  w.heldBlocks = () => w.clock.now < heldUntilMs
  await w.untilEnded(await w.submit('/ns', 1))
  const [file] = [...w.files.values()]
  const tried = new Set(w.refusedHeld)
  expect(tried.size).toBe(1)
  expect(file === undefined ? [] : w.replicas(file, 0)).toEqual([...tried])
})

test('pages of very large files are planned a bounded number of sets a command', async () => {
  const w = await begin({ workers: 3, taskMs: 10 }, 0)
  for (let index = 0; index < 12; index += 1) w.addFile(`large-${index}`, 300 * 1024 * megabyte, 256 * megabyte)
  const loadId = await w.submit('/ns', 1)
  for (const until = w.clock.now + 20_000; w.clock.now < until && !(await w.status(loadId)).listingDone;)
    await w.clock.step(until)
  expect((await w.status(loadId)).counts?.files).toBe(12)
  const largest = Math.max(...w.journal.entries.map((entry) => entry.bytes.length))
  expect(largest).toBeLessThan(256 * 1024)
  await w.jobMaster?.service.cancelLoad({ loadId }, { signal: never })
  await w.untilEnded(loadId)
})

test('a worker that the master sees and nobody reaches is named with the error', async () => {
  const w = await begin({ workers: 2 }, 40)
  w.unreachable.add('w1')
  const loadId = await w.submit('/ns', 2)
  await w.clock.advance(20_000)
  expect((await w.status(loadId)).reason).toMatch(/waiting for worker w1: getaddrinfo ENOTFOUND host1/)
  const status = await w.untilEnded(loadId)
  expect(status.state).toBe('FAILED')
  expect(status.reason).toMatch(/w1.*getaddrinfo ENOTFOUND host1/)
})

test('while the store is down the load says so; progress ends that', async () => {
  const w = await begin({ workers: 2, jobMaster: { retry: { attemptsMax: 100, initialMs: 500, maxMs: 2000 } } }, 40)
  w.storeDown = true
  const loadId = await w.submit()
  await w.clock.advance(10_000)
  expect((await w.status(loadId)).reason).toMatch(/the store.*connection refused/)
  w.storeDown = false
  expect(await w.untilEnded(loadId)).toMatchObject({ state: 'COMPLETED', reason: '' })
})

test('ended loads beyond the history expire, the first that ended first, also after a replay', async () => {
  const w = await begin({ jobMaster: { historyMax: 2 } }, 500)
  w.addFile('frozen', 1000).poisoned = true
  for (let load = 1; load <= 4; load += 1) await w.untilEnded(await w.submit('/ns', 1, `key-${load}`))
  await w.clock.advance(3000)
  const check = async (): Promise<void> => {
    const { loads } = (await w.jobMaster?.service.listLoads({ limit: 0 }, { signal: never })) ?? { loads: [] }
    expect(loads.map((load) => load.loadId)).toEqual(['L4', 'L3'])
    await expect(w.status('L1')).rejects.toMatchObject({ code: 'not_found', message: 'load L1 has expired' })
    await expect(w.status('L9')).rejects.toMatchObject({
      code: 'not_found',
      message: expect.stringMatching(/there is no load/),
    })
    expect(await w.status('L4')).toMatchObject({ state: 'PARTIAL' })
  }
  await check()
  await w.killJobMaster(true)
  await w.startJobMaster()
  await check()
  expect(await w.submit('/ns', 1, 'key-4')).toBe('L4')
  expect(await w.submit('/ns', 1, 'key-1')).toBe('L5')
})
