// Why: what the job master promises to the command line and to job workers, one behaviour a test,
// in virtual time.
import { afterEach, describe, expect, test } from 'vitest'
import { isSkeinError } from '../../../src/base/errors.ts'
import { never } from '../../model/support/load-doubles.ts'
import { megabyte, World } from '../../model/support/load-world.ts'
import type { WorldOptions } from '../../model/support/world-options.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

async function begin(options: Partial<WorldOptions> = {}, jobWorkers = 2): Promise<World> {
  world = new World({ seed: 1, workers: 2, ...options })
  await world.startJobMaster()
  for (let index = 1; index <= jobWorkers; index += 1) world.startJobWorker(`j${index}`, `host${index}`)
  return world
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'ok',
    (thrown: unknown) =>
      thrown instanceof Error && 'code' in thrown ? `${String(thrown.code)}: ${thrown.message}` : String(thrown),
  )
}

describe('a load', () => {
  test('brings in every block on as many workers as asked, reads the origin once, and stores the target', async () => {
    const w = await begin()
    for (let index = 0; index < 40; index += 1) w.addFile(`small/${index}`, 16_384)
    w.addFile('big', 700 * megabyte)
    const loadId = await w.submit('/ns/', 2)
    expect(loadId).toBe('L1')
    const status = await w.untilEnded(loadId)
    expect(status).toMatchObject({ state: 'COMPLETED', reason: '', listingDone: true })
    const bytes = 40 * 16_384 + 700 * megabyte
    expect(status.counts).toMatchObject({
      files: 41,
      filesLoaded: 41,
      filesFailed: 0,
      filesCached: 0,
      bytes,
      bytesLoaded: bytes,
      originBytes: bytes,
      tasksRetried: 0,
      tasksOut: 0,
    })
    expect(status.counts?.tasksDone).toBe(status.counts?.tasks)
    expect(w.originBytes).toBe(bytes)
    for (const file of w.files.values()) {
      expect(w.fewestReplicas(file)).toBe(2)
      expect(w.replicationOf.get(file.fileId)).toBe(2)
    }
    const again = await w.untilEnded(await w.submit('/ns/', 2))
    expect(again).toMatchObject({
      state: 'COMPLETED',
      counts: { files: 41, filesCached: 41, filesLoaded: 0, bytesCached: bytes, tasks: 0 },
    })
  })

  test('of an empty namespace is COMPLETED with nothing', async () => {
    const w = await begin()
    expect(await w.untilEnded(await w.submit('/ns'))).toMatchObject({ state: 'COMPLETED', counts: { files: 0 } })
  })

  test('with one archived object in a batch is PARTIAL, and only that object is missing', async () => {
    const w = await begin()
    for (let index = 0; index < 10; index += 1) w.addFile(`f${index}`, 1000)
    w.addFile('frozen', 1000).poisoned = true
    const loadId = await w.submit()
    const status = await w.untilEnded(loadId)
    expect(status).toMatchObject({
      state: 'PARTIAL',
      errorCode: 'failed_precondition',
      counts: { filesLoaded: 10, filesFailed: 1 },
    })
    const list = await w.jobMaster?.service.listLoadFiles(
      { loadId, pageToken: '', limit: 0, failedOnly: true },
      { signal: never },
    )
    expect(list?.files).toMatchObject([
      {
        path: '/ns/frozen',
        length: 1000,
        state: 'FAILED',
        reason: 'the object is archived',
        attempts: 1,
        workerId: expect.stringMatching(/^j[12]$/),
      },
    ])
    expect(list?.files).toHaveLength(1)
  })

  describe('with the attempts of the defaults, each as long as it can take', () => {
    const slow = { taskMs: 28_000, jobMaster: { retry: { attemptsMax: 5, initialMs: 500, maxMs: 15_000 } } }

    test('gives an object that its store never gives up within three minutes', async () => {
      const w = await begin(slow)
      for (let index = 0; index < 10; index += 1) w.addFile(`f${index}`, 1000)
      w.addFile('bad', 1000).poisoned = 'lone'
      const status = await w.untilEnded(await w.submit())
      expect(status).toMatchObject({
        state: 'PARTIAL',
        errorCode: 'unavailable',
        counts: { filesLoaded: 10, filesFailed: 1 },
      })
      expect(status.endedMs - status.startedMs).toBeLessThan(180_000)
      const list = await w.jobMaster?.service.listLoadFiles(
        { loadId: status.loadId, pageToken: '', limit: 0, failedOnly: true },
        { signal: never },
      )
      // Two fewer than a store that is down has.
      expect(list?.files).toMatchObject([{ path: '/ns/bad', attempts: 3 }])
    })

    test('waits longer for a store that is down', async () => {
      const w = await begin(slow)
      w.addFile('a', 1000)
      w.storeDown = true
      const loadId = await w.submit()
      let attempts = 0
      for (
        const until = w.clock.now + 600_000;
        attempts < 4 && w.clock.now < until;
        attempts = (await w.status(loadId)).counts?.tasksRetried ?? 0
      )
        await w.clock.step(until)
      w.storeDown = false
      expect(attempts).toBe(4)
      expect(await w.untilEnded(loadId)).toMatchObject({ state: 'COMPLETED' })
    })
  })

  test('starts an overwritten object again at its new version, and fails a deleted one by name', async () => {
    const w = await begin({ taskMs: 3000 })
    for (const key of ['a', 'b', 'c']) w.addFile(key, 300 * megabyte)
    const loadId = await w.submit()
    await w.clock.advance(2500)
    const overwritten = w.files.get('b')
    if (overwritten === undefined) throw new Error('no file b')
    w.files.set('b', { ...overwritten, fileId: w.newFileId(), etag: 'new', length: 400 * megabyte })
    w.files.delete('c')
    const status = await w.untilEnded(loadId)
    expect(status).toMatchObject({
      state: 'PARTIAL',
      errorCode: 'not_found',
      counts: { files: 3, filesLoaded: 2, filesFailed: 1 },
    })
    expect(status.counts?.bytesLoaded).toBe(700 * megabyte)
    for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBe(1)
    const list = await w.jobMaster?.service.listLoadFiles(
      { loadId, pageToken: '', limit: 0, failedOnly: false },
      { signal: never },
    )
    expect(list?.files.map((file) => [file.path, file.state]).toSorted()).toEqual([
      ['/ns/a', 'DONE'],
      ['/ns/b', 'DONE'],
      ['/ns/c', 'FAILED'],
    ])
    expect(list?.files.find((file) => file.path === '/ns/c')?.reason).toBe(
      'the object was deleted from the store during the load',
    )
  })

  test('larger than the cache is refused with the bytes that are missing, and loads nothing', async () => {
    const w = await begin({ capacityBytes: 100 * megabyte })
    for (let index = 0; index < 10; index += 1) w.addFile(`f${index}`, 30 * megabyte)
    const loadId = await w.submit()
    const status = await w.untilEnded(loadId)
    expect(status).toMatchObject({
      state: 'FAILED',
      errorCode: 'resource_exhausted',
      missingCapacityBytes: 100 * megabyte,
    })
    // Each worker has room for three of them.
    expect(status.reason).toContain(String(100 * megabyte))
    expect(w.originBytes).toBe(0)
    // Those that would have had room are missing as well: the list has all that are counted, once
    // each.
    const failed = new Map<string, string>()
    for (let pageToken = '', more = true; more; more = pageToken !== '') {
      const page = await w.jobMaster?.service.listLoadFiles(
        { loadId, pageToken, limit: 3, failedOnly: true },
        { signal: never },
      )
      for (const file of page?.files ?? []) {
        expect(failed.has(file.path)).toBe(false)
        failed.set(file.path, file.reason)
      }
      pageToken = page?.nextPageToken ?? ''
    }
    expect(failed.size).toBe(status.counts?.filesFailed)
    expect(failed.size).toBe(10)
    expect([...failed.values()].every((reason) => /no room/.test(reason))).toBe(true)
  })

  test('that just fits is loaded, again and again after frees', async () => {
    const w = await begin({ capacityBytes: 100 * megabyte })
    for (let round = 0; round < 3; round += 1) {
      for (let index = 0; index < 20; index += 1) w.addFile(`r${round}/f${index}`, 9 * megabyte)
      expect(await w.untilEnded(await w.submit(`/ns/r${round}/`))).toMatchObject({ state: 'COMPLETED' })
      for (const worker of w.workers) worker.blocks.clear()
      await w.clock.advance(5000)
    }
  })

  test('never has more tasks out than --active-jobs', async () => {
    const w = await begin()
    for (let index = 0; index < 30; index += 1) w.addFile(`f${index}`, 64 * megabyte)
    const loadId = await w.submit('/ns/', 1, '', 1)
    let most = 0
    for (let status = await w.status(loadId); status.endedMs === 0; status = await w.status(loadId)) {
      most = Math.max(most, status.counts?.tasksOut ?? 0)
      await w.clock.step(w.clock.now + 100)
    }
    expect(most).toBe(1)
  })
})

describe('submission', () => {
  test('refuses what cannot work, at once', async () => {
    const w = await begin()
    w.addFile('a', 1)
    expect(await codeOf(w.submit('/ns/', 3))).toBe(
      'failed_precondition: replication 3 needs 3 live workers, 2 are live',
    )
    const [leaving] = w.workers
    if (leaving !== undefined) leaving.decommissioning = true
    const refused = 'failed_precondition: replication 2 needs 2 live workers, 1 is live, 1 more is being decommissioned'
    expect(await codeOf(w.submit('/ns/', 2))).toBe(refused)
    if (leaving !== undefined) leaving.decommissioning = false
    expect(await codeOf(w.submit('/ns/', 0))).toMatch(/^invalid_argument/)
    expect(await codeOf(w.submit('/ns/', 1, '', 0))).toMatch(/^invalid_argument/)
    expect(await codeOf(w.submit('/'))).toMatch(/^invalid_argument/)
    expect(await codeOf(w.submit('/other/'))).toMatch(/^not_found/)
    expect(await codeOf(w.submit('/ns/nothing'))).toMatch(/^not_found/)
    expect((await w.jobMaster?.service.listLoads({ limit: 0 }, { signal: never }))?.loads).toEqual([])
  })

  test('is idempotent by request key and joins an equal running load', async () => {
    const w = await begin({}, 0)
    w.addFile('a', 1)
    expect(await w.submit('/ns/', 1, 'key')).toBe('L1')
    expect(await w.submit('/ns/', 1, 'key')).toBe('L1')
    expect(
      await w.jobMaster?.service.submitLoad(
        { requestKey: 'k2', path: '/ns/', options: { replication: 1, activeJobs: 3000, batchSize: 0 } },
        { signal: never },
      ),
    ).toEqual({ loadId: 'L1', joined: true })
    expect(await w.submit('/ns/', 2, 'k3')).toBe('L2')
    await w.clock.advance(1000)
    expect((await w.status('L1')).reason).toBe('waiting for a job worker')
    expect((await w.status('1')).loadId).toBe('L1')
    await expect(w.status('L9')).rejects.toSatisfy((thrown) => isSkeinError(thrown, 'not_found'))
  })
})

describe('faults', () => {
  async function many(options: Partial<WorldOptions> = {}): Promise<{ w: World; loadId: string }> {
    const w = await begin({ taskMs: 1000, ...options })
    for (let index = 0; index < 40; index += 1) w.addFile(`f${index}`, 64 * megabyte)
    const loadId = await w.submit('/ns/', 2)
    await w.clock.advance(3000)
    return { w, loadId }
  }
  function expectWhole(w: World, status: { state: string; counts?: unknown }): void {
    expect(status).toMatchObject({ state: 'COMPLETED', counts: { filesLoaded: 40, bytesLoaded: 40 * 64 * megabyte } })
    for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBe(2)
  }

  test('a killed job worker: the other one finishes', async () => {
    const { w, loadId } = await many()
    w.killJobWorker('j1')
    expectWhole(w, await w.untilEnded(loadId, 60_000))
  })

  test.each([true, false])(
    'a killed job master goes on by itself, running tasks are not done twice (tables lost: %s)',
    async (forget) => {
      const { w, loadId } = await many()
      await w.killJobMaster(forget)
      await w.clock.advance(2000)
      await w.startJobMaster()
      expectWhole(w, await w.untilEnded(loadId, 60_000))
      expect(w.originBytes).toBe(40 * 64 * megabyte)
    },
  )

  test('a flushed queue', async () => {
    const { w, loadId } = await many()
    w.queue.flush()
    expectWhole(w, await w.untilEnded(loadId, 60_000))
  })

  test('a queue that is down for a while: the load says so, waits, and goes on', async () => {
    const { w, loadId } = await many()
    w.queue.isDown = true
    w.queue.flush()
    await w.clock.advance(120_000)
    expect((await w.status(loadId)).reason).toContain('the queue is down')
    w.queue.isDown = false
    expectWhole(w, await w.untilEnded(loadId, 60_000))
  })

  test('a cache worker that dies and comes back with its blocks: only what was in flight is read again', async () => {
    const { w, loadId } = await many()
    const worker = w.workers[1]
    if (worker === undefined) throw new Error('no worker')
    worker.live = false
    await w.clock.advance(20_000)
    expect((await w.status(loadId)).reason).toBe('waiting for workers: 1 live, 2 needed')
    worker.live = true
    expectWhole(w, await w.untilEnded(loadId, 60_000))
    expect(w.originBytes).toBeLessThanOrEqual((40 + 8) * 64 * megabyte)
  })

  test('a cache worker that never comes back: PARTIAL with the reason, in bounded time', async () => {
    const { w, loadId } = await many()
    const worker = w.workers[1]
    if (worker === undefined) throw new Error('no worker')
    worker.live = false
    const status = await w.untilEnded(loadId, 240_000)
    expect(['PARTIAL', 'FAILED']).toContain(status.state)
    expect(status.counts?.filesFailed).toBe(40)
    expect(status.errorCode).toBe('unavailable')
  })

  test('a cache worker that dies for good among three: its sets go to the third', async () => {
    const { w, loadId } = await many({ workers: 3 })
    const worker = w.workers[1]
    if (worker === undefined) throw new Error('no worker')
    worker.live = false
    worker.blocks.clear()
    expectWhole(w, await w.untilEnded(loadId, 120_000))
  })

  test('a job worker that is stopped and continued: nothing is counted twice', async () => {
    const { w, loadId } = await many()
    const jobWorker = w.jobWorkers.get('j1')
    if (jobWorker === undefined) throw new Error('no job worker')
    jobWorker.pausedUntilMs = w.clock.now + 25_000
    expectWhole(w, await w.untilEnded(loadId, 90_000))
  })

  test('a master that has not heard of all workers yet: nothing is refused for want of their room', async () => {
    const w = await begin({ capacityBytes: 100 * megabyte })
    for (let index = 0; index < 15; index += 1) w.addFile(`f${index}`, 10 * megabyte)
    const [, second] = w.workers
    if (second === undefined) throw new Error('no second worker')
    second.live = false
    w.safeMode = true
    w.clock.schedule(4000, () => {
      second.live = true
      w.safeMode = false
    })
    expect(await w.untilEnded(await w.submit())).toMatchObject({ state: 'COMPLETED', counts: { filesLoaded: 15 } })
  })

  test('a master that is down for a while', async () => {
    const { w, loadId } = await many()
    w.masterDown = true
    await w.clock.advance(90_000)
    w.masterDown = false
    expectWhole(w, await w.untilEnded(loadId, 60_000))
  })

  test('cancel ends within seconds, is idempotent, and leaves nothing in the queue', async () => {
    const { w, loadId } = await many({ taskMs: 60_000 })
    await w.jobMaster?.service.cancelLoad({ loadId }, { signal: never })
    await w.jobMaster?.service.cancelLoad({ loadId }, { signal: never })
    expect(await w.untilEnded(loadId, 10_000)).toMatchObject({ state: 'CANCELLED', cancelling: true })
    await w.clock.advance(1000)
    expect([...w.queue.lanes.values()].reduce((sum, lane) => sum + lane.size, 0)).toBe(0)
    expect(await w.jobMaster?.service.cancelLoad({ loadId }, { signal: never })).toEqual({})
  })
})
