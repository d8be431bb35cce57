// Why: a prefetch that runs at night has nobody who looks: its due times must survive a killed job
// master and a flushed Redis, and a second job master on one home must not start. How: real Redis,
// one process a role, schedules of every second or two. The full length (2 s for 30 s, 10 s of
// downtime) runs with SKEIN_TORTURE=full.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, systemRandom } from '../../src/base/clock.ts'
import { type Connect, connectAtJobMaster, connectMaster } from '../../src/client/master-client.ts'
import { createBullMqScheduleTimer } from '../../src/queue/bullmq-schedule-timer.ts'
import type { ScheduleTimer, TimerEntry } from '../../src/queue/schedule-timer.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { createClient, type ServiceClient } from '../../src/wire/rpc/channel.ts'
import type { LoadStatus } from '../../src/wire/generated/job.ts'
import type { MasterServiceDefinition } from '../../src/wire/generated/master.ts'
import { type Schedule, type ScheduleRun, ScheduleServiceDefinition } from '../../src/wire/generated/schedule.ts'
import { Cluster } from '../support/cluster.ts'
import type { CommandResult } from '../support/command-result.ts'
import { oneLine } from '../support/local-skein.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'

const full = process.env['SKEIN_TORTURE'] === 'full'
const everySeconds = full ? 2 : 1
const lastsMs = full ? 30_000 : 8000
const downMs = full ? 10_000 : 3000

describe.skipIf(!redisAvailable)('the timer on Redis', () => {
  it('fires what it is set to, comes back after a flush, and fires nothing that was taken out', async () => {
    const redis = await startRedis()
    const fired: string[] = []
    const nextMs = (afterMs: number): number => (Math.floor(afterMs / 500) + 1) * 500
    const entry = (name: string) => ({ name, cron: '* * * * * *', timezone: 'UTC', nextMs })
    const options = {
      url: redis.url,
      prefix: '{test}',
      lane: 'schedules-test',
      logger: silentLogger,
      clock: systemClock,
    }
    const timer = createBullMqScheduleTimer(options, (name) => fired.push(name))
    const untilFired = async (name: string, times: number): Promise<void> => {
      fired.length = 0
      await expect
        .poll(() => fired.filter((one) => one === name).length, { timeout: 60_000 })
        .toBeGreaterThanOrEqual(times)
    }
    try {
      await untilSet(timer, [entry('a'), entry('b')])
      await untilFired('a', 2)
      await untilFired('b', 2)
      expect(await redis.command('FLUSHALL')).toContain('OK')
      await untilSet(timer, [entry('a'), entry('b')])
      await untilFired('a', 2)
      await redis.kill()
      await redis.start()
      await untilSet(timer, [entry('b')])
      expect(await redis.command('KEYS', '*')).not.toContain(':a')
      await untilFired('b', 1)
      // What was made before it was taken out may still have come.
      await untilFired('b', 2)
      expect(fired).not.toContain('a')
    } finally {
      await timer.close()
      await redis.dispose()
    }
  })

  it('can be set at once: it waits for its first connection, and fails at once where nobody listens', async () => {
    const redis = await startRedis()
    const options = { prefix: '{test}', lane: 'schedules-test', logger: silentLogger, clock: systemClock }
    const timer = createBullMqScheduleTimer({ ...options, url: redis.url }, () => undefined)
    const nobody = createBullMqScheduleTimer({ ...options, url: 'redis://127.0.0.1:1' }, () => undefined)
    try {
      await timer.set([])
      await expect(nobody.set([])).rejects.toMatchObject({
        code: 'unavailable',
        message: expect.stringContaining('ECONNREFUSED'),
      })
    } finally {
      await Promise.all([timer.close(), nobody.close()])
      await redis.dispose()
    }
  })

  /** As the job master does: again, while Redis is away. */
  async function untilSet(timer: ScheduleTimer, entries: readonly TimerEntry[]): Promise<void> {
    await expect.poll(() => timer.set(entries).then(() => 'set', String), { timeout: 60_000 }).toBe('set')
  }
})

describe.skipIf(!redisAvailable)('schedules on real servers', () => {
  let folder: string
  let redis: RedisServer
  let cluster: Cluster
  let master: ServiceClient<MasterServiceDefinition>
  let schedules: ServiceClient<ScheduleServiceDefinition>

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'skein-schedules-'))
    for (const name of ['a', 'b', 'c', 'd']) {
      mkdirSync(join(folder, 'data', name), { recursive: true })
      writeFileSync(join(folder, 'data', name, 'file'), name)
    }
    redis = await startRedis()
    cluster = await Cluster.start({ queueUrl: redis.url, workers: 1, quota: '100MB' })
    expect(await cluster.cli(['ns', 'create', 'n', `file://${join(folder, 'data')}/`])).toMatchObject({ code: 0 })
    const options = { deadlineMs: 20_000, clock: systemClock, random: systemRandom, logger: silentLogger }
    const connect: Connect = (definition, address) => createClient(definition, address, options)
    master = connectMaster(cluster.masterAddress, connect)
    const patience = { clock: systemClock, waitMs: 30_000 }
    schedules = connectAtJobMaster(ScheduleServiceDefinition, master.service, cluster.masterAddress, connect, patience)
  })
  afterAll(async () => {
    schedules?.close()
    master?.close()
    await cluster?.stop()
    await redis?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  const create = (name: string, path: string, ...flags: string[]): Promise<CommandResult> =>
    cluster.cli(['schedule', 'create', name, '--cron', `*/${everySeconds} * * * * *`, ...flags, '--', path])
  async function json<T>(...args: string[]): Promise<T> {
    const { stdout, stderr } = await cluster.cli(['--format', 'json', ...args])
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout) as T
  }
  const call = { signal: new AbortController().signal }
  const pause = async (name: string): Promise<void> => void (await schedules.service.pauseSchedule({ name }, call))
  /** The oldest first. */
  async function history(name: string): Promise<ScheduleRun[]> {
    return (await schedules.service.listScheduleRuns({ name, limit: 0 }, call)).runs.toReversed()
  }
  const isOver = (run: ScheduleRun): boolean =>
    !['WAITING', 'STARTED', 'SUBMITTED', 'RUNNING', 'AUDITING'].includes(run.state)
  async function untilOver(name: string): Promise<ScheduleRun[]> {
    await expect.poll(async () => (await history(name)).every(isOver), { timeout: 120_000, interval: 100 }).toBe(true)
    return await history(name)
  }

  it('fire at each of their times, one run at a time, over a flush of Redis and a killed job master', async () => {
    expect(await create('steady', '/n/a', '--catch-up', 'all')).toMatchObject({ code: 0 })
    const startMs = Date.now()
    const isSet = async (): Promise<boolean> => (await redis.command('KEYS', '*schedules-*')).includes('steady')
    await expect.poll(isSet, { timeout: 60_000 }).toBe(true)
    expect(await redis.command('FLUSHALL')).toContain('OK')
    await expect
      .poll(async () => (await history('steady')).filter(({ state }) => state === 'COMPLETED').length, {
        timeout: 60_000,
      })
      .toBeGreaterThan(2)
    await cluster.kill('job-master')
    await cluster.startRole('job-master')
    // The job master has set them again, after the flush or after its start.
    await expect.poll(isSet, { timeout: 60_000 }).toBe(true)
    await delay(Math.max(0, startMs + lastsMs - Date.now()))
    await pause('steady')

    const runs = await untilOver('steady')
    const dues = runs.map(({ dueMs }) => dueMs)
    expect(dues.length).toBeGreaterThanOrEqual(Math.floor(lastsMs / 1000 / everySeconds) - 1)
    expect(dues).toEqual(dues.map((_, index) => (dues[0] ?? 0) + index * everySeconds * 1000))
    const waited = runs.filter(({ state }) => state === 'SKIPPED')
    expect(runs.filter(({ state }) => state !== 'COMPLETED' && state !== 'SKIPPED')).toEqual([])
    // On a slow machine a load may take longer than the time between two; then, and only then, a
    // due time has none.
    for (const { reason } of waited)
      expect(reason).toMatch(/^run \d+(?: \(L\d+\))? (?:was still running|had not started)$|^the schedule was paused$/)
    const loads = (await json<{ loads: LoadStatus[] }>('job', 'history', '--limit', '1000')).loads.toReversed()
    const ofRuns = runs
      .filter(({ loadId }) => loadId !== '')
      .map(({ loadId }) => loads.find((load) => load.loadId === loadId))
    expect(new Set(ofRuns).size).toBe(runs.length - waited.length)
    ofRuns.forEach((load, index) => expect(load?.submittedMs).toBeGreaterThanOrEqual(ofRuns[index - 1]?.endedMs ?? 0))
    expect(loads.every(({ options }) => options?.schedule === 'steady')).toBe(true)
    if (full) {
      expect(Math.abs(runs.length - 15)).toBeLessThanOrEqual(1)
      expect(waited).toEqual([])
    }
  })

  it('catch up after a downtime as they were told', async () => {
    const paths = { latest: '/n/b', all: '/n/c', none: '/n/d' }
    for (const [name, path] of Object.entries(paths))
      expect(await create(name, path, '--catch-up', name)).toMatchObject({ code: 0 })
    await expect.poll(async () => (await history('none')).length, { timeout: 60_000 }).toBeGreaterThan(0)
    await cluster.kill('job-master')
    const downFromMs = Date.now()
    await delay(downMs)
    await cluster.startRole('job-master')
    const upMs = Date.now()
    const hasCaughtUp = async (name: string): Promise<boolean> => {
      const runs = await history(name)
      return runs.every((run) => isOver(run) || run.dueMs > upMs) && (runs.at(-1)?.dueMs ?? 0) > upMs
    }
    for (const name of ['latest', 'all', 'none'])
      await expect.poll(() => hasCaughtUp(name), { timeout: 120_000, interval: 100 }).toBe(true)
    for (const name of ['latest', 'all', 'none']) await pause(name)

    const atLeast = Math.floor(downMs / 1000 / everySeconds) - 1
    const [latest, all, none] = [await untilOver('latest'), await untilOver('all'), await untilOver('none')]
    const passed = (runs: readonly ScheduleRun[]): ScheduleRun[] =>
      runs.filter(({ reason }) => reason.includes('while the job master was away'))
    const count = (run: ScheduleRun | undefined): number => Number(/^\d+/.exec(run?.reason ?? '')?.[0] ?? 0)
    expect(passed(latest)).toHaveLength(1)
    expect(count(passed(latest)[0])).toBeGreaterThanOrEqual(atLeast - 1)
    const next = latest.find(({ dueMs }) => dueMs > (passed(latest)[0]?.dueMs ?? 0))
    expect(next).toMatchObject({ state: 'COMPLETED', dueMs: (passed(latest)[0]?.dueMs ?? 0) + everySeconds * 1000 })
    expect(passed(none)).toHaveLength(1)
    expect(count(passed(none)[0])).toBeGreaterThanOrEqual(atLeast)
    expect(passed(all)).toEqual([])
    const missed = all.filter(({ dueMs }) => dueMs > downFromMs && dueMs < downFromMs + downMs)
    expect(missed.length).toBeGreaterThanOrEqual(atLeast)
    expect(missed.filter(({ state }) => state !== 'COMPLETED')).toEqual([])
    expect(all.map(({ dueMs }) => dueMs)).toEqual(
      all.map((_, index) => (all[0]?.dueMs ?? 0) + index * everySeconds * 1000),
    )
  })

  it('are refused by one line when they cannot be, and by the exit code', async () => {
    const refusal = async (...args: string[]): Promise<string> => {
      const result = await cluster.cli(['schedule', ...args])
      return `${result.code ?? 'none'} ${oneLine(result)}`
    }
    expect(await refusal('create', 'x', '--cron', '0 0 30 2 *', '--', '/n')).toBe(
      "64 '0 0 30 2 *' never fires: there is no such day",
    )
    expect(await refusal('create', 'x', '--cron', '0 2 * * *', '--timezone', 'Mars/X', '--', '/n')).toMatch(
      /^64 there is no timezone 'Mars\/X'/,
    )
    expect(await refusal('create', 'x', '--after', 'nobody', '--', '/n')).toBe(
      '2 --after nobody: there is no schedule nobody',
    )
    expect(await refusal('create', 'steady', '--cron', '0 2 * * *', '--', '/n')).toMatch(
      /^1 there is a schedule 'steady' already/,
    )
    expect(await refusal('create', 'x', '--cron', '0 2 * * *', '--catch-up', 'some', '--', '/n')).toMatch(
      /^64 --catch-up must be one of latest, all, none/,
    )
    expect(await refusal('create', 'x', '--cron', '0 2 * * *', '--', 'n/a')).toMatch(/^64 'n\/a' is not a path/)
    expect(await refusal('create', 'x', '--cron', '0 2 * * *')).toMatch(/^64 the path to load is missing/)
    expect(await refusal('create', 'x', '--cron', '0 2 * * *', '--', '/n', '--replication', 'many')).toMatch(
      /^64 --replication must be a whole number/,
    )
    expect(await refusal('create', 'x', '--cron', '0 2 * * *', '--', '/n', '-A', '--metadata-only')).toMatch(
      /^64 -A cannot be combined with --metadata-only/,
    )
    expect(await refusal('create', 'x', '--cron', '0 2 * * *', '--', '/n', '--bandwidth', 'much')).toMatch(
      /^64 --bandwidth 'much'/,
    )
    expect(
      await refusal('create', 'x', '--cron', '0 2 * * *', '--', '/n', '--size-min', '2', '--size-max', '1'),
    ).toMatch(/^64 --size-min/)
    expect(await refusal('create', 'x', '--cron', '0 2 * * *', '--', '/nowhere/dir')).toMatch(
      /^2 namespace '\/nowhere' does not exist/,
    )
    expect(await refusal('stat', 'x')).toMatch(/^2 there is no schedule 'x'/)
  })

  it('of a path that does not exist yet are made, say so, and say why a run was refused', async () => {
    const made = await create('tonight', '/n/tonight')
    expect(made).toMatchObject({
      code: 0,
      stderr: 'skein: warning: /n/tonight does not exist yet; runs are refused until it does\n',
    })
    await expect
      .poll(async () => (await history('tonight')).some(({ state }) => state === 'REFUSED'), { timeout: 60_000 })
      .toBe(true)
    await pause('tonight')
    const [refused] = await untilOver('tonight')
    expect(refused).toMatchObject({ state: 'REFUSED', reason: '/n/tonight does not exist' })
    const run = await cluster.cli(['schedule', 'run', 'tonight'])
    expect(run).toMatchObject({ code: 1, stdout: expect.stringMatching(/: REFUSED, \/n\/tonight does not exist\n$/) })
    expect((await cluster.cli(['schedule', 'stat', 'tonight'])).stdout).toMatch(
      /^Last run: .* REFUSED\nReason: \/n\/tonight does not exist$/m,
    )
    expect((await cluster.cli(['schedule', 'history', 'tonight'])).stdout).toMatch(
      / REFUSED +\/n\/tonight does not exist$/m,
    )
    const stat = await json<Schedule>('schedule', 'stat', 'tonight')
    expect(stat).toMatchObject({ lastState: 'REFUSED', lastReason: '/n/tonight does not exist' })
    expect(await cluster.cli(['schedule', 'delete', 'tonight'])).toMatchObject({ code: 0 })
  })

  it('are kept, run by hand, and deleted', async () => {
    const { schedules: listed } = await json<{ schedules: Schedule[] }>('schedule', 'ls')
    expect(listed.map(({ definition, paused }) => [definition?.name, paused])).toEqual([
      ['steady', true],
      ['latest', true],
      ['all', true],
      ['none', true],
    ])
    const run = await json<ScheduleRun>('schedule', 'run', 'steady')
    expect(run).toMatchObject({ manual: true })
    await expect
      .poll(async () => (await history('steady')).at(-1), { timeout: 60_000 })
      .toMatchObject({ state: 'COMPLETED', manual: true })
    for (const { definition } of listed)
      expect(await cluster.cli(['schedule', 'delete', definition?.name ?? ''])).toMatchObject({ code: 0 })
    expect(await json('schedule', 'ls')).toEqual({ schedules: [] })
    await expect
      .poll(async () => (await redis.command('KEYS', '*schedules-*')).includes('steady'), { timeout: 60_000 })
      .toBe(false)
  })

  it('a second job master on the same home refuses to start, and the first goes on', async () => {
    const second = await cluster.startSecond('job-master')
    expect(second.code).toBe(1)
    expect(second.stdout).toBe('')
    expect(second.stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^skein: .*job-master.*(?:in use|another process|already)/,
    )
    expect(await cluster.cli(['fs', 'distributedLoad', '/n'])).toMatchObject({ code: 0 })
    expect(readFileSync(cluster.logFile('job-master'), 'utf8')).not.toContain('another master has taken over')
  })
})
