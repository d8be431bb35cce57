// A report survives the job master's outages and restarts, and ends when nobody waits for it.
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { completeSet } from '../../../src/job-worker/completion.ts'
import { JobMasterLink } from '../../../src/job-worker/job-master-link.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { FakeJobMaster, hurriedClock, never, settle } from './support/fakes.ts'

const report = { jobWorkerId: 'jw', loadId: 'L1', set: 3, attempt: 1, failures: [], replacements: [], originBytes: 5 }
const unavailable = new SkeinError('unavailable', 'down')

async function linked() {
  const jobMaster = new FakeJobMaster()
  const lanes: string[] = []
  const cancelled: string[] = []
  const link = new JobMasterLink({
    jobWorkerId: 'jw',
    hostname: 'h',
    rpcAddress: '',
    activeTasksMax: 2,
    jobMaster: jobMaster.service,
    clock: hurriedClock,
    random: seededRandom(1),
    logger: silentLogger,
    heartbeatMs: 1000,
    running: () => [{ loadId: 'L1', set: 3, attempt: 1, bytesDone: 9 }],
    pressures: () => undefined,
    tuning: () => undefined,
    onCancelled: (loads) => cancelled.push(...loads),
    onPacing: () => undefined,
    isPressed: () => false,
    onLane: (lane) => lanes.push(lane),
  })
  await link.start(never)
  const options = {
    jobMaster: jobMaster.service,
    link,
    clock: hurriedClock,
    random: seededRandom(1),
    logger: silentLogger,
  }
  return { jobMaster, link, lanes, cancelled, options }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await settle()
}

describe('completeSet', () => {
  test('waits through an outage of any length, then reports once', async () => {
    const { jobMaster, link, options } = await linked()
    jobMaster.down = unavailable
    const reporting = completeSet(report, options, never)
    await turns(2000)
    expect(jobMaster.completed).toEqual([])
    jobMaster.down = undefined
    expect(await reporting).toBe('acked')
    expect(jobMaster.completed).toEqual([{ ...report, session: 'session-1' }])
    await link.close()
  })

  test('a restarted job master gets it under a new session', async () => {
    const { jobMaster, link, options } = await linked()
    jobMaster.session = 'forgotten'
    expect(await completeSet(report, options, never)).toBe('acked')
    expect(jobMaster.registrations).toBe(2)
    expect(jobMaster.completed).toEqual([{ ...report, session: 'session-2' }])
    await link.close()
  })

  test('is dropped when the load is gone, without a new registration', async () => {
    for (const code of ['not_found', 'failed_precondition'] as const) {
      const { jobMaster, link, options } = await linked()
      jobMaster.refusal = new SkeinError(code, 'no such load')
      expect(await completeSet(report, options, never)).toBe('dropped')
      expect(jobMaster.registrations).toBe(1)
      await link.close()
    }
  })

  test('an answer that makes no sense is not asked for ever', async () => {
    const { jobMaster, link, options } = await linked()
    jobMaster.refusal = new SkeinError('internal', 'a bug')
    expect(await completeSet(report, options, never)).toBe('dropped')
    await link.close()
  })

  test('ends with the signal', async () => {
    const { jobMaster, link, options } = await linked()
    jobMaster.down = unavailable
    const abort = new AbortController()
    const reporting = completeSet(report, options, abort.signal)
    await turns(5)
    abort.abort(new SkeinError('cancelled', 'stop'))
    await expect(reporting).rejects.toMatchObject({ code: 'cancelled' })
    await link.close()
  })
})

describe('JobMasterLink', () => {
  test('waits for a job master that is not up yet', async () => {
    const jobMaster = new FakeJobMaster()
    jobMaster.down = unavailable
    const link = new JobMasterLink({
      jobWorkerId: 'jw',
      hostname: 'h',
      rpcAddress: '',
      activeTasksMax: 1,
      jobMaster: jobMaster.service,
      clock: hurriedClock,
      random: seededRandom(1),
      logger: silentLogger,
      heartbeatMs: 1000,
      running: () => [],
      pressures: () => undefined,
      tuning: () => undefined,
      onCancelled: () => undefined,
      onPacing: () => undefined,
      isPressed: () => false,
      onLane: () => undefined,
    })
    const starting = link.start(never)
    await turns(50)
    jobMaster.down = undefined
    await starting
    expect(link.session).toBe('session-1')
    await link.close()
  })

  test('beats with what runs, passes on cancelled loads, and stops when closed', async () => {
    const { jobMaster, link, lanes, cancelled } = await linked()
    jobMaster.cancelledLoads = ['L1']
    await turns(20)
    await link.close()
    const beats = jobMaster.heartbeats.length
    expect(beats).toBeGreaterThan(1)
    expect(jobMaster.heartbeats[0]).toEqual({
      jobWorkerId: 'jw',
      session: 'session-1',
      running: [{ loadId: 'L1', set: 3, attempt: 1, bytesDone: 9 }],
    })
    expect(cancelled[0]).toBe('L1')
    expect(lanes).toEqual(['lane-jw'])
    await turns(20)
    expect(jobMaster.heartbeats.length).toBe(beats)
  })

  test('a lost session is replaced once, however many ask', async () => {
    const { jobMaster, link } = await linked()
    jobMaster.session = 'forgotten'
    const answers = await Promise.all(Array.from({ length: 20 }, () => link.replaceIfLost('session-1', never)))
    expect(answers.every(Boolean)).toBe(true)
    expect(jobMaster.refusedHeartbeats).toBe(1)
    // What runs is told at once under the new session.
    expect(jobMaster.heartbeats.at(-1)).toMatchObject({ session: 'session-2', running: [{ set: 3 }] })
    expect(jobMaster.registrations).toBe(2)
    expect(await link.replaceIfLost('session-2', never)).toBe(false)
    await link.close()
  })
})
