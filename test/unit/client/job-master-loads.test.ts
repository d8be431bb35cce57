// A load as a program follows it, over a job master that is away for a while.
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { LoadProgress } from '../../../src/client/file-loads.ts'
import { JobMasterLoads, type JobMasterLoadsOptions } from '../../../src/client/job-master-loads.ts'
import { LoadCounts, LoadStatus, type SubmitLoadRequest } from '../../../src/wire/generated/job.ts'

type Answer = Partial<LoadStatus> | SkeinError

function house(answers: Answer[]) {
  const submitted: SubmitLoadRequest[] = []
  let nowMs = 0
  let asked = 0
  const clock = {
    monotonicMs: () => nowMs,
    sleep: async (ms: number, signal: AbortSignal) => {
      nowMs += ms
      signal.throwIfAborted()
    },
  } as unknown as Clock
  const jobs: JobMasterLoadsOptions['jobs'] = {
    submitLoad: async (request) => {
      submitted.push(request)
      return { loadId: 'L1', joined: false }
    },
    getLoad: async () => {
      const answer = answers[Math.min(asked, answers.length - 1)]
      asked += 1
      if (answer instanceof SkeinError) throw answer
      return LoadStatus.fromPartial({ loadId: 'L1', path: '/ns', state: 'RUNNING', ...answer })
    },
    listLoadFiles: async ({ pageToken }) =>
      pageToken === ''
        ? { files: [file('/ns/a')], nextPageToken: 'more' }
        : { files: [file('/ns/b')], nextPageToken: '' },
    cancelLoad: async () => ({}),
  }
  const loads = new JobMasterLoads({ jobs, activeJobs: 7, uniqueId: () => 'key', clock })
  return { loads, submitted, asked: () => asked, clock }
}

const file = (path: string) => ({ path, reason: 'bad', length: 1, state: 'FAILED', attempts: 1, workerId: '' })

async function collect(progress: AsyncIterable<LoadProgress>): Promise<LoadProgress[]> {
  const all: LoadProgress[] = []
  for await (const one of progress) all.push(one)
  return all
}

const counted = (filesLoaded: number): Partial<LoadStatus> => ({ counts: LoadCounts.fromPartial({ filesLoaded }) })
const ended = { state: 'COMPLETED', endedMs: 5, ...counted(2) }
const away = new SkeinError('unavailable', 'away')

describe('loads of a program', () => {
  it('are submitted with what was asked for', async () => {
    const { loads, submitted } = house([ended])
    expect(await loads.load('/ns/d')).toBe('L1')
    await loads.load('/ns/d', { replication: 3, atomic: true, include: ['*.tar'], bandwidth: '5MB/s' })
    expect(submitted.map(({ options }) => options)).toEqual([
      { replication: 1, keepReplication: true, activeJobs: 7, batchSize: 0 },
      {
        ...{ replication: 3, activeJobs: 7, batchSize: 0, atomic: true, bandwidth: '5MB/s' },
        selection: { include: ['*.tar'], exclude: [] },
      },
    ])
  })

  it('say what has changed, also over a job master that is away, until they have ended', async () => {
    const { loads, asked } = house([counted(0), counted(0), away, away, counted(1), ended])
    const seen = await collect(loads.follow('L1'))
    expect(seen.map(({ filesLoaded, hasEnded }) => [filesLoaded, hasEnded])).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ])
    expect(asked()).toBe(6)
  })

  it('give up on a job master that stays away, and on a load that is unknown', async () => {
    const silent = house([away])
    await expect(collect(silent.loads.follow('L1'))).rejects.toBe(away)
    expect(silent.clock.monotonicMs()).toBeGreaterThan(120_000)
    const unknown = new SkeinError('not_found', 'no load')
    await expect(collect(house([unknown]).loads.follow('L9'))).rejects.toBe(unknown)
  })

  it('end with the reason of the signal', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const following = (async () => {
      for await (const _ of house([counted(0)]).loads.follow('L1', { signal: controller.signal }))
        controller.abort(reason)
    })()
    await expect(following).rejects.toBe(reason)
  })

  it('name the files that failed', async () => {
    const pages: string[][] = []
    for await (const page of house([]).loads.failedFiles('L1')) pages.push(page.map(({ path }) => path))
    expect(pages).toEqual([['/ns/a'], ['/ns/b']])
  })

  it.each([
    { replication: 0 },
    { priority: 101 },
    { include: '*.tar' },
    { exclude: ['\ud800'] },
    { evict: 1 },
    { x: 1 },
  ])('refuse %o', async (options) => {
    const { loads, submitted } = house([])
    await expect(loads.load('/ns', options as object)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(submitted).toEqual([])
  })
})
