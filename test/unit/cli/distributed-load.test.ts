import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { LoadStatus, SubmitLoadRequest } from '../../../src/wire/generated/job.ts'
import { type FakeCluster, load, run } from './support/harness.ts'

const home = mkdtempSync(join(tmpdir(), 'skein-cli-'))
afterAll(() => rmSync(home, { recursive: true }))

/** A job master that answers one status after the other, the last one for ever. */
class FakeJobMaster {
  submitted: SubmitLoadRequest[] = []
  cancels = 0
  polls = 0
  statuses: (LoadStatus | SkeinError)[]
  failed: { path: string; reason: string }[] = []

  constructor(...statuses: (LoadStatus | SkeinError)[]) {
    this.statuses = statuses
  }

  get cluster(): FakeCluster {
    return {
      jobs: {
        submitLoad: async (request) => {
          this.submitted.push(request)
          return { loadId: 'L42', joined: false }
        },
        getLoad: async () => {
          const status = this.statuses[Math.min(this.polls, this.statuses.length - 1)]
          this.polls += 1
          if (status === undefined || status instanceof SkeinError) throw status ?? new Error('no status')
          return status
        },
        cancelLoad: async () => {
          this.cancels += 1
          this.statuses = [load('RUNNING', {}, { cancelling: true }), load('CANCELLED', { files: 2, filesLoaded: 1 })]
          this.polls = 0
          return {}
        },
        listLoadFiles: async ({ pageToken, limit, failedOnly }) => {
          expect(failedOnly).toBe(true)
          const from = Number(pageToken)
          const files = this.failed
            .slice(from, from + limit)
            .map((one) => ({ ...one, length: 1, state: 'FAILED', attempts: 3, workerId: 'w7' }))
          return { files, nextPageToken: from + limit < this.failed.length ? String(from + limit) : '' }
        },
      },
    }
  }
}

const distributedLoad = ['fs', 'distributedLoad', '/data']
const away = new SkeinError('unavailable', 'cannot reach the job master')

describe('distributedLoad', () => {
  it('submits what was asked for, follows to the end, and prints exactly the line that clients parse', async () => {
    const jobs = new FakeJobMaster(
      load('SUBMITTED'),
      load('RUNNING', { files: 12, filesLoaded: 3 }),
      load('COMPLETED', { files: 12, filesLoaded: 10, filesCached: 2 }),
    )
    const { code, stdout, stderr } = await run(
      [...distributedLoad, '--replication', '2', '--active-jobs', '77', '--batch-size', '9'],
      jobs.cluster,
      { home },
    )
    expect(code).toBe(0)
    expect(stdout).toBe('Total completed file count is 12, failed file count is 0\n')
    expect(jobs.submitted).toEqual([
      { requestKey: 'unique', path: '/data', options: { replication: 2, activeJobs: 77, batchSize: 9 } },
    ])
    expect(stderr).toBe(
      'submitted load L42 of /data\nload L42 COMPLETED in 2s: cached 2, loaded 10, failed 0, skipped 0; 0B loaded\n',
    )
  })
  it('takes the number of active jobs from the configuration, 3000 if nothing else is said', async () => {
    const jobs = new FakeJobMaster(load('COMPLETED'))
    await run(distributedLoad, jobs.cluster, { home })
    await run([...distributedLoad, '-Dskein.load.active.jobs=5'], jobs.cluster, { home })
    expect(jobs.submitted.map(({ options }) => options?.activeJobs)).toEqual([3000, 5])
  })
  it.each([
    ['COMPLETED', 0],
    ['PARTIAL', 3],
    ['FAILED', 1],
    ['CANCELLED', 4],
  ])('%s exits %i', async (state, code) => {
    expect((await run(distributedLoad, new FakeJobMaster(load(state)).cluster, { home })).code).toBe(code)
  })
  it.each<[string, Partial<LoadStatus>, number]>([
    ['one file that is none here', { errorCode: 'failed_precondition' }, 3],
    [
      'the same of an atomic load, of which nothing is in',
      { errorCode: 'failed_precondition', options: { atomic: true } as never },
      1,
    ],
    ['a store that refuses', { errorCode: 'permission_denied' }, 1],
    ['nothing of a list', { errorCode: 'not_found' }, 2],
  ])('FAILED of %s', async (_, more, code) => {
    const jobs = new FakeJobMaster(load('FAILED', { files: 1, filesFailed: 1 }, more))
    jobs.failed = [{ path: '/data/x', reason: 'its name is not UTF-8' }]
    const result = await run(distributedLoad, jobs.cluster, { home })
    expect(result).toMatchObject({ code, stdout: expect.stringContaining('/data/x: its name is not UTF-8') })
  })
  it.each([
    [[], { files: 3 }, 0],
    [[], { files: 3, filesFailing: 1, failingCode: 'failed_precondition' }, 3],
    [[], { files: 1, filesFailing: 1, failingCode: 'failed_precondition' }, 3],
    [['--atomic'], { files: 3, filesFailing: 1, failingCode: 'failed_precondition' }, 1],
    [[], { files: 2, filesFailing: 2, failingCode: 'not_found' }, 2],
  ])('a plan with %j of %j exits as the load would', async (flags, plan, code) => {
    const numbers = {
      done: true,
      path: '/data',
      error: '',
      filesFailing: 0,
      filesExcluded: 0,
      failing: [],
      placement: [],
    }
    const jobs = {
      startPlan: async () => ({ planId: 'P1' }),
      getPlan: async () => ({ ...numbers, costBasis: '', ...plan }) as never,
    }
    const result = await run([...distributedLoad, '--plan', ...flags], { jobs }, { home })
    expect(result).toMatchObject({ code, stderr: '' })
  })
  it('names failed files and writes the whole list', async () => {
    const jobs = new FakeJobMaster(
      load('PARTIAL', { files: 2500, filesLoaded: 1, filesFailed: 2499 }, { reason: '2499 files failed' }),
    )
    jobs.failed = Array.from({ length: 2499 }, (_, number) => ({ path: `/data/${number}`, reason: 'not found' }))
    const { stdout, stderr } = await run(distributedLoad, jobs.cluster, { home })
    const list = join(home, 'failed', 'L42.txt')
    const lines = stdout.trimEnd().split('\n')
    expect(lines).toHaveLength(23)
    expect(lines[2]).toBe('/data/0: not found')
    expect(lines[22]).toContain(list)
    const listed = readFileSync(list, 'utf8').trimEnd().split('\n')
    expect([listed.length, listed[2498]]).toEqual([2499, '/data/2498: not found (attempts 3, worker w7)'])
    expect(stderr).toContain('skein: load L42 PARTIAL: 2499 files failed\n')
  })
  it('still ends when the list cannot be written', async () => {
    const blocked = join(home, 'blocked')
    writeFileSync(blocked, '')
    const jobs = new FakeJobMaster(load('PARTIAL', { filesFailed: 1 }))
    jobs.failed = [{ path: '/data/x', reason: 'gone' }]
    const { code, stdout, stderr } = await run(distributedLoad, jobs.cluster, { home: blocked })
    expect(code).toBe(3)
    expect(stdout).toBe(
      'Total completed file count is 0, failed file count is 1\nHere are failed files:\n/data/x: gone\n',
    )
    expect(stderr).toContain('cannot be written')
  })
  it('says how many bytes are missing when there is no room', async () => {
    const jobs = new FakeJobMaster(
      load(
        'FAILED',
        {},
        { reason: 'the dataset does not fit', errorCode: 'resource_exhausted', missingCapacityBytes: 12_345 },
      ),
    )
    const { code, stderr } = await run(distributedLoad, jobs.cluster, { home })
    expect(code).toBe(1)
    expect(stderr).toContain('does not fit (12345 bytes of cache capacity are missing)')
  })
  it('is refused with the message of the job master', async () => {
    const refused: FakeCluster = {
      jobs: {
        submitLoad: async () =>
          Promise.reject(new SkeinError('failed_precondition', 'replication 3 needs 3 live workers; there are 2')),
      },
    }
    const result = await run([...distributedLoad, '--replication', '3'], refused, { home })
    expect(result).toMatchObject({
      code: 1,
      stdout: '',
      stderr: 'skein: replication 3 needs 3 live workers; there are 2\n',
    })
  })
  it('--async prints the id and how to follow it', async () => {
    const jobs = new FakeJobMaster()
    const { code, stdout } = await run([...distributedLoad, '--async'], jobs.cluster, { home })
    expect([code, jobs.polls]).toEqual([0, 0])
    expect(stdout).toBe('Submitted successfully, jobControlId = L42\nFollow it with: skein job progress L42 --watch\n')
  })
  it('prints one JSON document with --format json', async () => {
    const jobs = new FakeJobMaster(load('PARTIAL', { filesLoaded: 1, filesFailed: 1 }))
    jobs.failed = [{ path: '/data/x', reason: 'gone' }]
    const { code, stdout } = await run(['--format', 'json', ...distributedLoad], jobs.cluster, { home })
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({
      loadId: 'L42',
      state: 'PARTIAL',
      counts: { filesLoaded: 1 },
      failedFiles: [{ path: '/data/x' }],
    })
    expect(existsSync((JSON.parse(stdout) as { failedList: string }).failedList)).toBe(true)
  })
})

describe('progress', () => {
  const running = Array.from({ length: 120 }, (_, number) =>
    load(
      'RUNNING',
      { files: 200, filesLoaded: number, bytes: 1e6, bytesLoaded: number * 1000 },
      { reason: number > 80 ? 'room' : '' },
    ),
  )
  it('is a line every few seconds where there is no terminal', async () => {
    const { stderr } = await run(distributedLoad, new FakeJobMaster(...running, load('COMPLETED')).cluster, { home })
    const lines = stderr.split('\n').filter((line) => line.startsWith('L42 RUNNING'))
    expect(lines).toHaveLength(3)
    expect(lines[0]).toMatch(/^L42 RUNNING \d+\/200 files, .*\/s, ETA /)
    expect(lines[0]).not.toContain('waits')
    expect(lines[2]).toContain('waits: room')
    expect(stderr).not.toContain('\r')
  })
  it('is a bar on a terminal, gone before the result', async () => {
    const { stderr } = await run(distributedLoad, new FakeJobMaster(...running, load('COMPLETED')).cluster, {
      home,
      terminal: true,
    })
    const clear = '\r\u001B[2K'
    expect(stderr.split(`${clear}[`)).toHaveLength(running.length + 1)
    expect(stderr).toContain(`${clear}load L42 COMPLETED`)
  })
})

describe('when the job master is away', () => {
  it('waits through a restart, says so now and then, and goes on', async () => {
    const gone = Array.from({ length: 200 }, () => away)
    const jobs = new FakeJobMaster(load('RUNNING'), ...gone, load('RUNNING'), load('COMPLETED', { filesLoaded: 3 }))
    const { code, stdout, stderr } = await run(distributedLoad, jobs.cluster, { home })
    expect(code).toBe(0)
    expect(stdout).toContain('count is 3')
    const notices = stderr.split('\n').filter((line) => line.includes('does not respond'))
    expect(notices.length).toBeGreaterThan(5)
    expect(notices.length).toBeLessThan(15)
  })
  it('gives up in the end, and says how to go on', async () => {
    const { code, stderr } = await run(distributedLoad, new FakeJobMaster(load('RUNNING'), away).cluster, { home })
    expect(code).toBe(1)
    expect(stderr).toContain('skein job progress L42 --watch')
  })
  it('does not wait for other errors', async () => {
    const jobs = new FakeJobMaster(load('RUNNING'), new SkeinError('not_found', 'there is no load L42'))
    expect(await run(distributedLoad, jobs.cluster, { home })).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('--bandwidth', () => {
  const warned = async (rate: string): Promise<string> => {
    const jobs = new FakeJobMaster(load('COMPLETED'))
    return (await run([...distributedLoad, '--bandwidth', rate], jobs.cluster, { home })).stderr
  }
  it.each(['50', '50KB/s', '08:00-20:00=200,else=unlimited'])(
    '%s is warned of: it is hardly what was meant',
    async (rate) => {
      expect(await warned(rate)).toMatch(/^skein: warning: --bandwidth \S+ is \d+ bytes per second at its lowest/m)
    },
  )
  it.each(['1MB/s', 'unlimited', '08:00-20:00=200MB/s,else=unlimited'])('%s is not', async (rate) => {
    expect(await warned(rate)).not.toContain('warning')
  })
})

describe('--replication', () => {
  it('is kept as it was set on the files where it is not given', async () => {
    const submitted = async (...flags: string[]) => {
      const jobs = new FakeJobMaster(load('COMPLETED'))
      await run([...distributedLoad, ...flags], jobs.cluster, { home })
      return jobs.submitted[0]?.options
    }
    expect(await submitted()).toMatchObject({ replication: 1, keepReplication: true })
    expect((await submitted('--replication', '1'))?.keepReplication).toBeUndefined()
  })
  it('says on how many files it changed what was set', async () => {
    const jobs = new FakeJobMaster(
      load(
        'COMPLETED',
        { files: 3, filesReplicationChanged: 2 },
        { options: { replication: 2, activeJobs: 1, batchSize: 0 } },
      ),
    )
    const { stderr } = await run([...distributedLoad, '--replication', '2'], jobs.cluster, { home })
    expect(stderr).toContain('the replication of 2 files, which had been set to something else, is now at least 2')
  })
})

describe('Ctrl-C', () => {
  it('asks for cancellation and waits for it', async () => {
    const jobs = new FakeJobMaster(load('RUNNING'))
    const { code, stdout, stderr } = await run(distributedLoad, jobs.cluster, {
      home,
      onSleep: (running, sleeps) => (sleeps === 2 ? running.stop() : undefined),
    })
    expect([code, jobs.cancels]).toEqual([4, 1])
    expect(stdout).toBe('Total completed file count is 1, failed file count is 0\n')
    expect(stderr).toContain('cancelling; press Ctrl-C again to exit without waiting')
    expect(stderr).toContain('skein job resume L42')
  })
  it('a second time waits no longer, and says how to follow the load', async () => {
    const jobs = new FakeJobMaster(load('RUNNING'))
    const stubborn: FakeCluster = { jobs: { ...jobs.cluster.jobs, cancelLoad: async () => ({}) } }
    const { code, stdout, stderr } = await run(distributedLoad, stubborn, {
      home,
      onSleep: (running, sleeps) => (sleeps === 2 || sleeps === 5 ? running.stop() : undefined),
    })
    expect(code).toBe(4)
    expect(stdout).toBe('')
    expect(stderr).toContain('load L42 is being cancelled; follow it with: skein job progress L42 --watch')
  })
  it('a second time leaves also when nobody answers, before the load was accepted and after', async () => {
    let stop = (): void => undefined
    const refuse = async (): Promise<never> => {
      stop()
      stop()
      throw away
    }
    const jobs = new FakeJobMaster(load('RUNNING'))
    const onStart = (running: { stop(): void }): void => void (stop = () => running.stop())
    const before = await run(distributedLoad, { jobs: { submitLoad: refuse } }, { home, onStart })
    expect(before).toMatchObject({ code: 4, stdout: '' })
    expect(before.stderr).toContain('stopped before the load was accepted')
    const after = await run(
      distributedLoad,
      { jobs: { ...jobs.cluster.jobs, getLoad: refuse, cancelLoad: refuse } },
      { home, onStart },
    )
    expect(after).toMatchObject({ code: 4, stdout: '' })
    expect(after.stderr).toContain('load L42 continues; follow it with: skein job progress L42 --watch')
  })
  it('before the load was accepted cancels it once it is', async () => {
    const jobs = new FakeJobMaster(load('RUNNING'))
    let stop = (): void => undefined
    const slow: FakeCluster = {
      jobs: {
        ...jobs.cluster.jobs,
        submitLoad: async () => {
          stop()
          return { loadId: 'L42', joined: false }
        },
      },
    }
    const started = run(distributedLoad, slow, { home, onStart: (running) => (stop = () => running.stop()) })
    expect((await started).code).toBe(4)
    expect(jobs.cancels).toBe(1)
  })
  it('asks again when the job master is away at that moment', async () => {
    const jobs = new FakeJobMaster(load('RUNNING'))
    let refusals = 2
    const flaky: FakeCluster = {
      jobs: {
        ...jobs.cluster.jobs,
        cancelLoad: async (request, options) => {
          refusals -= 1
          if (refusals >= 0) throw away
          return (await jobs.cluster.jobs?.cancelLoad?.(request, options)) ?? {}
        },
      },
    }
    const { code } = await run(distributedLoad, flaky, {
      home,
      onSleep: (running, sleeps) => (sleeps === 2 ? running.stop() : undefined),
    })
    expect([code, jobs.cancels]).toEqual([4, 1])
  })
})

describe('job progress --watch', () => {
  it('ends with the exit code of the load', async () => {
    const { code, stdout } = await run(
      ['job', 'progress', 'L42', '--watch'],
      new FakeJobMaster(load('RUNNING'), load('PARTIAL', { filesLoaded: 3, filesFailed: 1 })).cluster,
    )
    expect(code).toBe(3)
    expect(stdout).toBe('Total completed file count is 3, failed file count is 1\n')
  })
})
