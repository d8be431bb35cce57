// Why: a person, a script and a dashboard that follow a load must be told the same, and a watcher
// that dies must miss nothing. How: `skein local` and the project's own origin, whose answers are
// slowed and some refused; what the events of watchers add up to is held against what the job
// master says at the end.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { foldEvent, type LoadEvent, type LoadView } from '../../src/cli/load/load-events.ts'
import type { LoadStatus } from '../../src/wire/generated/job.ts'
import { type Child, startChild } from '../support/child.ts'
import { main, run } from '../support/cluster.ts'
import { LocalSkein, oneLine } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { childEnvironment } from '../support/child-environment.ts'

const objectCount = 40
/** One file a task and two at a time, so that there are many events. */
const slow = {
  ...{
    'fs.cosn.upload_thread_pool': 2,
    'goosefs.job.worker.max.active.task.num': 2,
    'goosefs.job.worker.threadpool.size': 2,
  },
  ...{ 'skein.load.attempts.max': 2, 'skein.load.retry.initial': '10ms', 'skein.load.history.max': 2 },
}

let origin: Origin
let skein: LocalSkein

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  origin.bucket('data').generateMany('dir/part-', objectCount, 30_000)
  skein = await LocalSkein.start({ properties: slow })
  expect(await skein.createNamespace('n', origin, 'data')).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await skein?.dispose()
  await origin?.close()
})

function eventsOf(text: string): LoadEvent[] {
  const whole = text.slice(0, text.lastIndexOf('\n') + 1)
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LoadEvent)
}

function fold(events: readonly LoadEvent[]): LoadView | undefined {
  return events.reduce<LoadView | undefined>((view, event) => foldEvent(view, event), undefined)
}

function watch(loadId: string, name: string, environment: NodeJS.ProcessEnv = {}): Child {
  return startChild(process.execPath, [main, 'job', 'progress', loadId, '--watch', '--format', 'json'], {
    logFile: join(skein.folder, `${name}.log`),
    env: childEnvironment({ SKEIN_HOME: skein.home, ...environment }),
  })
}

describe('following a load', () => {
  it('by events: those of a killed and a restarted watcher add up to the final state', async () => {
    const bad = [...origin.bucket('data').sortedKeys].filter((_, index) => index === 3 || index === 17)
    for (const key of bad) origin.faults.add({ kind: 'denied', on: 'get', key, times: 1e9 })
    origin.faults.add({ kind: 'delay', on: 'get', delayMs: 300, times: 1e9 })
    const { loadId } = await skein.json<{ loadId: string }>(
      'fs',
      'distributedLoad',
      '/n',
      '--batch-size',
      '1',
      '--async',
    )

    const first = watch(loadId, 'first')
    await expect.poll(() => eventsOf(first.stdout()).length, { timeout: 60_000, interval: 20 }).toBeGreaterThan(2)
    await first.end('SIGKILL')
    const seen = eventsOf(first.stdout())
    expect(seen[0]?.event).toBe('state')
    expect(seen.some(({ event }) => event === 'ended')).toBe(false)

    const folder = join(skein.folder, 'progress')
    mkdirSync(folder)
    const files = { SKEIN_PROGRESS_FILE: join(folder, 'skein.json'), FLUID_PROGRESS_FILE: join(folder, 'fluid') }
    const second = watch(loadId, 'second', files)
    expect(await second.ended).toBe(3)
    const events = eventsOf(second.stdout())
    // It has caught up with its first line.
    expect(events[0]).toMatchObject({ event: 'state', counts: { files: objectCount } })
    expect(events[0]?.filesDone).toBeGreaterThanOrEqual(seen.at(-1)?.filesDone ?? Number.POSITIVE_INFINITY)
    expect(events.filter(({ event }) => event === 'ended')).toHaveLength(1)

    const status = await skein.json<LoadStatus>('job', 'stat', loadId)
    for (const view of [fold(events), fold([...seen, ...events])]) {
      expect(view).toMatchObject({
        loadId,
        state: 'PARTIAL',
        counts: status.counts,
        endedMs: status.endedMs,
        reason: status.reason,
      })
      expect(view?.failed.map(({ path }) => path).toSorted()).toEqual(bad.map((key) => `/n/${key}`).toSorted())
      expect(view?.failed.every(({ reason }) => reason !== '')).toBe(true)
    }
    expect(status.counts).toMatchObject({ files: objectCount, filesLoaded: objectCount - 2, filesFailed: 2 })
    expect(events.at(-1)?.workers.map(({ bytes }) => bytes)).toEqual([status.counts?.bytesLoaded])
    expect(Math.max(...events.map(({ workers }) => workers[0]?.tasksOut ?? 0))).toBeGreaterThan(0)

    expect(JSON.parse(readFileSync(files.SKEIN_PROGRESS_FILE, 'utf8'))).toEqual(events.at(-1))
    expect(readFileSync(files.FLUID_PROGRESS_FILE, 'utf8')).toBe(`${objectCount}/${objectCount}\n`)
    expect(readdirSync(folder).toSorted()).toEqual(['fluid', 'skein.json'])
    origin.faults.clear()
  })

  it('by the submitter: the same files, the same end', async () => {
    const files = {
      SKEIN_PROGRESS_FILE: join(skein.folder, 'own.json'),
      FLUID_PROGRESS_FILE: join(skein.folder, 'missing', 'fluid'),
    }
    const { code, stderr } = await run(['fs', 'distributedLoad', '/n'], {
      env: { SKEIN_HOME: skein.home, SKEIN_MASTER: undefined, ...files },
    })
    expect(code).toBe(0)
    expect(stderr.match(/the progress file .* cannot be written/g)).toHaveLength(1)
    expect(JSON.parse(readFileSync(files.SKEIN_PROGRESS_FILE, 'utf8'))).toMatchObject({
      event: 'ended',
      state: 'COMPLETED',
      filesDone: objectCount,
    })
    expect(existsSync(files.FLUID_PROGRESS_FILE)).toBe(false)
  })

  it('job leader, history, and an id that has expired', async () => {
    expect((await skein.cli('job', 'leader')).stdout).toBe(`${skein.addresses()['jobMaster'] ?? ''}\n`)
    expect(await skein.cli('fs', 'distributedLoad', '/n')).toMatchObject({ code: 0 })
    const list = async (...flags: string[]): Promise<string[]> =>
      (await skein.json<{ loads: LoadStatus[] }>('job', 'history', ...flags)).loads.map(({ loadId }) => loadId)
    await expect.poll(() => list(), { timeout: 30_000 }).toEqual(['L3', 'L2'])
    expect(await list('--before', 'L3', '--limit', '5')).toEqual(['L2'])
    const gone = await skein.cli('job', 'progress', 'L1', '--watch')
    expect([gone.code, oneLine(gone)]).toEqual([2, 'load L1 has expired'])
    const never = await skein.cli('job', 'stat', 'L99')
    expect([never.code, oneLine(never)]).toEqual([2, "there is no load L99; list loads with 'skein job ls'"])
  })

  it('by metrics on the web port', async () => {
    const text = await (await fetch(`http://${skein.addresses()['web'] ?? ''}/metrics`)).text()
    expect(text).toMatch(/^skein_job_load_duration_seconds_count\{outcome="completed"\} 2$/m)
    expect(text).toMatch(/^skein_job_load_duration_seconds_count\{outcome="partial"\} 1$/m)
    expect(text).toMatch(/^skein_job_loaded_bytes_total [1-9]\d+$/m)
    expect(text).toMatch(/^skein_job_task_duration_seconds_count [1-9]\d*$/m)
    expect(text).toMatch(/^skein_job_queue_up 1$/m)
  })
})
