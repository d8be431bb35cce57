// Why: a schedule is made by day and runs at night, so that what is wrong with its words must be
// said when it is made.
import { expect, describe, it } from 'vitest'
import type {
  Schedule,
  ScheduleDefinition,
  ScheduleRun,
  ScheduleServiceDefinition,
} from '../../../src/wire/generated/schedule.ts'
import type { Service } from '../../../src/wire/service.ts'
import { run } from './support/harness.ts'

const at = new Date(2026, 2, 1, 2, 0, 0).getTime()

function schedule(definition: ScheduleDefinition, more: Partial<Schedule> = {}): Schedule {
  const nothing = { lastRunMs: 0, lastLoadId: '', lastState: '', runs: 0, note: '' }
  return { definition, paused: false, createdMs: at, nextRunMs: at, ...nothing, ...more }
}

const definition: ScheduleDefinition = {
  ...{
    name: 'nightly',
    cron: '0 2 * * *',
    timezone: 'Asia/Shanghai',
    jitterMs: 0,
    catchUp: 'latest',
    after: '',
    readyBy: '',
    overlap: false,
  },
  ...{ path: '/data', options: { replication: 1, activeJobs: 3000, batchSize: 0 } },
}
const runOf = (more: Partial<ScheduleRun>): ScheduleRun => ({
  ...{ number: 7, dueMs: at, startedMs: at, loadId: 'L9', state: 'COMPLETED', reason: '', manual: false, ...more },
})

async function create(...argv: string[]) {
  const made: ScheduleDefinition[] = []
  const schedules: Partial<Service<ScheduleServiceDefinition>> = {
    createSchedule: async (message) => {
      made.push(message)
      return {
        ...schedule(message),
        ...(message.path === '/tonight/x' && { warning: '/tonight/x does not exist yet' }),
      }
    },
  }
  return { ...(await run(['schedule', 'create', ...argv], { schedules })), made }
}

describe('schedule create', () => {
  it('takes the words of distributedLoad after --', async () => {
    const flags = [
      '--timezone',
      'Asia/Shanghai',
      '--jitter',
      '5m',
      '--catch-up',
      'all',
      '--overlap',
      '--ready-by',
      '07:00',
    ]
    const words = ['/data/dir', '--replication', '2', '--evict', '--include', '*.tar', '--priority', '50', '-A']
    const { code, stdout, made } = await create('nightly', '--cron', '0 2 * * *', ...flags, '--', ...words)
    expect(code).toBe(0)
    expect(made).toEqual([
      {
        ...{
          name: 'nightly',
          cron: '0 2 * * *',
          timezone: 'Asia/Shanghai',
          jitterMs: 300_000,
          catchUp: 'all',
          after: '',
          readyBy: '07:00',
        },
        ...{ overlap: true, path: '/data/dir' },
        options: {
          ...{ replication: 2, activeJobs: 3000, batchSize: 0, atomic: true, evict: true, priority: 50 },
          selection: { include: ['*.tar'], exclude: [] },
        },
      },
    ])
    expect(stdout).toMatch(/^Name: nightly\nPath: \/data\/dir\nTimes: 0 2 \* \* \* ready by 07:00 Asia\/Shanghai\n/)
  })

  it('says on stderr what a person should know of it', async () => {
    const { code, stderr, stdout } = await create('n', '--cron', '0 2 * * *', '--format', 'json', '--', '/tonight/x')
    expect([code, stderr]).toEqual([0, 'skein: warning: /tonight/x does not exist yet\n'])
    expect(JSON.parse(stdout)).not.toHaveProperty('warning')
    expect((await create('n', '--cron', '0 2 * * *', '--', '/data')).stderr).toBe('')
  })

  it('finds the cluster by the path, and takes the whole command too', async () => {
    const { addresses, made } = await create('n', '--after', 'x', '--', 'fs', 'distributedLoad', 'gfs://far:7/data')
    expect(addresses).toEqual(['far:7'])
    expect(made).toMatchObject([{ after: 'x', path: '/data', cron: '' }])
  })

  it.each([
    [['n', '--cron', 'x'], 'the path to load is missing: skein schedule create NAME --cron ... -- /namespace/dir'],
    [['n', '--', 'data'], "'data' is not a path: write /namespace/dir/file"],
    [['n', '--', '/a', '/b'], 'a schedule loads one path: create one schedule per path, or use --include'],
    [['n', '--', '/a/{1..9}'], 'a schedule loads one path: create one schedule per path, or use --include'],
    [['n', '--', '/a', '--replication', '0'], "--replication must be a whole number from 1 to 1000, not '0'"],
    [['n', '--', '/a', '--index', 'list'], "unknown option '--index'"],
    [['n', '--', '/a', '--modified-after', '7d'], "'7d' is relative to now and would never change: give a date"],
    [['n', '--catch-up', 'some', '--', '/a'], "--catch-up must be one of latest, all, none, not 'some'"],
    [
      ['n', '--after', 'b', '--cron', '0 2 * * *', '--', '/a'],
      '--after and --cron cannot be combined: a schedule with --after has no start time',
    ],
    [['n', '--after', 'b', '--ready-by', '07:00', '--', '/a'], /^--after and --ready-by cannot be combined/],
    [['n', '--after', 'b', '--timezone', 'UTC', '--', '/a'], /^--after and --timezone cannot be combined/],
    [['n', '--after', 'b', '--jitter', '5m', '--', '/a'], /^--after and --jitter cannot be combined/],
    [['n', '--after', 'b', '--catch-up', 'all', '--', '/a'], /^--after and --catch-up cannot be combined/],
    [['n', '--jitter', 'long', '--', '/a'], /^--jitter: 'long' is not a duration/],
    [['n', '--jitter', '-5', '--', '/a'], "--jitter must not be negative, not '-5'"],
    [[], /missing required argument 'name'/],
  ])('%j is refused by one line, and nothing is made', async (argv, message) => {
    const { code, stderr, made } = await create(...argv)
    expect([code, made]).toEqual([64, []])
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr.replace(/^skein: /, '').trimEnd()).toMatch(message)
  })
})

describe('schedule', () => {
  it('ls, stat, history and delete say what there is', async () => {
    const late = schedule(definition, {
      runs: 7,
      lastRunMs: at,
      lastLoadId: 'L9',
      lastState: 'COMPLETED',
      note: 'late',
    })
    const deleted: string[] = []
    const fake = {
      schedules: {
        listSchedules: async () => ({ schedules: [late] }),
        getSchedule: async () => late,
        deleteSchedule: async ({ name }: { name: string }) => {
          deleted.push(name)
          return {}
        },
        listScheduleRuns: async () => ({
          runs: [runOf({}), runOf({ number: 6, state: 'SKIPPED', loadId: '', startedMs: 0, reason: 'no' })],
        }),
      },
    }
    expect((await run(['schedule', 'ls'], fake)).stdout).toMatch(
      /^NAME .*\nnightly +0 2 \* \* \* Asia\/Shanghai +\S.* COMPLETED +\/data {2}\(late\)\n$/,
    )
    expect((await run(['schedule', 'stat', 'nightly'], fake)).stdout).toMatch(
      /\nRuns: 7\n[^]*\nLast run: .* COMPLETED L9\nNote: late\n$/,
    )
    expect((await run(['schedule', 'history', 'nightly'], fake)).stdout).toMatch(
      /^RUN .*\n7 .* L9 +COMPLETED\n6 .* - +- +SKIPPED +no\n$/,
    )
    expect(JSON.parse((await run(['schedule', 'stat', 'nightly', '--format', 'json'], fake)).stdout)).toMatchObject(
      late,
    )
    expect((await run(['schedule', 'delete', 'nightly'], fake)).stdout).toBe('Schedule nightly is deleted\n')
    expect(deleted).toEqual(['nightly'])
  })

  it('stat says why the last run did not complete', async () => {
    const last = { runs: 7, lastRunMs: at, lastState: 'REFUSED', lastReason: '/data does not exist' }
    const fake = (one: Schedule) => ({ schedules: { getSchedule: async () => one } })
    const refused = schedule(definition, last)
    const text = await run(['schedule', 'stat', 'nightly'], fake(refused))
    expect(text.stdout).toMatch(/\nLast run: .* REFUSED\nReason: \/data does not exist\n$/)
    expect(
      JSON.parse((await run(['schedule', 'stat', 'nightly', '--format', 'json'], fake(refused))).stdout),
    ).toMatchObject(last)
    const waits = schedule(definition, { ...last, lastState: 'WAITING', lastReason: 'no', note: 'run 7 waits: no' })
    expect((await run(['schedule', 'stat', 'nightly'], fake(waits))).stdout).toMatch(
      / WAITING\nNote: run 7 waits: no\n$/,
    )
  })

  it('run tells the load to follow, and fails when there is none', async () => {
    const fake = (one: ScheduleRun) => ({ schedules: { runSchedule: async () => one } })
    expect(await run(['schedule', 'run', 'n'], fake(runOf({ state: 'SUBMITTED' })))).toMatchObject({
      code: 0,
      stdout: 'Run 7 of n: SUBMITTED, load L9; follow it with: skein job progress L9 --watch\n',
    })
    expect(
      await run(['schedule', 'run', 'n'], fake(runOf({ state: 'REFUSED', loadId: '', reason: 'no such path' }))),
    ).toMatchObject({
      code: 1,
      stdout: 'Run 7 of n: REFUSED, no such path\n',
    })
  })
})

describe('schedule update', () => {
  async function update(known: ScheduleDefinition, ...argv: string[]) {
    const made: ScheduleDefinition[] = []
    const schedules: Partial<Service<ScheduleServiceDefinition>> = {
      getSchedule: async () => schedule(known),
      updateSchedule: async (message) => {
        made.push(message)
        return schedule(message)
      },
    }
    return { ...(await run(['schedule', 'update', 'nightly', ...argv], { schedules })), made }
  }
  it('changes what it names, and nothing else', async () => {
    const { code, stdout, made } = await update(definition, '--cron', '0 3 * * *', '--jitter', '1m')
    expect([code, made]).toEqual([0, [{ ...definition, cron: '0 3 * * *', jitterMs: 60_000 }]])
    expect(stdout).toContain('Times: 0 3 * * * Asia/Shanghai')
    expect((await update({ ...definition, overlap: true }, '--no-overlap')).made).toEqual([definition])
    expect((await update(definition, '--ready-by', '07:00')).made).toEqual([{ ...definition, readyBy: '07:00' }])
    expect((await update({ ...definition, readyBy: '07:00' }, '--ready-by', 'none')).made).toEqual([definition])
  })
  it('takes a path and options in place of all of those before', async () => {
    const before = { ...definition, options: { replication: 3, activeJobs: 5, batchSize: 0, evict: true } }
    const { made } = await update(before, '--', '/other', '--replication', '2')
    expect(made).toEqual([
      { ...definition, path: '/other', options: { replication: 2, activeJobs: 3000, batchSize: 0 } },
    ])
  })
  it('times of day and another schedule take each other the place', async () => {
    const chained = { ...definition, cron: '', timezone: '', after: 'other' }
    expect((await update(definition, '--after', 'other')).made).toEqual([chained])
    expect((await update(chained, '--cron', '0 2 * * *', '--timezone', 'Asia/Shanghai')).made).toEqual([definition])
  })
  it('refuses an update of nothing, and what create refuses', async () => {
    for (const words of [
      [],
      ['--catch-up', 'some'],
      ['--after', 'a', '--cron', '0 2 * * *'],
      ['--cron', ' '],
      ['--', '/a', '/b'],
    ])
      expect(await update(definition, ...words)).toMatchObject({ code: 64, made: [] })
  })
})
