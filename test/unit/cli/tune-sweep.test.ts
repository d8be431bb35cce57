// Why: a sweep frees and loads what users need, again and again: it must do so as often as it says,
// go on where it stopped, and compare only sound loads.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { pointSettings } from '../../../src/cli/tune/sweep/point-settings.ts'
import type { SubmitLoadRequest } from '../../../src/wire/generated/job.ts'
import { type FakeCluster, file, load, run, type RunOptions } from './support/harness.ts'

const folder = mkdtempSync(join(tmpdir(), 'skein-sweep-test-'))
afterAll(() => rmSync(folder, { recursive: true }))
const megabyte = 1024 ** 2
let states = 0
const freshState = (): string => join(folder, `state-${(states += 1)}.json`)
const jobsKey = 'skein.load.active.jobs'

/** Loads take 1000 s / active jobs; every step is written down. */
function loads(more: (request: SubmitLoadRequest) => Parameters<typeof load>[1] = () => ({}), state = 'COMPLETED') {
  const steps: string[] = []
  let last: SubmitLoadRequest | undefined
  const fake: FakeCluster = {
    master: {
      listStatus: async () => ({ files: [file({ length: 100 * megabyte })], nextPageToken: '' }),
      free: async ({ path }) => {
        steps.push(`free ${path}`)
        return { paths: [], freedBytes: 0 }
      },
    },
    jobs: {
      submitLoad: async (request) => {
        last = request
        steps.push(`load ${request.options?.activeJobs} ${request.options?.batchSize}`)
        return { loadId: 'L1', joined: false }
      },
      getLoad: async () => {
        const seconds = 1000 / (last?.options?.activeJobs ?? 1)
        const counts = { bytesLoaded: 100 * megabyte, filesLoaded: 1, ...(last === undefined ? {} : more(last)) }
        return load(state, counts, { startedMs: 1000, endedMs: 1000 + 1000 * seconds })
      },
      cancelLoad: async () => {
        steps.push('cancel')
        return {}
      },
    },
  }
  return { fake, steps }
}

const sweep = (words: readonly string[], fake: FakeCluster, options: RunOptions = {}) =>
  run(['tune', 'sweep', '/data', ...words], fake, { environment: { SKEIN_HOME: join(folder, 'home') }, ...options })

describe('tune sweep', () => {
  it('frees and loads each point in each round, and marks the best', async () => {
    const { fake, steps } = loads()
    const svg = join(folder, 'sweep.svg')
    const words = ['--param', `${jobsKey}=10,100,50`, '--runs', '2', '--state', freshState(), '--svg', svg]
    const { code, stdout, stderr } = await sweep(words, fake)
    expect(code).toBe(0)
    expect(steps).toEqual([10, 100, 50, 10, 100, 50].flatMap((jobs) => ['free /data', `load ${jobs} 0`]))
    expect(stderr).toContain('3 points x 2 runs: 6 loads of 104857600 bytes each, 0 done; /data is freed before each')
    expect(stdout).toMatch(/\n\* +100 +10\.00 +10\.0 +0 +0 +0\n/)
    expect(stdout).toContain(`Best (*): ${jobsKey}=100, 10.0 MB/s`)
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*font-weight="bold">\* active\.jobs=100<[\s\S]*<\/svg>\n$/)
  })

  it('frees nothing when the path cannot be loaded', async () => {
    const { fake, steps } = loads()
    const { code, stderr } = await run(
      ['tune', 'sweep', '/', '--param', `${jobsKey}=10`, '--state', freshState()],
      fake,
      { environment: { SKEIN_HOME: join(folder, 'home') } },
    )
    expect([code, steps]).toEqual([64, []])
    expect(stderr).toContain('name a namespace to load: /namespace or /namespace/dir')
  })

  it('goes on where it was stopped, and cancels the load that was running', async () => {
    const state = freshState()
    const words = ['--param', `${jobsKey}=10,20`, '--runs', '2', '--state', state]
    const first = loads()
    const ended = first.fake.jobs?.getLoad
    let looks = 0
    const getLoad: typeof ended = async (...asked) => {
      looks += 1
      return looks === 1 && ended !== undefined ? await ended(...asked) : load('RUNNING')
    }
    const running = { ...first.fake, jobs: { ...first.fake.jobs, getLoad } }
    const stopped = await sweep(words, running, { onSleep: (command) => command.stop() })
    expect(stopped.code).toBe(4)
    expect(first.steps.at(-1)).toBe('cancel')
    const again = loads()
    expect((await sweep(words, again.fake)).code).toBe(0)
    expect(again.steps.filter((step) => step.startsWith('load'))).toEqual(['load 20 0', 'load 10 0', 'load 20 0'])
    const third = loads()
    expect((await sweep(words, third.fake)).code).toBe(0)
    expect(third.steps).toEqual([])
    const other = await sweep(['--param', `${jobsKey}=10`, '--state', state], third.fake)
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringMatching(/of another sweep \(--param differs\).*--restart/),
    ])
    const anew = loads()
    expect(
      (await sweep(['--param', `${jobsKey}=10`, '--runs', '1', '--state', state, '--restart'], anew.fake)).code,
    ).toBe(0)
    expect(anew.steps).toEqual(['free /data', 'load 10 0'])
  })

  it('does not take for best what failed or was cached', async () => {
    const { fake } = loads(({ options }) => (options?.batchSize === 8 ? { filesFailed: 1 } : { filesCached: 2 }))
    const { stdout } = await sweep(
      ['--param', 'skein.load.batch.files=8,16', '--runs', '1', '--state', freshState()],
      fake,
    )
    expect(stdout).toContain('skein.load.batch.files=16: 2 files were in the cache')
    expect(stdout).toContain('Best: none')
    const ended = await sweep(
      ['--param', `${jobsKey}=8`, '--runs', '1', '--state', freshState()],
      loads(() => ({}), 'FAILED').fake,
    )
    expect(ended.stdout).toContain('the load is FAILED')
  })

  it.each([
    [[], '--param key=value,value,... is missing'],
    [['--param', 'fs.cosn.upload_thread_pool=1,2'], 'use --own'],
    [['--param', `${jobsKey}=0`], jobsKey],
    [['--param', `${jobsKey}=1,2,3`, '--max-points', '2'], '3 values are 3 points, 2 at most'],
    [['--param', `${jobsKey}=1`, '--folder', '/tmp'], 'use them with --own'],
    [['--param', `${jobsKey}=1`, '--runs', '0'], '--runs'],
  ] as const)('refuses %j before anything is asked', async (words, message) => {
    const { code, stderr, addresses } = await sweep(words, {})
    expect([code, stderr, addresses]).toEqual([64, expect.stringContaining(message), []])
  })

  it('wants the secrets of the namespace for a cluster of its own', async () => {
    const { fake } = loads()
    const namespace = {
      namespaceId: 'n',
      name: 'data',
      uri: 's3://b/',
      attributes: {},
      secretNames: ['s3.accessKeyId'],
    }
    const times = { createdMs: 1, ttlMs: 0, ttlAction: 'FREE' }
    const known = { ...fake, master: { ...fake.master, getNamespace: async () => ({ ...namespace, ...times }) } }
    const { code, stderr } = await sweep(
      ['--own', '--param', 'fs.cosn.upload_thread_pool=4', '--state', freshState()],
      known,
    )
    expect([code, stderr]).toEqual([64, expect.stringContaining('needs the secrets of /data: s3.accessKeyId')])
  })

  it('refuses a file that is no sweep, and leaves it alone', async () => {
    const state = freshState()
    writeFileSync(state, '{"mine":1}')
    const { code, stderr } = await sweep(['--param', `${jobsKey}=1`, '--state', state], loads().fake)
    expect([code, stderr]).toEqual([1, expect.stringContaining('is no file of skein tune sweep')])
    expect(readFileSync(state, 'utf8')).toBe('{"mine":1}')
  })
})

describe('the settings of a point', () => {
  const [reads, tasks] = ['fs.cosn.upload_thread_pool', 'goosefs.job.worker.max.active.task.num']

  it('are fitted to what varies, so that no rule holds it back', () => {
    const base = { [reads]: '8', [tasks]: '10', 'goosefs.user.block.worker.client.pool.max': '20' }
    const { settings, broken, config } = pointSettings(base, { [reads]: '64' })
    expect(broken).toEqual([])
    expect(config.brokenRules).toEqual([])
    expect(settings[reads]).toBe('64')
    expect(Number(settings[tasks])).toBeGreaterThanOrEqual(64)
  })

  it('stay as they were asked for where they break a rule by themselves, which is named', () => {
    const { settings, broken } = pointSettings({}, { [reads]: '64', [tasks]: '8', 'skein.load.active.jobs': '1000' })
    expect([settings[reads], settings[tasks]]).toEqual(['64', '8'])
    expect(broken).toEqual([expect.stringMatching(/^rule tasks-above-reads: /)])
  })
})
