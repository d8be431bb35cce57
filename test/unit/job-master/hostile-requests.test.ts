// Why: each of these requests held up a job master for good, or made its lists unreadable. How: the
// request, and what can still be asked afterwards.
import { afterEach, expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { cutStatus, statusOf } from '../../../src/job-master/view/load-status.ts'
import { LoadListing } from '../../../src/job-master/plan/file-pages.ts'
import { emptyCounts, type LoadRecord } from '../../../src/load/load.ts'
import { LoadStatus } from '../../../src/wire/generated/job.ts'
import { never } from '../../model/support/load-doubles.ts'
import { World } from '../../model/support/load-world.ts'
import { memoryTables } from '../load/support/memory-tables.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

test('a completion with a new version in blocks of 0 bytes is refused, and the load ends well', async () => {
  world = new World({ seed: 1, workers: 1 })
  const { service } = await world.startJobMaster()
  world.addFile('f', 1000)
  const loadId = await world.submit()
  const worker = { jobWorkerId: 'j1', hostname: 'h', rpcAddress: '', activeTasksMax: 4 }
  const { session } = await service.registerJobWorker(worker, { signal: never })
  await world.clock.advance(1000)
  const task = { jobWorkerId: 'j1', session, loadId, set: 1, attempt: 1 }
  const started = await service.startSet(task, { signal: never })
  const [piece] = started.pieces
  expect(piece?.key).toBe('f')
  const oldFileId = piece?.fileId ?? 0
  const version = { oldFileId, fileId: fileIdOf(99), key: 'f', etag: 'x', length: 1000, blockSizeBytes: 0 }
  const completion = { ...task, failures: [], replacements: [version], originBytes: Number.MAX_SAFE_INTEGER }
  await expect(service.completeSet(completion, { signal: never })).rejects.toMatchObject({
    code: 'invalid_argument',
    message: expect.stringMatching(/0 is not a valid block size/),
  })
  const failures = [
    {
      fileId: oldFileId,
      blockIndex: 2 ** 31,
      workerId: '',
      code: 'x',
      reason: '',
      retryable: false,
      message: 'not of the set',
    },
  ]
  world.workers[0]?.blocks.set(oldFileId - (2 ** 20 - 1), 1000)
  await service.completeSet({ ...completion, replacements: [], failures }, { signal: never })
  const status = await world.untilEnded(loadId)
  expect(LoadStatus.decode(LoadStatus.encode(status).finish())).toMatchObject({
    state: 'COMPLETED',
    counts: { filesLoaded: 1 },
  })
})

/** A load of one file that is out to a job worker, which is the test's own. */
async function outSet() {
  world = new World({ seed: 1, workers: 1 })
  const { service } = await world.startJobMaster()
  const file = world.addFile('f', 1000)
  const loadId = await world.submit()
  const { session } = await service.registerJobWorker(
    { jobWorkerId: 'j1', hostname: 'h', rpcAddress: '', activeTasksMax: 4 },
    { signal: never },
  )
  await world.clock.advance(1000)
  const task = { jobWorkerId: 'j1', session, loadId, set: 1, attempt: 1 }
  const started = await service.startSet(task, { signal: never })
  const oldFileId = started.pieces[0]?.fileId ?? 0
  const complete = (version: { fileId: number; etag: string; length: number }) => {
    const replacements = [{ oldFileId, key: 'f', blockSizeBytes: file.blockSizeBytes, ...version }]
    return service.completeSet({ ...task, failures: [], replacements, originBytes: 0 }, { signal: never })
  }
  return { world, service, task, loadId, file, complete }
}

test.each([
  ['an id that nobody gave out', () => ({ fileId: fileIdOf(99), etag: 'etag', length: 1000 })],
  ['an id that nobody gave out, of no bytes', () => ({ fileId: fileIdOf(99), etag: 'etag', length: 0 })],
  ['the id of another file, which is cached', (other: number) => ({ fileId: other, etag: 'etag', length: 1000 })],
])('a new version that the master does not hold (%s) is refused, and nothing counts as loaded', async (_, version) => {
  const { world: here, service, loadId, file, complete } = await outSet()
  const other = here.addFile('other', 1000)
  here.workers[0]?.blocks.set(other.fileId - (2 ** 20 - 1), 1000)
  const named = version(other.fileId)
  await expect(complete({ ...named, etag: file.etag })).rejects.toMatchObject({ code: 'invalid_argument' })
  await here.clock.advance(5000)
  const { state, counts } = await service.getLoad({ loadId }, { signal: never })
  expect([state, counts?.filesLoaded]).toEqual(['RUNNING', 0])
})

test('of a new version the master has the last word', async () => {
  const { world: here, service, task, loadId, complete } = await outSet()
  const newer = here.addFile('f', 3000)
  await complete({ fileId: fileIdOf(98), etag: 'between', length: 2000 })
  // What was planned in its place, before any audit.
  expect((await service.getLoad({ loadId }, { signal: never })).counts?.bytes).toBe(3000)
  here.workers[0]?.blocks.set(newer.fileId - (2 ** 20 - 1), 3000)
  await service.completeSet(
    { ...task, set: 2, attempt: 2, failures: [], replacements: [], originBytes: 3000 },
    { signal: never },
  )
  const status = await here.untilEnded(loadId)
  expect(status).toMatchObject({ state: 'COMPLETED', counts: { bytes: 3000, filesLoaded: 1 } })
})

test('a load of any options and counts fits a list of a thousand', () => {
  const text = 'x'.repeat(10_000_000)
  const load: LoadRecord = {
    ...{
      loadId: 1,
      path: '/ns',
      submittedMs: 1,
      mode: 'FAILED',
      cancelling: false,
      namespaceId: '',
      cursor: '',
      pagesPlanned: 0,
    },
    ...{
      listingDone: true,
      nextSet: 1,
      hasSplitFiles: false,
      expiring: false,
      openSets: 0,
      startedMs: 0,
      endedMs: 0,
      errorCode: '',
    },
    options: {
      ...{ replication: 1, activeJobs: 1, batchSize: 1, bandwidth: text, schedule: text },
      selection: { include: Array.from({ length: 1000 }, () => text.slice(0, 1000)), exclude: [] },
    },
    reason: text,
    missingCapacityBytes: 1e30,
    counts: { ...emptyCounts, bytes: 1e30, filesCached: 7, bytesLoaded: -5 },
  }
  const status = statusOf(load, 0, '', 1)
  expect(LoadStatus.encode(cutStatus(status, true)).finish().length).toBeLessThan(16 * 1024)
  const one = LoadStatus.decode(LoadStatus.encode(cutStatus(status, false)).finish())
  expect(one.counts).toMatchObject({ bytes: Number.MAX_SAFE_INTEGER, filesFailed: 0, bytesLoaded: 0 })
  expect(one.options?.selection?.include).toHaveLength(1000)
})

test('globs of too many characters are refused, and what is allowed lets others have their turn', async () => {
  world = new World({ seed: 1, workers: 1 })
  const { service } = await world.startJobMaster()
  world.addFile('f', 1000)
  const submit = (include: string[]) =>
    service.submitLoad(
      {
        requestKey: '',
        path: '/ns/',
        options: { replication: 1, activeJobs: 1, batchSize: 0, selection: { include, exclude: [] } },
      },
      { signal: never },
    )
  const glob = `${'*a'.repeat(499)}*`
  await expect(submit(Array.from({ length: 20 }, () => glob))).rejects.toThrow(/more than 10000 characters/)
  await expect(submit([`${'{'.repeat(50)}a${'}'.repeat(50)}`])).rejects.toThrow(/braces nested more than/)

  let sleeps = 0
  const clock = {
    now: 0,
    nowMs: () => 0,
    monotonicMs: () => (clock.now += 1),
    sleep: async () => void (sleeps += 1),
    schedule: () => () => undefined,
  }
  const files = Array.from({ length: 500 }, (_, index) => ({
    ...{
      fileId: fileIdOf(index + 1),
      key: 'a'.repeat(20),
      length: 1,
      etag: 'e',
      blockSizeBytes: 1,
      blocks: [],
      problem: '',
    },
  }))
  const master = { syncPage: async () => ({ namespaceId: 'n', files, nextCursor: '' }) }
  const selection = { include: [glob], exclude: [] }
  const load = { path: '/ns/', options: { replication: 1, activeJobs: 1, batchSize: 1, selection } }
  const listing = new LoadListing(load, { master: master as never, tables: memoryTables(), clock })
  expect((await listing.page('', 1000, never)).filesExcluded).toBe(500)
  expect(sleeps).toBeGreaterThan(10)
})
