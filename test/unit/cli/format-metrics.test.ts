// Why: clients parse the lines of the reports, and the doctor must not call a sound cluster ill.
import { describe, expect, it } from 'vitest'
import { problemsOf, stateProblems } from '../../../src/cli/format/format-doctor.ts'
import { metricsText, ufsText } from '../../../src/cli/format/format-metrics.ts'
import type { JobServiceSummary } from '../../../src/wire/generated/job.ts'
import type { ClusterSummary, WorkerInfo } from '../../../src/wire/generated/master.ts'

it('metrics are a line each, with their unit', () => {
  const text = metricsText([
    { name: 'Cluster.BytesReadLocal', type: 'COUNTER', value: 12 * 1024 ** 2, unit: 'BYTES' },
    { name: 'Cluster.BytesReadRemoteThroughput', type: 'GAUGE', value: 6 * 1024 ** 2, unit: 'BYTES_PER_MINUTE' },
    { name: 'Cluster.Workers', type: 'GAUGE', value: 3, unit: 'COUNT' },
  ])
  expect(text.split('\n')).toEqual([
    'Cluster.BytesReadLocal  (Type: COUNTER, Value: 12.00MB)',
    'Cluster.BytesReadRemoteThroughput  (Type: GAUGE, Value: 6.00MB/MIN)',
    'Cluster.Workers  (Type: GAUGE, Value: 3)',
  ])
})

it('the report of stores is a heading and a line a namespace, without values of secrets', () => {
  expect(ufsText([])).toBe('GooseFS under storage system information: ')
  const text = ufsText([
    {
      namespaceId: '1',
      name: 'ns',
      uri: 's3://b',
      attributes: {},
      secretNames: ['key'],
      createdMs: 0,
      ttlMs: 0,
      ttlAction: 'FREE',
    },
  ])
  expect(text.split('\n')[1]).toBe(
    's3://b  on  /ns  (s3, capacity=-1B, used=-1B, not read-only, not shared, properties={key=******})',
  )
})

describe('the doctor', () => {
  const summary: ClusterSummary = {
    ...{ masterAddress: 'm:1', webPort: 1, rpcPort: 2, startedMs: 0, nowMs: 1, version: '1', safeMode: false },
    ...{
      liveWorkers: 1,
      lostWorkers: 0,
      capacityBytes: 10,
      usedBytes: 10,
      tiers: [],
      files: 0,
      clusterId: 'c',
      refusedWorkers: [],
    },
  }
  const directory = { path: '/d', tier: 'SSD', mediumType: 'SSD', quotaBytes: 10, usedBytes: 10 }
  const worker: WorkerInfo = {
    ...{
      workerId: 'w',
      hostname: 'h',
      rpcAddress: 'h:1',
      dataAddress: 'h:2',
      webAddress: '',
      live: true,
      lastHeartbeatMs: 0,
    },
    ...{ startedMs: 0, capacityBytes: 10, usedBytes: 10, blockCount: 1, directories: [directory] },
  }
  const jobs = {
    liveJobWorkers: 1,
    queueHealthy: true,
    queue: 'inprocess:',
    queueWarnings: [] as string[],
  } as JobServiceSummary

  it('has nothing to say of a sound cluster, full as a cache may be', () => {
    expect(problemsOf(summary, [worker], jobs)).toEqual([])
  })

  it('names files that can be read from nowhere, a few of them', () => {
    expect(problemsOf(summary, [worker], jobs, { paths: [], total: 0 })).toEqual([])
    const paths = [1, 2, 3, 4, 5, 6].map((n) => `/ns/${n}`)
    const [problem] = problemsOf(summary, [worker], jobs, { paths, total: 70 })
    expect(problem).toContain(
      '70 files cannot be read: not written to the store, and with blocks on no live worker: ' +
        '/ns/1, /ns/2, /ns/3, /ns/4, /ns/5 and 65 more.',
    )
    expect(problemsOf(summary, [worker], jobs, { paths: ['/ns/1'], total: 1 })[0]).toContain('1 file cannot be read')
  })

  it.each([
    [{ ...summary, safeMode: true }, [worker], jobs, /safe mode/],
    [{ ...summary, liveWorkers: 0 }, [], jobs, /No worker is running/],
    [summary, [{ ...worker, live: false }], jobs, /Worker h \(h:1\) is lost: .* 'skein fsadmin forget w'/],
    [
      summary,
      [{ ...worker, directories: [{ ...directory, state: 'DOWN' }] }],
      jobs,
      /directory \/d of tier SSD is down/,
    ],
    [summary, [{ ...worker, capacityBytes: 0 }], jobs, /has no capacity/],
    [summary, [worker], { ...jobs, queueWarnings: ['Redis at r may evict tasks'] }, /^Redis at r may evict tasks\.$/],
    [summary, [worker], 'gone', /job master does not respond.*gone/],
    [summary, [worker], { ...jobs, liveJobWorkers: 0 }, /No job worker is running/],
    [summary, [worker], { ...jobs, queueHealthy: false }, /queue inprocess: does not respond/],
  ])('names what is wrong, in one line: %#', (about, workers, jobService, words) => {
    const problems = problemsOf(about, workers, jobService)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(words)
  })

  describe('of the findings in a state', () => {
    const crash = 'the walk through a copy of the state was terminated by SIGSEGV: a page is damaged'
    const snapshot = 'the snapshot in /data/state is damaged'

    it('a process that a damaged page ended: the next start restores the state', () => {
      expect(stateProblems([{ role: 'master', findings: [crash], rows: 0 }])).toEqual([
        `State of the master: ${crash}. Start the master again: it restores its state from the snapshot and the ` +
          'journal. If the problem remains: Restore a backup into an empty home.',
      ])
    })

    it('a snapshot beside a sound state is written anew', () => {
      expect(
        stateProblems([
          { role: 'master', findings: [snapshot], rows: 1 },
          { role: 'job master', findings: [snapshot], rows: 1 },
        ]),
      ).toEqual([
        `State of the master: ${snapshot}. Run 'skein fsadmin backup', which writes a new one.`,
        `State of the job master: ${snapshot}. Stop the job master with SIGTERM, which writes a new one, ` +
          'and start it again.',
      ])
    })

    it('with neither of them whole it does not advise a restart', () => {
      const [ofState, ofSnapshot] = stateProblems([{ role: 'job master', findings: [crash, snapshot], rows: 0 }])
      const advice =
        'Neither the state nor the snapshot can be used: the job master cannot start again. ' +
        'Start it with an empty directory; its loads and schedules must be submitted again.'
      expect(ofState).toBe(`State of the job master: ${crash}. ${advice}`)
      expect(ofSnapshot).toBe(`State of the job master: ${snapshot}. ${advice}`)
    })
  })
})
