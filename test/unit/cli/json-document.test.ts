// Programs read every document with one set of names.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { jsonText, timeFields } from '../../../src/cli/frame/json-document.ts'
import type { Schedule } from '../../../src/wire/generated/schedule.ts'
import { type FakeCluster, file, load, run } from './support/harness.ts'

const said = (document: unknown): unknown => JSON.parse(jsonText(document))

describe('a document', () => {
  it('has a time in milliseconds and in ISO 8601 with its zone, or null twice', () => {
    expect(said({ createdMs: 1_700_000_000_123, inner: [{ endedMs: 0 }] })).toEqual({
      createdMs: 1_700_000_000_123,
      created: '2023-11-14T22:13:20.123Z',
      inner: [{ endedMs: null, ended: null }],
    })
    expect(said({ startedMs: 9e99, dueMs: Number.NaN })).toEqual({
      startedMs: null,
      started: null,
      dueMs: null,
      due: null,
    })
  })
  it('has one word for no TTL, and keeps durations', () => {
    expect(said([{ ttlMs: 0 }, { ttlMs: -1 }, { ttlMs: 5 }, { jitterMs: 0 }])).toEqual([
      { ttlMs: null },
      { ttlMs: null },
      { ttlMs: 5 },
      { jitterMs: 0 },
    ])
  })
  it('has lists as lists', () => {
    expect(said({ workers: { workers: [{ id: 1 }] }, hosts: { hosts: [], excludedHosts: [] } })).toEqual({
      workers: [{ id: 1 }],
      hosts: { hosts: [], excludedHosts: [] },
    })
  })
})

it('each field of the protocol that ends in Ms is known as a time or as a duration', () => {
  const durations = [
    'agoMs',
    'busyMs',
    'elapsedMs',
    'estimateMs',
    'estimateLowMs',
    'estimateHighMs',
    'expireTimeMs',
    'firstByteMs',
    'headMs',
    'jitterMs',
    'leaseMs',
    'pauseMs',
    'syncIntervalMs',
    'ttlMs',
    'waitMs',
    'writeMs',
  ]
  const elsewhere = ['stagingExpiresMs']
  const folder = 'src/wire/proto'
  const text = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
  const fields = [...text.matchAll(/\b([a-z_]+_ms) = \d/g)].map(([, name = '']) =>
    name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
  )
  expect(
    [...new Set(fields)].filter(
      (name) => !timeFields.has(name) && !durations.includes(name) && !elsewhere.includes(name),
    ),
  ).toEqual([])
})

describe('errors', () => {
  const gone: FakeCluster = {
    master: { getStatus: () => Promise.reject(new SkeinError('not_found', '/a/b does not exist')) },
  }
  it('are a document too, and the line on stderr as ever', async () => {
    const { code, stdout, stderr } = await run(['fs', 'stat', '/a/b', '--format', 'json'], gone)
    expect([code, stderr]).toEqual([2, 'skein: /a/b does not exist\n'])
    expect(JSON.parse(stdout)).toEqual({
      error: '/a/b does not exist',
      errorCode: 'not_found',
      retryable: false,
      exitCode: 2,
    })
    expect((await run(['fs', 'stat', '/a/b'], gone)).stdout).toBe('')
  })
  it('of a command line that is not understood, too', async () => {
    for (const words of [
      ['fs', 'nothing'],
      ['fs', 'stat'],
      ['ns', 'create'],
      ['-D', 'nonsense'],
      ['fs', 'ls', '--no-such'],
    ]) {
      const { code, stdout } = await run([...words, '--format=json'], {})
      expect([words, code, JSON.parse(stdout)]).toMatchObject([
        words,
        64,
        { errorCode: 'invalid_argument', reason: 'usage', exitCode: 64 },
      ])
    }
  })
  it('show no secret, and add nothing to a document that has begun', async () => {
    const words = ['ns', 'create', 'n', 's3://b', '--secret', 's3.secretAccessKey=hush-hush', '--format', 'json']
    const refused: FakeCluster = {
      master: { createNamespace: () => Promise.reject(new SkeinError('unavailable', 'key hush-hush')) },
    }
    expect((await run(words, refused)).stdout).toContain('[redacted]')
    let pages = 0
    const broken: FakeCluster = {
      master: {
        listStatus: async () => {
          pages += 1
          if (pages === 2) throw new SkeinError('unavailable', 'cut')
          return { files: [file()], nextPageToken: 'more' }
        },
      },
    }
    expect((await run(['fs', 'ls', '/a', '--format', 'json'], broken)).stdout).not.toContain('error')
  })
})

it('--format json is understood after the -- of a schedule', async () => {
  const schedule: Schedule = {
    ...{
      definition: undefined,
      paused: false,
      createdMs: 5,
      nextRunMs: 0,
      lastRunMs: 0,
      lastLoadId: '',
      lastState: '',
      runs: 0,
      note: '',
    },
  }
  const fake: FakeCluster = { schedules: { createSchedule: async () => schedule } }
  const { code, stdout } = await run(
    ['schedule', 'create', 'n', '--cron', '0 2 * * *', '--', '/a', '--format', 'json'],
    fake,
  )
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { createdMs: 5, nextRunMs: null, nextRun: null }])
})

/** Documents of many commands, held against each other. */
describe('one name', () => {
  const fake: FakeCluster = {
    master: {
      getStatus: async () => file(),
      openFile: async () => ({ file: file(), blocks: [], workers: [] }),
      listStatus: async () => ({ files: [file()], nextPageToken: '' }),
      count: async () => ({ files: 1, folders: 1, bytes: 1, cachedBytes: 1 }),
      listNamespaces: async () => ({ namespaces: [] }),
      deleteNamespace: async () => ({}),
      listWorkers: async () => ({ workers: [] }),
      free: async () => ({ paths: ['/a'], freedBytes: 1 }),
      backup: async () => ({ path: '/b', files: 1, bytes: 1 }),
      getClusterSummary: async () => ({
        ...{
          masterAddress: 'm:1',
          webPort: 1,
          rpcPort: 2,
          startedMs: 5,
          nowMs: 6,
          version: '1',
          safeMode: false,
          liveWorkers: 1,
        },
        ...{
          lostWorkers: 0,
          capacityBytes: 10,
          usedBytes: 10,
          tiers: [],
          files: 0,
          clusterId: 'c',
          refusedWorkers: [],
        },
      }),
    },
    lifecycle: {
      delete: async () => ({ files: 1, directories: 1 }),
      setTtl: async () => ({ files: 1, paths: ['/a'] }),
      setPinned: async () => ({ files: 1, paths: ['/a'] }),
      decommission: async () => ({ workerId: 'w', blocksLeft: 0, done: true }),
      forgetWorker: async () => ({ workerId: 'w' }),
      checkConsistency: async () => ({ inconsistent: [], total: 0, repaired: false }),
    },
    jobs: {
      getLoad: async () => load('COMPLETED', {}, { workers: { workers: [] } }),
      listLoads: async () => ({ loads: [load('RUNNING')] }),
      listLoadFiles: async () => ({ files: [], nextOffset: 0, nextPageToken: '' }) as never,
    },
    schedules: {
      listSchedules: async () => ({ schedules: [] }),
      listScheduleRuns: async () => ({ runs: [] }),
      deleteSchedule: async () => ({}),
    },
  }
  const commands = [
    'fs stat /a/b',
    'fs ls /a',
    'fs du /a',
    'fs du -s /a',
    'fs count /a',
    'fs location /a/b',
    'fs rm /a/b',
    'fs free /a',
    'fs mount',
    'fs setTtl /a 5',
    'fs unsetTtl /a',
    'fs pin /a',
    'fs checkConsistency /a',
    'fs test -e /a',
    'ns ls',
    'ns delete a',
    'fs unmount /a',
    'job stat L1',
    'job stat -v L1',
    'job ls',
    'job history',
    'job progress L1',
    'job progress L1 --watch',
    'schedule ls',
    'schedule history n',
    'schedule delete n',
    'fsadmin report capacity',
    'fsadmin backup',
    'fsadmin report summary',
    'fsadmin decommission w',
    'fsadmin forget w',
  ]
  it('has one kind of value in all documents', async () => {
    const kinds = new Map<string, Map<string, string>>()
    const note = (command: string, value: unknown): void => {
      if (Array.isArray(value)) for (const item of value) note(command, item)
      else if (typeof value === 'object' && value !== null) {
        for (const [name, field] of Object.entries(value)) {
          const kind = Array.isArray(field) ? 'list' : field === null ? 'null' : typeof field
          if (kind !== 'null') kinds.set(name, (kinds.get(name) ?? new Map<string, string>()).set(kind, command))
          note(command, field)
        }
      }
    }
    for (const command of commands) {
      const { code, stdout, stderr } = await run([...command.split(' '), '--format', 'json'], fake)
      expect([command, code, stderr]).toMatchObject([command, 0, expect.not.stringContaining('skein:')])
      for (const line of stdout.trimEnd().split('\n')) note(command, JSON.parse(line))
    }
    expect([...kinds].filter(([, kind]) => kind.size > 1).map(([name, kind]) => [name, ...kind])).toEqual([])
  })
})
