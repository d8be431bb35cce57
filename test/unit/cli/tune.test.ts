// Why: `skein tune` takes the place of a guide: its figures, reasons, files and exit codes are what
// people and scripts act on.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { profileNames } from '../../../src/config/read-config.ts'
import { tuningRules } from '../../../src/config/tuning-rules.ts'
import type { JobWorkerInfo, MachineSize } from '../../../src/wire/generated/job.ts'
import type { ListStatusRequest } from '../../../src/wire/generated/master.ts'
import { type CommandResult, type FakeCluster, file, run } from './support/harness.ts'

const folder = mkdtempSync(join(tmpdir(), 'skein-tune-'))
afterAll(() => rmSync(folder, { recursive: true }))
const environment = { SKEIN_HOME: join(folder, 'home') }
const machine = ['--cores', '4', '--memory', '8GB']
const tune = (words: readonly string[], fake: FakeCluster = {}, more: Record<string, string> = {}) =>
  run(['tune', ...words], fake, { environment: { ...environment, ...more } })
const json = ({ stdout }: CommandResult): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>

const jobWorker = (jobWorkerId: string, live: boolean, size: MachineSize): JobWorkerInfo => {
  const tasks = { tasksRunning: 0, activeTasksMax: 8, lastHeartbeatMs: 1 }
  return { jobWorkerId, hostname: jobWorkerId, live, machine: size, ...tasks }
}

/** A directory with these files in pages of 1000, and two live job workers. */
function listing(
  count: number,
  sizeOf: (index: number) => number,
): FakeCluster & { readonly requests: ListStatusRequest[] } {
  const requests: ListStatusRequest[] = []
  const master: FakeCluster['master'] = {
    listStatus: async (request) => {
      requests.push(request)
      const first = Number(request.pageToken || 0)
      const end = Math.min(count, first + 1000)
      const files = Array.from({ length: end - first }, (_, index) =>
        file({ path: `/data/f${first + index}`, name: `f${first + index}`, length: sizeOf(first + index) }),
      )
      const folders = first === 0 ? [file({ path: '/data/d', name: 'd', folder: true, length: 0 })] : []
      return { files: [...folders, ...files], nextPageToken: end < count ? String(end) : '' }
    },
  }
  const jobs: FakeCluster['jobs'] = {
    getJobServiceSummary: async () => ({
      liveJobWorkers: 2,
      runningLoads: 0,
      completedLoads: 0,
      failedLoads: 0,
      cancelledLoads: 0,
      queue: '',
      queueHealthy: true,
      jobWorkers: [
        jobWorker('a', true, { cores: 16, memoryBytes: 32 * 1024 ** 3 }),
        jobWorker('b', true, { cores: 8, memoryBytes: 64 * 1024 ** 3 }),
        jobWorker('lost', false, { cores: 1, memoryBytes: 1024 ** 3 }),
      ],
      tasksOut: 0,
      queueWarnings: [],
    }),
  }
  return { master, jobs, requests }
}

describe('tune analyze', () => {
  it('draws the sizes, and counts files only, page by page', async () => {
    const fake = listing(2500, (index) => (index < 2000 ? 16_384 : 1_048_576))
    const { code, stdout } = await tune(['analyze', '/data'], fake)
    expect(code).toBe(0)
    expect(stdout).toContain('Files: 2500  Total: 531.25MB  Mean: 217.60KB')
    expect(stdout).toContain('p1 16.00KB  p5 16.00KB  p25 16.00KB  p50 16.00KB  p75 16.00KB  p95 1024.00KB')
    expect(stdout).toMatch(/from 16KB +2000 +80\.0% +█{59} +5\.9%/)
    expect(stdout).toMatch(/from 1MB +500 +20\.0% +█{14}▊ +94\.1%/)
    expect(fake.requests.map(({ recursive, pageToken }) => [recursive, pageToken])).toEqual([
      [true, ''],
      [true, '1000'],
      [true, '2000'],
    ])
  })

  it('gives the figures as JSON, with every file in one row', async () => {
    const found = json(
      await tune(
        ['analyze', '/data', '--format', 'json'],
        listing(100, (index) => index),
      ),
    )
    expect(found).toMatchObject({
      path: '/data',
      files: 100,
      bytes: 4950,
      mean: 49.5,
      min: 0,
      max: 99,
      percentiles: { p1: 0, p5: 4, p25: 24, p50: 49, p75: 74, p95: 94, p99: 98 },
    })
    const rows = found['histogram'] as { files: number }[]
    expect(rows.reduce((sum, { files }) => sum + files, 0)).toBe(100)
  })

  it('writes a picture that is well-formed, and replaces nothing unless it is told to', async () => {
    const svg = join(folder, 'sizes.svg')
    const fake = listing(10, () => 4096)
    const { code, stdout } = await tune(['analyze', '/data', '--svg', svg], fake)
    expect([code, stdout.includes(`Wrote file://${svg}`)]).toEqual([0, true])
    const text = readFileSync(svg, 'utf8')
    expect(text).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]*>\n[\s\S]*<\/svg>\n$/)
    expect(text.match(/<text /g)?.length).toBe(text.match(/<\/text>/g)?.length)
    fake.requests.length = 0
    const again = await tune(['analyze', '/data', '--svg', svg], fake)
    expect([again.code, again.stderr, fake.requests]).toEqual([1, expect.stringContaining('--overwrite'), []])
    writeFileSync(svg, 'old')
    expect((await tune(['analyze', '/data', '--svg', svg, '--overwrite'], fake)).code).toBe(0)
    expect(readFileSync(svg, 'utf8')).toBe(text)
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('says when there are no files, and refuses what is no path or not there', async () => {
    expect(
      await tune(
        ['analyze', '/data'],
        listing(0, () => 0),
      ),
    ).toMatchObject({ code: 0, stdout: 'Files: 0\n' })
    expect((await tune(['analyze', 'data'])).code).toBe(64)
    const missing: FakeCluster = {
      master: {
        listStatus: async () => {
          throw new SkeinError('not_found', '/data does not exist')
        },
      },
    }
    expect((await tune(['analyze', '/data'], missing)).code).toBe(2)
  })
})

describe('tune recommend', () => {
  it('prints a profile with a reason for each value, for the live job workers', async () => {
    const { code, stdout } = await tune(
      ['recommend', '/data', ...machine],
      listing(2000, () => 16_384),
    )
    expect(code).toBe(0)
    expect(stdout).toContain('# Files: 2000 files, 31.25MB; mean 16.00KB, median 16.00KB')
    expect(stdout).toContain('# Machines: 2 job workers with 4 cores and 8.00GB of memory')
    expect(stdout).toContain('one request reads one file\nfs.cosn.read.ahead.block.size=16KB\n')
    expect(stdout).toContain('\nfs.cosn.upload_thread_pool=12\n')
  })

  it('writes a profile that a role takes and that passes the check', async () => {
    const profile = join(folder, 'large.properties')
    const words = ['recommend', '/data', ...machine, '--workers', '3', '--write', profile, '--format', 'json']
    const found = json(
      await tune(
        words,
        listing(16, () => 64 * 1024 ** 2),
      ),
    )
    expect(found).toMatchObject({ machines: { workers: 3, cores: 4, memoryBytes: 8 * 1024 ** 3 }, file: profile })
    expect(found['properties']).toContainEqual(
      expect.objectContaining({ key: 'fs.cosn.read.ahead.block.size', value: '8MB' }),
    )
    expect(await tune(['check', profile, ...machine])).toMatchObject({ code: 0 })
    const value = await run(
      ['getConf', 'fs.cosn.read.ahead.block.size', '--source', `-Dskein.profile=${profile}`],
      {},
      { environment },
    )
    expect(value.stdout).toMatch(/^8MB \(profile /)
    expect(
      (
        await tune(
          words,
          listing(1, () => 1),
        )
      ).code,
    ).toBe(1)
  })

  it('goes by what the live job workers report, of several the least', async () => {
    const { stdout } = await tune(
      ['recommend', '/data'],
      listing(20, () => 16_384),
    )
    expect(stdout).toContain('# Machines: 2 job workers with 8 cores and 32.00GB of memory, as reported\n')
    expect(stdout).toContain('\nfs.cosn.upload_thread_pool=24\n')
    const some = await tune(
      ['recommend', '/data', '--cores', '3', '--format', 'json'],
      listing(20, () => 16_384),
    )
    expect(json(some)['machines']).toEqual({ workers: 2, cores: 3, memoryBytes: 32 * 1024 ** 3, from: 'job workers' })
  })

  it('takes one job worker where no job master answers', async () => {
    const fake: FakeCluster = {
      ...listing(10, () => 10),
      jobs: {
        getJobServiceSummary: async () => {
          throw new SkeinError('unavailable', 'no job master is registered')
        },
      },
    }
    const found = json(await tune(['recommend', '/data', ...machine, '--format', 'json'], fake))
    expect(found['machines']).toMatchObject({ workers: 1, from: 'options' })
    const here = await tune(['recommend', '/data', '--cores', '4'], fake)
    expect(here.stdout).toContain('# Machines: 1 job worker with 4 cores and ')
    expect(here.stdout).toContain(', as this machine has\n')
  })

  it.each([
    ['--cores', '0'],
    ['--cores', '1.5'],
    ['--memory', '1MB'],
    ['--memory', '2000TB'],
    ['--memory', 'much'],
    ['--workers', '0'],
    ['--write', ''],
  ])('refuses %s %s before anything is asked', async (...flag) => {
    expect(await tune(['recommend', '/data', ...flag])).toMatchObject({ code: 64, addresses: [] })
  })
})

describe('tune check', () => {
  const write = (name: string, lines: readonly string[]): string => {
    const path = join(folder, name)
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }

  it('finds each of eight planted violations in one file, with its line and a better value', async () => {
    const planted = [
      ['fs.cosn.read.ahead.queue.size', '64', 'queue-in-block', '32'],
      ['skein.job.worker.read.budget', '16GB', 'budget-in-memory', '2GB'],
      ['goosefs.worker.network.block.reader.threads.max', '5000', 'reads-in-memory', '31'],
      ['fs.cosn.upload_thread_pool', '40'],
      ['goosefs.job.worker.max.active.task.num', '20', 'tasks-above-reads', '42'],
      ['goosefs.job.worker.threadpool.size', '50', 'threads-in-tasks', '20'],
      ['goosefs.user.block.worker.client.pool.max', '30', 'streams-for-tasks', '40'],
      ['skein.load.active.jobs', '20', 'jobs-above-tasks', '40'],
      ['fs.cosn.max.connection.num', '30', 'connections-for-reads', '40'],
    ] as const
    const path = write(
      'planted.properties',
      planted.map(([key, value]) => `${key}=${value}`),
    )
    const { code, stdout } = await tune(['check', path, ...machine, '--format', 'json'])
    expect(code).toBe(5)
    const { broken, rules } = JSON.parse(stdout) as { broken: Record<string, unknown>[]; rules: number }
    expect(rules).toBe(tuningRules.length)
    const expected = planted.flatMap(([key, value, rule, better], index) =>
      rule === undefined ? [] : [{ key, value, rule, better, source: `file ${path}:${index + 1}` }],
    )
    expect(broken).toHaveLength(8)
    for (const one of expected) expect(broken).toContainEqual(expect.objectContaining(one))
    const text = (await tune(['check', path, ...machine])).stdout
    expect(text).toContain(`goosefs.job.worker.threadpool.size=50 (file ${path}:6): a role does not start\n`)
    expect(text).toContain('  better: goosefs.user.block.worker.client.pool.max=40')
  })

  it('judges a file alone, and without one what a role here would use', async () => {
    const good = write('good.properties', ['fs.cosn.read.ahead.queue.size=8'])
    const bad = { FS_COSN_READ_AHEAD_QUEUE_SIZE: '64' }
    expect(await tune(['check', good, ...machine], {}, bad)).toMatchObject({ code: 0, stderr: '' })
    const here = await tune(['check', ...machine], {}, bad)
    expect([here.code, here.stdout]).toEqual([5, expect.stringContaining('(env FS_COSN_READ_AHEAD_QUEUE_SIZE)')])
    expect((await tune(['check', '-Dskein.load.active.jobs=1'])).code).toBe(5)
    expect((await tune(['check'])).stdout).toBe(`No setting breaks one of the ${tuningRules.length} tuning rules.\n`)
  })

  it('tells a file that cannot be read or is wrong from one that breaks a rule', async () => {
    expect(await tune(['check', join(folder, 'none')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('none'),
    })
    const wrong = write('wrong.properties', ['fs.cosn.read.ahead.queue.sise=8'])
    expect(await tune(['check', wrong])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${wrong}:1: unknown key`),
    })
    expect((await tune(['check', ' '])).code).toBe(64)
  })

  it.each(profileNames())('the profile %s breaks no rule', async (name) => {
    expect(await tune(['check', `-Dskein.profile=${name}`])).toMatchObject({ code: 0 })
  })
})

describe('tune explain', () => {
  it('tells value, source, rules, the guide, and what would be chosen here', async () => {
    const { code, stdout } = await tune([
      'explain',
      'fs.cosn.upload_thread_pool',
      '-Dfs.cosn.upload_thread_pool=9',
      ...machine,
    ])
    expect(code).toBe(0)
    for (const text of [
      'Value        9 (flag -D)',
      'Default      3 x CPUs',
      'GooseFS tuning guide: 2 to 3 x the processors',
      'tasks-above-reads: ',
      'Recommended  12: 3 x 4 cores',
    ])
      expect(stdout).toContain(text)
    const computed = json(await tune(['explain', 'fs.cosn.upload_thread_pool', ...machine, '--format', 'json']))
    expect(computed).toMatchObject({ value: '12', source: 'default' })
  })

  it('tells what loads do with a value, and check tells which values are upper limits', async () => {
    const explain = async (key: string, ...more: string[]): Promise<string> =>
      (await tune(['explain', key, ...more, ...machine])).stdout
    const [reads, range] = ['fs.cosn.upload_thread_pool', 'fs.cosn.read.ahead.block.size']
    expect(await explain(reads)).toContain('begins with the value and uses at most 64')
    expect(await explain(range)).toContain('uses at most 16MB')
    expect(await explain(reads, `-D${reads}=9`)).toContain('with skein.tuning=auto a load uses it or less')
    expect(await explain(range, `-D${range}=4MB`)).toContain('a load keeps it')
    expect(await explain(reads, '-Dskein.tuning=off')).toContain('skein.tuning is off')
    expect(await explain('fs.cosn.block.size')).not.toContain('During loads')
    expect(await explain('skein.tuning')).toContain('Value        auto')
    const words = ['check', `-D${reads}=12`, ...machine]
    expect((await tune(words)).stdout).toContain(`With skein.tuning=auto these values are upper limits: ${reads}\n`)
    expect(json(await tune([...words, '--format', 'json']))).toMatchObject({ upperLimits: [reads] })
    expect(json(await tune([...words, '-Dskein.tuning=off', '--format', 'json']))).toMatchObject({ upperLimits: [] })
  })

  it('chooses for the files below a path', async () => {
    const words = ['explain', 'fs.cosn.read.ahead.block.size', '/data', ...machine, '--format', 'json']
    const found = json(
      await tune(
        words,
        listing(10, () => 16_384),
      ),
    )
    expect(found['recommended']).toMatchObject({ value: '16KB' })
  })

  it('explains every key, shows no secret, and names the nearest of an unknown one', async () => {
    const secret = await tune(['explain', 'fs.cosn.userinfo.secretKey', '-Dfs.cosn.userinfo.secretKey=canary-1'])
    expect([secret.code, secret.stdout.includes('canary')]).toEqual([0, false])
    expect((await tune(['explain', 'skein.home'])).stdout).toContain('does not speak of this key')
    expect(await tune(['explain', 'fs.cosn.blok.size'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining("nearest known key is 'fs.cosn.block.size'"),
    })
  })
})

describe('skein.profile', () => {
  it('takes the name of a profile, or a path; another word is refused with the names', async () => {
    const pool = (profile: string) =>
      run(['getConf', 'fs.cosn.upload_thread_pool', `-Dskein.profile=${profile}`], {}, { environment })
    const own = readFileSync(join(import.meta.dirname, '../../../tuning/profiles/small-files.properties'), 'utf8')
    const value = /^fs\.cosn\.upload_thread_pool=(\d+)$/m.exec(own)?.[1]
    expect((await pool('small-files')).stdout).toBe(`${value}\n`)
    const path = join(folder, 'mine.properties')
    writeFileSync(path, 'fs.cosn.upload_thread_pool=7\n')
    expect((await pool(path)).stdout).toBe('7\n')
    const refused = await pool('small-file')
    expect([refused.code, refused.stderr]).toEqual([
      64,
      `skein: -D: skein.profile: 'small-file' is neither a file nor one of the profiles ${profileNames().join(', ')}\n`,
    ])
    expect((await pool('/none/such')).stderr).toContain('/none/such')
  })
})
