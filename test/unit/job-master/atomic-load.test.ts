// Why: what an atomic load promises: swapped in once and only when everything is in, and alone on
// its files.
import { afterEach, describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { never } from '../../model/support/load-doubles.ts'
import { World } from '../../model/support/load-world.ts'
import type { WorldOptions } from '../../model/support/world-options.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

async function begin(
  options: Partial<WorldOptions> = {},
  prepare: (w: World) => void = () => undefined,
): Promise<World> {
  world = new World({ seed: 1, workers: 2, ...options })
  prepare(world)
  await world.startJobMaster()
  world.startJobWorker('j1', 'host1')
  for (let index = 0; index < 20; index += 1) world.addFile(`a/${index}`, 16_384)
  return world
}

async function submit(w: World, path: string, atomic: boolean): Promise<string> {
  if (w.jobMaster === undefined) throw new Error('no job master')
  const options = { replication: 1, activeJobs: 100, batchSize: 0, atomic }
  return (await w.jobMaster.service.submitLoad({ requestKey: '', path, options }, { signal: never })).loadId
}

interface ExpiringMaster {
  /** Of what is put aside: another one once it has expired. */
  number: number
  readonly asked: string[]
}

/**
 * A master that gives what is put aside its exact id, as the real one does. It expires after so
 * many pages.
 */
function expiring(w: World, pages = Number.POSITIVE_INFINITY): ExpiringMaster {
  const state: ExpiringMaster = { number: 1, asked: [] }
  const master = w.master.bind(w)
  w.master = () => {
    const real = master()
    return {
      ...real,
      syncPage: async (request, options) => {
        const page = await real.syncPage(request, options)
        if (request.stagingId === undefined) return page
        state.asked.push(request.stagingId)
        if (state.asked.length === pages + 1) state.number += 1
        const exact = `${state.number}:/ns/a`
        if (request.stagingId !== '/ns/a' && request.stagingId !== exact)
          throw new SkeinError('failed_precondition', 'nothing was swapped in: it had expired', {
            reason: 'staging_expired',
          })
        return { ...page, stagingId: exact }
      },
    }
  }
  return state
}

describe('an atomic load', () => {
  test('is swapped in when everything is in, and nothing else is', async () => {
    const w = await begin()
    expect(await w.untilEnded(await submit(w, '/ns/a', true))).toMatchObject({ state: 'COMPLETED' })
    expect(w.committed).toEqual(['/ns/a'])
    expect(await w.untilEnded(await submit(w, '/ns/a', false))).toMatchObject({ state: 'COMPLETED' })
    expect(w.committed).toEqual(['/ns/a'])
  })

  test('fails as a whole when one file fails, and swaps nothing in', async () => {
    const w = await begin()
    w.addFile('a/bad', 16_384).poisoned = true
    const status = await w.untilEnded(await submit(w, '/ns/a', true))
    expect(status).toMatchObject({ state: 'FAILED' })
    expect(status.reason).toMatch(/^nothing was swapped in: .*a\/bad/)
    expect(w.committed).toEqual([])
  })

  test('waits for a master that is down at the end', async () => {
    const w = await begin()
    const loadId = await submit(w, '/ns/a', true)
    w.masterDown = true
    w.clock.schedule(20_000, () => {
      w.masterDown = false
    })
    expect(await w.untilEnded(loadId)).toMatchObject({ state: 'COMPLETED' })
    expect(w.committed).toEqual(['/ns/a'])
  })

  test('is kept aside for longer than its time while it goes on', async () => {
    const w = new World({ seed: 1, workers: 2 })
    world = w
    await w.startJobMaster()
    w.addFile('a/1', 16_384)
    const options = { replication: 1, activeJobs: 100, batchSize: 0, atomic: true, expireTimeMs: 2000 }
    const accepted = await w.jobMaster?.service.submitLoad(
      { requestKey: '', path: '/ns/a', options },
      { signal: never },
    )
    const jobWorkerAtMs = w.clock.nowMs() + 20_000
    w.clock.schedule(20_000, () => w.startJobWorker('j1', 'host1'))
    expect(await w.untilEnded(accepted?.loadId ?? '')).toMatchObject({ state: 'COMPLETED' })
    // Each time before the last one's end.
    const late = w.keptAside.filter(
      ({ atMs }, index) => atMs >= (w.keptAside[index - 1]?.untilMs ?? Number.POSITIVE_INFINITY),
    )
    expect(late).toEqual([])
    expect(w.keptAside.at(-1)?.untilMs).toBeGreaterThan(jobWorkerAtMs)
  })

  test('is not COMPLETED when what was put aside is gone by then', async () => {
    const w = await begin()
    const push = w.committed.push.bind(w.committed)
    w.committed.push = (...ids) => {
      w.files.clear()
      return push(...ids)
    }
    const status = await w.untilEnded(await submit(w, '/ns/a', true))
    expect(status).toMatchObject({ state: 'FAILED' })
    expect(status.reason).toMatch(/^nothing was swapped in: the staged data had expired/)
  })

  test('never waits for longer than a timer can, however long its time is', async () => {
    const w = await begin()
    const sleep = w.clock.sleep.bind(w.clock)
    let longestMs = 0
    w.clock.sleep = (ms, signal) => {
      longestMs = Math.max(longestMs, ms)
      return sleep(ms, signal)
    }
    const options = { replication: 1, activeJobs: 100, batchSize: 0, atomic: true, expireTimeMs: 400 * 24 * 3_600_000 }
    const accepted = await w.jobMaster?.service.submitLoad(
      { requestKey: '', path: '/ns/a', options },
      { signal: never },
    )
    expect(await w.untilEnded(accepted?.loadId ?? '')).toMatchObject({ state: 'COMPLETED' })
    expect(longestMs).toBeLessThan(2 ** 31)
  })

  test('fails when its staged files expired while the job master was away, before it stages any anew', async () => {
    let master: ExpiringMaster = { number: 0, asked: [] }
    const w = await begin({}, (one) => (master = expiring(one)))
    w.killJobWorker('j1')
    const loadId = await submit(w, '/ns/a', true)
    await w.clock.advance(3000)
    await w.killJobMaster(false)
    master.number += 1
    await w.clock.advance(1000)
    const asked = master.asked.length
    await w.startJobMaster()
    const status = await w.untilEnded(loadId, 30_000)
    expect(status).toMatchObject({ state: 'FAILED', errorCode: 'failed_precondition' })
    expect(status.reason).toMatch(/^nothing was swapped in: .*expired/)
    expect(w.committed).toEqual([])
    expect(new Set(master.asked.slice(asked))).toEqual(new Set(['1:/ns/a']))
    expect(w.originBytes).toBe(0)
  })

  test('fails when it expired in the middle of its listing', async () => {
    let master: ExpiringMaster = { number: 0, asked: [] }
    const w = await begin({ jobMaster: { pageFiles: 5 } }, (one) => (master = expiring(one, 2)))
    const status = await w.untilEnded(await submit(w, '/ns/a', true))
    expect(status).toMatchObject({ state: 'FAILED' })
    expect(status.reason).toMatch(/expired/)
    expect(master.asked.length).toBeGreaterThan(2)
    expect(w.committed).toEqual([])
  })

  test.each([true, false])(
    'whose swap was begun is COMPLETED though it was cancelled and the job master died (swap done: %s)',
    async (isDone) => {
      const w = await begin()
      const loadId = await submit(w, '/ns/a', true)
      const push = w.committed.push.bind(w.committed)
      let cancelled: Promise<unknown> | undefined
      w.committed.push = (...ids) => {
        if (isDone) push(...ids)
        cancelled ??= w.jobMaster?.service.cancelLoad({ loadId }, { signal: never })
        throw new SkeinError('unavailable', 'the answer was lost')
      }
      while (cancelled === undefined) await w.clock.step(w.clock.now + 1000)
      await cancelled
      await w.killJobMaster(false)
      w.committed.push = push
      await w.startJobMaster()
      const status = await w.untilEnded(loadId, 60_000)
      expect(status).toMatchObject({
        state: 'COMPLETED',
        cancelling: false,
        reason: expect.stringContaining('the cancellation came too late'),
      })
      expect(new Set(w.committed)).toEqual(new Set(['/ns/a']))
    },
  )

  test('that is cancelled before its swap begins is CANCELLED, and swaps nothing in', async () => {
    const w = await begin({ taskMs: 5000 })
    const loadId = await submit(w, '/ns/a', true)
    await w.clock.advance(2000)
    await w.jobMaster?.service.cancelLoad({ loadId }, { signal: never })
    await w.killJobMaster(false)
    await w.startJobMaster()
    expect(await w.untilEnded(loadId, 60_000)).toMatchObject({ state: 'CANCELLED' })
    expect(w.committed).toEqual([])
  })

  test('is refused with a time that no clock has', async () => {
    const w = await begin()
    const options = {
      replication: 1,
      activeJobs: 100,
      batchSize: 0,
      atomic: true,
      expireTimeMs: Number.MAX_SAFE_INTEGER,
    }
    await expect(
      w.jobMaster?.service.submitLoad({ requestKey: '', path: '/ns/a', options }, { signal: never }),
    ).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('--expire-time'),
    })
  })

  test('is alone on its files when another load comes at the same time', async () => {
    const w = await begin()
    const both = await Promise.allSettled([submit(w, '/ns/a', true), submit(w, '/ns/', false)])
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  test('is swapped in after a restart of the job master', async () => {
    const w = await begin()
    const loadId = await submit(w, '/ns/a', true)
    await w.killJobMaster(false)
    await w.startJobMaster()
    expect(await w.untilEnded(loadId)).toMatchObject({ state: 'COMPLETED' })
    expect(w.committed).toEqual(['/ns/a'])
  })

  test.each([
    ['/ns/a', true, '/ns/', false],
    ['/ns/a', true, '/ns/a/1', false],
    ['/ns/a', true, '/ns/a', false],
    ['/ns/a', true, '/ns/', true],
    ['/ns/a', false, '/ns/a', true],
    ['/ns/', false, '/ns/a', true],
  ])(
    '%s (atomic: %s) and %s (atomic: %s) do not run beside each other',
    async (first, firstAtomic, second, secondAtomic) => {
      const w = await begin()
      const loadId = await submit(w, first, firstAtomic)
      const refused = await submit(w, second, secondAtomic).catch((thrown: unknown) => thrown)
      expect(refused).toBeInstanceOf(SkeinError)
      expect(refused).toMatchObject({ code: 'failed_precondition', reason: 'overlapping_load' })
      expect(String(refused)).toContain(loadId)
    },
  )

  test('does not share what is put aside with one of the same path that does something else', async () => {
    const w = await begin()
    const loadId = await submit(w, '/ns/a', true)
    const options = { replication: 2, activeJobs: 100, batchSize: 0, atomic: true }
    const request = { requestKey: '', path: '/ns/a', options }
    const refused = await w.jobMaster?.service.submitLoad(request, { signal: never }).catch((thrown: unknown) => thrown)
    expect(refused).toMatchObject({ code: 'failed_precondition', reason: 'overlapping_load' })
    expect(String(refused)).toContain(loadId)
  })

  test('joins the same one, and runs beside others', async () => {
    const w = await begin()
    w.addFile('ab/1', 16_384)
    const loadId = await submit(w, '/ns/a', true)
    expect(await submit(w, '/ns/a', true)).toBe(loadId)
    expect(await submit(w, '/ns/ab', true)).not.toBe(loadId)
  })
})
