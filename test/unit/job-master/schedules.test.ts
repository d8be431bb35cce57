// Why: a schedule's promises hold over restarts, pauses and downtimes of the job master, so they
// are tested in time that stands still, against the whole job master.
import { afterEach, describe, expect, test } from 'vitest'
import { createInProcessScheduleTimer } from '../../../src/queue/in-process-schedule-timer.ts'
import type {
  Schedule,
  ScheduleDefinition,
  ScheduleRun,
  ScheduleServiceDefinition,
} from '../../../src/wire/generated/schedule.ts'
import type { Service } from '../../../src/wire/service.ts'
import { never } from '../../model/support/load-doubles.ts'
import { World } from '../../model/support/load-world.ts'
import type { WorldOptions } from '../../model/support/world-options.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

const call = { signal: never }

async function begin(options: Partial<WorldOptions> = {}): Promise<World> {
  world = new World({ seed: 1, workers: 2, ...options })
  // A whole minute, so that due times are easy to say.
  world.clock.now = Date.parse('2026-03-01T00:00:00Z')
  world.addFile('f', 1000)
  await world.startJobMaster()
  world.startJobWorker('j1', 'host1')
  return world
}

function schedules(w: World): Service<ScheduleServiceDefinition> {
  if (w.jobMaster === undefined) throw new Error('no job master')
  return w.jobMaster.schedules
}

function definition(more: Partial<ScheduleDefinition> = {}): ScheduleDefinition {
  return {
    ...{
      name: 's',
      cron: '*/10 * * * * *',
      timezone: 'UTC',
      jitterMs: 0,
      catchUp: 'latest',
      after: '',
      readyBy: '',
      overlap: false,
    },
    ...{ path: '/ns/', options: { replication: 1, activeJobs: 10, batchSize: 0 } },
    ...more,
  }
}

const create = (w: World, more: Partial<ScheduleDefinition> = {}): Promise<Schedule> =>
  schedules(w).createSchedule(definition(more), call)
const stat = (w: World, name = 's'): Promise<Schedule> => schedules(w).getSchedule({ name }, call)
async function runs(w: World, name = 's'): Promise<ScheduleRun[]> {
  return (await schedules(w).listScheduleRuns({ name, limit: 0 }, call)).runs.toReversed()
}
/** `second state` of each run. */
async function told(w: World, name = 's'): Promise<string[]> {
  const start = Date.parse('2026-03-01T00:00:00Z')
  return (await runs(w, name)).map(({ dueMs, state }) => `${(dueMs - start) / 1000} ${state}`)
}
async function messageOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'ok',
    (thrown: unknown) =>
      thrown instanceof Error && 'code' in thrown ? `${String(thrown.code)}: ${thrown.message}` : String(thrown),
  )
}

describe('a schedule', () => {
  test('loads its path at each due time', async () => {
    const w = await begin()
    expect(await create(w)).toMatchObject({ paused: false, runs: 0, nextRunMs: w.clock.now + 10_000, note: '' })
    await w.clock.advance(35_000)
    expect(await told(w)).toEqual(['10 COMPLETED', '20 COMPLETED', '30 COMPLETED'])
    expect(await stat(w)).toMatchObject({ runs: 3, lastState: 'COMPLETED', lastLoadId: 'L3' })
    const status = await w.status('L3')
    expect(status).toMatchObject({ path: '/ns', counts: { files: 1, filesCached: 1 } })
  })

  test('loses no due time over restarts of the job master, its state lost or not, and runs none twice', async () => {
    const w = await begin()
    await create(w, { catchUp: 'all' })
    for (const forget of [false, true, false, true]) {
      await w.clock.advance(11_700)
      await w.killJobMaster(forget)
      await w.clock.advance(2900)
      await w.startJobMaster()
    }
    await w.clock.advance(20_000)
    const seconds = (await runs(w)).map(({ dueMs }) => (dueMs - Date.parse('2026-03-01T00:00:00Z')) / 1000)
    expect(seconds).toEqual([10, 20, 30, 40, 50, 60, 70])
    const all = await runs(w)
    expect(all.map(({ state }) => state)).toEqual(seconds.map(() => 'COMPLETED'))
    expect(new Set(all.map(({ loadId }) => loadId)).size).toBe(all.length)
  })

  test.each([
    ['latest', ['60 SKIPPED', '70 COMPLETED', '80 COMPLETED']],
    [
      'all',
      ['20 COMPLETED', '30 COMPLETED', '40 COMPLETED', '50 COMPLETED', '60 COMPLETED', '70 COMPLETED', '80 COMPLETED'],
    ],
    ['none', ['70 SKIPPED', '80 COMPLETED']],
  ])('after a downtime catches up: %s', async (catchUp, wanted) => {
    const w = await begin()
    await create(w, { catchUp })
    await w.clock.advance(15_000)
    await w.killJobMaster(false)
    await w.clock.advance(60_000)
    await w.startJobMaster()
    await w.clock.advance(12_000)
    expect(await told(w)).toEqual(['10 COMPLETED', ...wanted])
  })

  test('runs one at a time: the due times in between are skipped and say why', async () => {
    const w = await begin({ taskMs: 80_000 })
    await create(w)
    await w.clock.advance(31_000)
    const [first, second] = await runs(w)
    expect(first).toMatchObject({ state: 'RUNNING', loadId: 'L1' })
    expect(second).toMatchObject({ state: 'SKIPPED', reason: 'run 1 (L1) was still running', loadId: '' })
  })

  test('with --overlap begins all the same', async () => {
    const w = await begin({ taskMs: 25_000 })
    await create(w, { overlap: true })
    await w.clock.advance(21_500)
    expect((await runs(w)).every(({ state, loadId }) => state !== 'SKIPPED' && loadId !== '')).toBe(true)
  })

  test('waits for a master that is away, and says so', async () => {
    const w = await begin()
    await create(w)
    w.masterDown = true
    await w.clock.advance(13_000)
    expect(await told(w)).toEqual(['10 WAITING'])
    expect((await stat(w)).note).toMatch(/^run 1 waits: master down/)
    w.masterDown = false
    await w.clock.advance(5000)
    expect((await stat(w)).note).toBe('')
    expect((await told(w))[0]).toBe('10 COMPLETED')
  })

  test('waits for a load that is in its way', async () => {
    // The load fails no sooner than the store is back.
    const w = await begin({ jobMaster: { retry: { attemptsMax: 100, initialMs: 200, maxMs: 5000 } } })
    const options = { replication: 1, activeJobs: 100, batchSize: 0, atomic: true }
    w.storeDown = true
    const accepted = await w.jobMaster?.service.submitLoad({ requestKey: '', path: '/ns/', options }, call)
    await create(w)
    await w.clock.advance(13_000)
    expect((await runs(w))[0]?.state).toBe('WAITING')
    expect((await stat(w)).note).toMatch(/^run 1 waits: an atomic load of \/ns is running/)
    w.storeDown = false
    await w.untilEnded(accepted?.loadId ?? '')
    await w.clock.advance(5000)
    expect((await runs(w)).some(({ number, state }) => number === 1 && state === 'COMPLETED')).toBe(true)
  })

  test('says why a run was refused', async () => {
    const w = await begin()
    await create(w, { path: '/ns/nothing' })
    expect(await stat(w)).toMatchObject({ lastState: '', lastReason: '' })
    await w.clock.advance(11_000)
    expect(await runs(w)).toMatchObject([{ state: 'REFUSED', reason: '/ns/nothing does not exist', loadId: '' }])
    expect(await stat(w)).toMatchObject({ lastState: 'REFUSED', lastReason: '/ns/nothing does not exist' })
    w.addFile('nothing', 1000)
    await w.clock.advance(10_000)
    expect(await stat(w)).toMatchObject({ lastState: 'COMPLETED', lastReason: '' })
  })

  test('says why a run failed, from the moment its load has', async () => {
    const w = await begin()
    const [file] = w.files.values()
    if (file !== undefined) file.poisoned = true
    await create(w)
    const reasons = new Set<string>()
    for (let ms = 0; ms < 20_000; ms += 50) {
      await w.clock.advance(50)
      const [run] = await runs(w)
      if (run?.state !== 'FAILED') continue
      reasons.add(run.reason)
      expect((await stat(w)).lastReason).toBe(run.reason)
      if (w.clock.now % 10_000 === 0) break
    }
    expect([...reasons]).toEqual([expect.stringMatching(/^1 of 1 files failed, such as f: the object is archived/)])
  })

  test('says what a run waits for', async () => {
    const w = await begin()
    await create(w)
    w.masterDown = true
    await w.clock.advance(13_000)
    expect(await runs(w)).toMatchObject([{ state: 'WAITING', reason: 'master down' }])
    expect(await stat(w)).toMatchObject({ lastState: 'WAITING', lastReason: 'master down' })
  })

  test('is paused, resumed, run by hand, deleted', async () => {
    const w = await begin()
    await create(w)
    expect(await schedules(w).pauseSchedule({ name: 's' }, call)).toMatchObject({
      paused: true,
      nextRunMs: 0,
      note: 'paused',
    })
    await w.clock.advance(25_000)
    expect(await told(w)).toEqual([])
    expect(await schedules(w).runSchedule({ name: 's' }, call)).toMatchObject({ number: 1, manual: true, loadId: 'L1' })
    expect(await messageOf(schedules(w).runSchedule({ name: 's' }, call))).toMatch(
      /^failed_precondition: run 1 of schedule s is still running/,
    )
    await schedules(w).resumeSchedule({ name: 's' }, call)
    await w.clock.advance(6000)
    expect((await runs(w)).map(({ state }) => state)).toEqual(['COMPLETED', 'COMPLETED'])
    await schedules(w).deleteSchedule({ name: 's' }, call)
    expect(await messageOf(stat(w))).toBe(
      "not_found: there is no schedule 's'; list schedules with 'skein schedule ls'",
    )
    await w.clock.advance(20_000)
    expect(await schedules(w).listSchedules({}, call)).toEqual({ schedules: [] })
  })

  test('starts those that come after it when it has completed', async () => {
    const w = await begin()
    await create(w)
    await create(w, { name: 'next', cron: '', after: 's' })
    expect((await stat(w, 'next')).note).toBe('runs when a run of s has completed')
    await w.clock.advance(19_000)
    expect((await runs(w, 'next')).map(({ state, loadId }) => [state, loadId])).toEqual([['COMPLETED', 'L2']])
    expect(await messageOf(schedules(w).deleteSchedule({ name: 's' }, call))).toBe(
      'failed_precondition: schedule s starts next (--after): delete that schedule first',
    )
  })

  test('begins early enough to be ready by a time, as measured, and says when that is too late', async () => {
    const w = await begin()
    const readyMs = Date.parse('2026-03-01T01:05:00Z')
    expect(await create(w, { cron: '', readyBy: '01:05' })).toMatchObject({ nextRunMs: readyMs - 3_600_000, note: '' })
    await w.clock.advance(5 * 60_000 + 30_000)
    expect(await runs(w)).toMatchObject([{ state: 'COMPLETED', dueMs: readyMs }])
    const next = await stat(w)
    expect(next.nextRunMs).toBeGreaterThan(readyMs + 86_400_000 - 60_000)
    expect(next.nextRunMs).toBeLessThan(readyMs + 86_400_000)
    const late = await create(w, { name: 'late', cron: '', readyBy: '00:06', path: '/ns/f' })
    expect(late.note).toMatch(
      /^the next run will miss 00:06: it will be ready \d+m\d+s late \(nothing was measured yet/,
    )
  })

  test('fires punctually by the timer, between two looks', async () => {
    const w = await begin()
    await w.killJobMaster(false)
    await w.clock.advance(370)
    w.scheduleTimer = async (onFire) => createInProcessScheduleTimer(w.clock, onFire)
    await w.startJobMaster()
    await create(w)
    await w.clock.advance(10_000)
    expect(await runs(w)).toMatchObject([{ startedMs: Date.parse('2026-03-01T00:00:10Z') }])
  })
})

describe('a definition', () => {
  test.each([
    [{ cron: '0 0 30 2 *' }, "invalid_argument: '0 0 30 2 *' never fires: there is no such day"],
    [{ cron: 'x' }, /^invalid_argument: 'x' is not a cron/],
    [{ timezone: 'Mars/X' }, "invalid_argument: there is no timezone 'Mars/X': write one such as Asia/Shanghai or UTC"],
    [{ cron: '', after: 'nobody' }, 'not_found: --after nobody: there is no schedule nobody'],
    [{ cron: '', after: 's' }, 'invalid_argument: --after s makes a cycle: s after s'],
    [{ after: 'x' }, 'invalid_argument: --after cannot be combined with --cron or --ready-by'],
    [{ path: 'no' }, "invalid_argument: 'no' is not a path: write /namespace/dir/file"],
    [{ path: '/' }, 'invalid_argument: there is no root mount'],
    [{ catchUp: 'some' }, "invalid_argument: 'some' is not a value of --catch-up: use latest, all, none"],
    [{ cron: '' }, 'invalid_argument: schedule s has no start time: give --cron, --after or --ready-by'],
    [{ readyBy: '7 am' }, "invalid_argument: '7 am' is not a time of day: use HH:MM, such as 07:00"],
    [
      { name: 'a b' },
      "invalid_argument: 'a b' is not a schedule name: use up to 63 letters, digits and _ . " +
        '-, and begin with a letter or digit',
    ],
    [{ jitterMs: 2 * 86_400_000 }, 'invalid_argument: --jitter is at most 1d00h'],
  ])('with %j is refused by one line', async (change, message) => {
    const w = await begin()
    expect(await messageOf(create(w, change))).toMatch(message)
    expect(await schedules(w).listSchedules({}, call)).toEqual({ schedules: [] })
  })

  test.each([
    [
      { options: { selection: { include: [], exclude: [], sizeMin: 2, sizeMax: 1 } } },
      /^--size-min 2 is above --size-max 1/,
    ],
    [{ options: { atomic: true, metadataOnly: true } }, /^-A cannot be combined with --metadata-only/],
    [{ options: { metadataOnly: true, verify: true } }, /^--verify cannot be combined with --metadata-only/],
    [{ options: { atomic: true, selection: { include: ['x'], exclude: [] } } }, /^-A takes one whole path/],
    [{ options: { hosts: { hosts: ['a'], excludedHosts: ['a'] } } }, /^a is in --hosts and in --excluded-hosts/],
    [{ options: { bandwidth: 'much' } }, /^--bandwidth 'much'/],
    [{ options: { maxFailures: 'many' } }, /^--max-failures 'many'/],
  ])('of a load that can never be, %j, is wrong use', async ({ options }, message) => {
    const w = await begin()
    const made = create(w, { options: { replication: 1, activeJobs: 10, batchSize: 0, ...options } })
    await expect(made).rejects.toMatchObject({
      code: 'invalid_argument',
      reason: 'usage',
      message: expect.stringMatching(message),
    })
    expect(await schedules(w).listSchedules({}, call)).toEqual({ schedules: [] })
  })

  test('of a namespace that there is not is refused; a path that there is not yet is told', async () => {
    const w = await begin()
    for (const path of ['/other', '/other/', '/other/dir/f'])
      expect(await messageOf(create(w, { path }))).toBe('not_found: there is no namespace other')
    w.masterDown = true
    expect(await messageOf(create(w))).toMatch(/^unavailable: master down/)
    w.masterDown = false
    expect(await schedules(w).listSchedules({}, call)).toEqual({ schedules: [] })

    const listings = w.keptAside.length
    expect((await create(w, { name: 'there', path: '/ns/f' })).warning).toBeUndefined()
    expect((await create(w, { name: 'whole', path: '/ns' })).warning).toBeUndefined()
    const warning = '/ns/tonight does not exist yet; runs are refused until it does'
    expect(await create(w, { name: 'later', path: '/ns/tonight' })).toMatchObject({ warning, runs: 0 })
    expect((await stat(w, 'later')).warning).toBeUndefined()
    expect(w.keptAside).toHaveLength(listings)
  })

  test('of a name that is taken is refused', async () => {
    const w = await begin()
    await create(w)
    expect(await messageOf(create(w))).toBe(
      "already_exists: there is a schedule 's' already: delete it first, or use another name",
    )
  })
})

describe('an update', () => {
  const update = (w: World, more: Partial<ScheduleDefinition>): Promise<Schedule> =>
    schedules(w).updateSchedule(definition(more), call)

  test('changes the times from now on, makes no run of times that are past, and outlives a restart', async () => {
    const w = await begin()
    await create(w)
    await w.clock.advance(25_000)
    const before = await told(w)
    await update(w, { cron: '30 * * * * *' })
    await w.jobMaster?.close()
    await w.startJobMaster()
    await w.clock.advance(30_000)
    expect((await told(w)).slice(before.length)).toEqual(['30 COMPLETED'])
    expect((await stat(w)).definition).toMatchObject({ cron: '30 * * * * *', path: '/ns' })
  })

  test('changes what is loaded, and how', async () => {
    const w = await begin()
    await create(w)
    await update(w, { path: '/ns/f', options: { replication: 2, activeJobs: 10, batchSize: 0 } })
    await w.clock.advance(15_000)
    const last = (await runs(w)).at(-1)
    expect(await w.jobMaster?.service.getLoad({ loadId: last?.loadId ?? '' }, call)).toMatchObject({
      path: '/ns/f',
      options: { replication: 2 },
    })
  })

  test('refuses what create refuses, a name that nobody has, and a circle', async () => {
    const w = await begin()
    await create(w)
    await create(w, { name: 't', cron: '', after: 's' })
    expect(await messageOf(update(w, { name: 'u' }))).toContain("not_found: there is no schedule 'u'")
    expect(await messageOf(update(w, { cron: '', after: 't' }))).toContain('invalid_argument: --after t makes a cycle')
    expect(await messageOf(update(w, { cron: '' }))).toContain('invalid_argument: schedule s has no start time')
    expect(await messageOf(update(w, { cron: '', after: 'nobody' }))).toContain('not_found')
    expect((await stat(w)).definition).toMatchObject({ cron: '*/10 * * * * *', after: '' })
  })
})
