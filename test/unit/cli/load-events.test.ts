// Why: what watchers are told must add up to the load's state, whenever they begin and whatever
// they miss.
import { assert, asyncProperty, integer, shuffledSubarray } from 'fast-check'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Clock, throwIfAborted } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { foldEvent, type LoadEvent, loadEvents, type LoadView } from '../../../src/cli/load/load-events.ts'
import type { LoadFile, LoadStatus } from '../../../src/wire/generated/job.ts'
import { load, run } from './support/harness.ts'

const never = new AbortController().signal

function jumpingClock(): Clock {
  let nowMs = 0
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms, signal) => {
      throwIfAborted(signal)
      nowMs += ms
    },
    schedule: () => () => undefined,
  }
}

it('who stops while nobody answers hears of the stop', async () => {
  const stop = new AbortController()
  const getLoad = async (): Promise<never> => {
    stop.abort(new SkeinError('cancelled', 'stopped'))
    throw new SkeinError('unavailable', 'gone')
  }
  const events = loadEvents(jumpingClock(), { getLoad, listLoadFiles: getLoad }, 'L1', stop.signal, () => undefined)
  await expect(events.next()).rejects.toMatchObject({ code: 'cancelled', message: 'stopped' })
})

const failedFile = (path: string): LoadFile => ({
  path,
  length: 1,
  state: 'FAILED',
  reason: `no\n ${path}`,
  attempts: 2,
  workerId: '',
})

/** A load that goes on by one step a look; files fail in any order of their names. */
class FakeJobs {
  readonly order: readonly string[]
  step = 0
  constructor(order: readonly string[]) {
    this.order = order
  }
  get failed(): readonly string[] {
    return this.order.slice(0, this.step)
  }
  status(): LoadStatus {
    const count = this.failed.length
    const ended = this.step >= this.order.length
    return load(ended ? 'PARTIAL' : 'RUNNING', {
      files: 100,
      filesLoaded: this.step,
      filesFailed: count,
      bytes: 100,
      bytesLoaded: this.step,
    })
  }
  readonly getLoad = async (): Promise<LoadStatus> => {
    this.step = Math.min(this.order.length, this.step + 1)
    return this.status()
  }
  readonly listLoadFiles = async (): Promise<{ files: LoadFile[]; nextPageToken: string }> => ({
    files: this.failed.toSorted().map(failedFile),
    nextPageToken: '',
  })
}

async function watch(
  jobs: Pick<FakeJobs, 'getLoad' | 'listLoadFiles'>,
  most = Number.POSITIVE_INFINITY,
): Promise<LoadEvent[]> {
  const events: LoadEvent[] = []
  for await (const { event, isNew } of loadEvents(jumpingClock(), jobs, 'L42', never, () => undefined)) {
    if (isNew) events.push(event)
    if (events.length >= most) break
  }
  return events
}

const fold = (events: readonly LoadEvent[]): LoadView | undefined =>
  events.reduce<LoadView | undefined>((view, event) => foldEvent(view, event), undefined)

describe('the events of a load', () => {
  it('add up to its final state, also when the watcher was killed and began again', async () => {
    await assert(
      asyncProperty(
        shuffledSubarray(['a', 'b', 'c', 'd', 'e', 'f'], { minLength: 2 }),
        integer({ min: 0, max: 7 }),
        async (order, most) => {
          const jobs = new FakeJobs(order)
          const first = await watch(jobs, Math.max(1, most))
          const second = first.at(-1)?.event === 'ended' ? [] : await watch(jobs)
          for (const events of [[...first, ...second], second.length > 0 ? second : first]) {
            const view = fold(events)
            expect(view).toMatchObject({
              state: 'PARTIAL',
              counts: jobs.status().counts,
              endedMs: 3000,
              fraction: order.length / 100,
            })
            expect(view?.failed.map(({ path }) => path).toSorted()).toEqual(order.toSorted())
            expect(view?.failedUnnamed).toBe(0)
          }
        },
      ),
    )
  })

  it('begin with the whole state and end with one `ended`, also for a load that has ended', async () => {
    const jobs = new FakeJobs(['a'])
    jobs.step = 1
    const events = await watch(jobs)
    expect(events.map(({ event }) => event)).toEqual(['state', 'ended'])
    expect(events[0]?.failed).toEqual([{ path: 'a', reason: 'no a', attempts: 2 }])
    expect(events[1]?.failed).toEqual([])
  })

  it('lose no failed file when the job master goes away in the middle of the list', async () => {
    const jobs = new FakeJobs(['b', 'a', 'c'])
    let refusals = 2
    const events = await watch({
      getLoad: jobs.getLoad,
      listLoadFiles: async () => {
        refusals -= 1
        if (refusals >= 0) throw new SkeinError('unavailable', 'gone')
        return await jobs.listLoadFiles()
      },
    })
    expect(
      fold(events)
        ?.failed.map(({ path }) => path)
        .toSorted(),
    ).toEqual(['a', 'b', 'c'])
  })

  it('are new when something is, or after a while', async () => {
    const still = load('RUNNING', { files: 4 })
    let looks = 0
    const seen: boolean[] = []
    const jobs = {
      getLoad: async () => ((looks += 1) > 120 ? load('COMPLETED') : still),
      listLoadFiles: async () => ({ files: [], nextPageToken: '' }),
    }
    for await (const { isNew } of loadEvents(jumpingClock(), jobs, 'L42', never, () => undefined)) seen.push(isNew)
    expect(seen).toHaveLength(121)
    const news = seen.filter((isNew) => isNew).length
    expect(news).toBeGreaterThanOrEqual(3)
    expect(news).toBeLessThan(15)
  })
})

describe('job progress --watch', () => {
  it("with --format json writes one line per event, the result last, and keeps the environment's files", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'skein-events-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const environment = { SKEIN_PROGRESS_FILE: join(folder, 'now.json'), FLUID_PROGRESS_FILE: join(folder, 'fluid') }
    const jobs = new FakeJobs(['x', 'y'])
    const { code, stdout } = await run(
      ['job', 'progress', 'L42', '--watch', '--format', 'json'],
      { jobs },
      { environment },
    )
    expect(code).toBe(3)
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as LoadEvent)
    expect(events.map(({ event }) => event)).toEqual(['state', 'ended'])
    expect(events.at(-1)).toMatchObject({
      loadId: 'L42',
      state: 'PARTIAL',
      counts: { filesFailed: 2 },
      failed: [{ path: 'y' }],
    })
    expect(JSON.parse(readFileSync(environment.SKEIN_PROGRESS_FILE, 'utf8'))).toEqual(events.at(-1))
    expect(readFileSync(environment.FLUID_PROGRESS_FILE, 'utf8')).toBe('4/100\n')
  })
})

describe('job', () => {
  it('ls marks what is staged, history pages, leader says where', async () => {
    const asked: unknown[] = []
    const staged = load('RUNNING', {}, { options: { replication: 1, activeJobs: 1, batchSize: 0, atomic: true } })
    const fake = {
      jobs: {
        listLoads: async (request: unknown) => {
          asked.push(request)
          return { loads: [staged] }
        },
      },
      master: { getJobMaster: async () => ({ rpcAddress: 'm:9205', webAddress: 'm:9206' }) },
    }
    expect((await run(['job', 'ls'], fake)).stdout).toMatch(/\nL42 +RUNNING staged +0\/0 /)
    expect((await run(['job', 'history', '--limit', '1', '--before', 'L43'], fake)).stdout).toMatch(/\nL42 /)
    expect(asked[1]).toEqual({ limit: 1, beforeLoadId: 'L43', endedOnly: true })
    expect((await run(['job', 'leader'], fake)).stdout).toBe('m:9205\n')
    const none = { master: { getJobMaster: async () => ({ rpcAddress: '', webAddress: '' }) } }
    expect(await run(['job', 'leader'], none)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^skein: no job master is registered/) as string,
    })
  })

  it('progress --watch draws the workers below the bar, over what it drew before, and leaves nothing', async () => {
    const workers = {
      workers: ['w1', 'w2'].map((workerId) => ({ workerId, hostname: '', bytes: 5, tasksOut: 0, failures: 0 })),
    }
    let looks = 0
    const fake = {
      jobs: {
        getLoad: async () => ((looks += 1) > 2 ? load('COMPLETED') : load('RUNNING', { files: 4 }, { workers })),
      },
    }
    const { code, stderr } = await run(['job', 'progress', 'L42', '--watch'], fake, { terminal: true })
    expect(code).toBe(0)
    const bar = '\\[\\.+\\] RUNNING [^\\n]*\\n {2}worker w1: 5B [^\\n]*\\n {2}worker w2: 5B [^\\n]*'
    expect(stderr.replaceAll('\u001B', '^')).toMatch(
      new RegExp(`^\\r\\^\\[2K${bar}\\^\\[2A\\r\\^\\[J${bar}\\^\\[2A\\r\\^\\[Jload L42`),
    )
  })

  it('progress shows what each worker got', async () => {
    const workers = { workers: [{ workerId: 'w1', hostname: 'h', bytes: 2048, tasksOut: 3, failures: 1 }] }
    const fake = { jobs: { getLoad: async () => load('RUNNING', { files: 4 }, { workers }) } }
    expect((await run(['job', 'progress', 'L42'], fake)).stdout).toMatch(
      /\n {2}worker w1 \(h\): 2048B arrived, 3 tasks out, 1 failures\n$/,
    )
  })
})
