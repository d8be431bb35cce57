// Why: a cluster's parts are down, refuse each other or are started twice; the words and exit codes
// of that are part of what we promise. How: a real Redis, one process a role, and the project's own
// origin.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startChild } from '../support/child.ts'
import { Cluster, main, run } from '../support/cluster.ts'
import { sha256 } from '../support/dataset.ts'
import { freePort } from '../support/free-port.ts'
import { freePorts, LocalSkein, oneLine, storeFlags } from '../support/local-skein.ts'
import { Oracle } from '../support/oracle.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'

const seconds = (n: number): { timeoutMs: number } => ({ timeoutMs: n * 1000 })

/** The last line on stderr: what a role says after its log. */
function lastLine(stderr: string): string {
  const lines = stderr.trimEnd().split('\n')
  expect(lines.filter((line) => !line.startsWith('{'))).toHaveLength(1)
  return lines.at(-1) ?? ''
}

describe('a role that is started', () => {
  let folder: string
  const flags = (port: number): string[] => [
    '--home',
    folder,
    ...freePorts,
    `-Dskein.queue.url=redis://:canary-word@127.0.0.1:${port}`,
  ]

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'skein-roles-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it.each(['job-master', 'job-worker'])(
    '%s without Redis: says that it waits, then exit 1 after the configured time',
    async (role) => {
      const port = await freePort()
      const result = await run([role, ...flags(port), '-Dskein.queue.connect.timeout=1500ms'], seconds(60))
      expect(result).toMatchObject({ code: 1, stdout: '' })
      expect(result.stderr).toMatch(/"message":"waiting for the queue"/)
      expect(lastLine(result.stderr)).toMatch(
        new RegExp(`^skein: Redis at redis://.*127\\.0\\.0\\.1:${port}.*is it running`),
      )
      expect(result.stderr).not.toContain('canary-word')
    },
  )

  it.skipIf(!redisAvailable)('a wrong Redis password: exit 1 with the reason, the password is not shown', async () => {
    const redis = await startRedis({ password: 'right' })
    try {
      const result = await run(['job-master', ...flags(redis.port), '-Dskein.queue.connect.timeout=2s'], seconds(60))
      expect(result).toMatchObject({ code: 1, stdout: '' })
      expect(lastLine(result.stderr)).toMatch(/^skein: Redis at .*(password|WRONGPASS|NOAUTH)/i)
      expect(result.stderr).not.toContain('canary-word')
    } finally {
      await redis.dispose()
    }
  })

  it.skipIf(!redisAvailable)('goes on when Redis comes while it waits', async () => {
    const redis = await startRedis()
    await redis.kill()
    const logFile = join(folder, 'job-master.log')
    const child = startChild(
      process.execPath,
      [main, 'job-master', '--home', folder, ...freePorts, `-Dskein.queue.url=${redis.url}`],
      {
        logFile,
      },
    )
    try {
      await expect.poll(() => readFileSync(logFile, 'utf8'), { timeout: 20_000 }).toContain('waiting for the queue')
      await redis.start()
      await child.line((line) => (line.startsWith('{"ready":"job-master"') ? line : undefined), 30_000)
      await child.end('SIGTERM')
      expect(await child.ended).toBe(0)
    } finally {
      await child.end('SIGKILL')
      await redis.dispose()
    }
  })

  it('a command with no master: one line, exit 1', async () => {
    const result = await run(['fs', 'ls', '/'], {
      env: { SKEIN_MASTER: `127.0.0.1:${await freePort()}`, SKEIN_HOME: folder },
      ...seconds(60),
    })
    expect(oneLine(result)).toMatch(/is it running\?.*SKEIN_MASTER/)
    expect(result.code).toBe(1)
  })
})

describe.skipIf(!redisAvailable)('a cluster', () => {
  let redis: RedisServer
  let origin: Origin
  let cluster: Cluster

  beforeAll(async () => {
    redis = await startRedis()
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data', 'large'] })
    origin.bucket('data').generateMany('dir/part-', 60, 200_000)
    origin.bucket('large').generateMany('x/', 7, 10_000_000)
    cluster = await Cluster.start({
      queueUrl: redis.url,
      quota: '50MB',
      properties: { 'fs.cosn.upload_thread_pool': '2', 'skein.worker.lost.timeout': '3s' },
    })
    for (const name of ['data', 'large'])
      expect(await cluster.cli(['ns', 'create', name, `s3://${name}/`, ...storeFlags(origin.url)])).toMatchObject({
        code: 0,
      })
  })
  afterAll(async () => {
    await cluster?.stop()
    await origin?.close()
    await redis?.dispose()
  })
  afterEach(() => origin.faults.clear())

  it('replication above the live workers: exit 1 at once, both numbers', async () => {
    const load = await cluster.cli(['fs', 'distributedLoad', '/data', '--replication', '3'])
    expect(oneLine(load)).toMatch(/replication 3 needs 3 live workers, 2 are live/)
    expect(load).toMatchObject({ code: 1, stdout: '' })
  })

  it('a dataset that fits once but not twice: the missing bytes are named and nothing is loaded', async () => {
    const load = await cluster.cli(['fs', 'distributedLoad', '/large', '--replication', '2'])
    // 7 files of 10 MB on two workers of 50 MB: 2 x 70,000,000 - 2 x 52,428,800.
    expect(load.stderr).toContain('no room for /large: 35142400 bytes')
    expect(load.code).toBe(1)
    expect(load.stdout).toContain('Total completed file count is 0')
    expect((await cluster.cli(['fs', 'getUsedBytes'])).stdout).toBe('Used Bytes: 0\n')
    expect(origin.counters.objectBytes).toBe(0)
  })

  it('Redis down in the middle of a load: it waits and goes on', async () => {
    origin.faults.add({ kind: 'delay', on: 'get', delayMs: 200, times: 1e9 })
    const before = origin.counters.requests.get
    const loading = cluster.cli(['fs', 'distributedLoad', '/data', '--replication', '2', '--batch-size', '3'])
    await expect.poll(() => origin.counters.requests.get, { timeout: 30_000, interval: 10 }).toBeGreaterThan(before + 3)
    await redis.kill()
    await expect
      .poll(() => cluster.log('job-worker-1') + cluster.log('job-worker-2') + cluster.log('job-master'), {
        timeout: 30_000,
      })
      .toContain('Redis')
    origin.faults.clear()
    await redis.start()
    const load = await loading
    expect(load.stdout).toContain('Total completed file count is 60, failed file count is 0')
    expect(load.code).toBe(0)
    const oracle = new Oracle(cluster.masterAddress)
    try {
      const files = await oracle.files('/data')
      expect(files.filter((file) => file.replicas !== 2)).toEqual([])
      for (const key of origin.bucket('data').sortedKeys)
        expect(await oracle.checksum(`/data/${key}`)).toBe(sha256(origin.bucket('data').bytesOf(key)))
    } finally {
      oracle.close()
    }
  })

  it('a home that another role has: exit 1, its pid is named', async () => {
    const mainHome = join(cluster.home, 'main')
    for (const [role, home, holder] of [
      ['master', mainHome, 'master'],
      ['job-master', mainHome, 'job-master'],
      ['worker', join(cluster.home, 'host-1'), 'worker-1'],
    ] as const) {
      const second = await run([role, '--home', home, ...freePorts, `-Dskein.queue.url=${redis.url}`], seconds(60))
      expect(lastLine(second.stderr)).toContain(
        `is in use by process ${cluster.pid(holder)}: stop it, or use another directory`,
      )
      expect(second).toMatchObject({ code: 1, stdout: '' })
    }
  })

  it('a port that another role has: exit 1, the port is named', async () => {
    const port = cluster.masterAddress.split(':')[1] ?? ''
    for (const [role, key] of [
      ['master', 'goosefs.master.rpc.port'],
      ['job-master', 'goosefs.job.master.rpc.port'],
      ['worker', 'goosefs.worker.data.port'],
      ['job-worker', 'goosefs.job.worker.web.port'],
    ] as const) {
      const home = mkdtempSync(join(tmpdir(), 'skein-port-'))
      const started = await run(
        [role, '--home', home, ...freePorts, `-Dskein.queue.url=${redis.url}`, `-D${key}=${port}`],
        seconds(60),
      )
      rmSync(home, { recursive: true, force: true })
      expect(lastLine(started.stderr)).toMatch(new RegExp(`^skein: .*port ${port} is in use .*choose another port$`))
      expect(started).toMatchObject({ code: 1, stdout: '' })
    }
  })

  it('no live worker, no job master: each is said in one line, exit 1', async () => {
    await cluster.kill('job-master')
    const gone = await cluster.cli(['fs', 'distributedLoad', '/data'])
    expect(oneLine(gone)).toMatch(/^cannot reach the job master at .*; is it running\?$/)
    expect(gone.code).toBe(1)
    await cluster.startRole('job-master')
    for (const name of ['worker-1', 'worker-2']) await cluster.kill(name)
    await expect
      .poll(async () => (await cluster.cli(['fsadmin', 'report'])).stdout, { timeout: 30_000, interval: 500 })
      .toMatch(/Live Workers: 0/)
    const none = await cluster.cli(['fs', 'distributedLoad', '/data'])
    expect(oneLine(none)).toMatch(/replication 1 needs 1 live worker, 0 are live/)
    expect(none.code).toBe(1)
    // Nothing is cached within reach: the bytes cannot be had, and that is said.
    const cat = await cluster.cli(['fs', 'cat', '/data/dir/part-0000000'])
    expect(oneLine(cat)).toContain('/data/dir/part-0000000')
    expect(cat.code).toBe(1)
    for (const name of ['worker-1', 'worker-2']) await cluster.startRole(name)
  })

  it('SIGTERM ends every role with 0', async () => {
    for (const name of ['job-worker-1', 'job-worker-2', 'worker-1', 'worker-2', 'job-master', 'master'])
      await cluster.kill(name, 'SIGTERM')
    for (const name of ['job-worker-1', 'worker-1', 'job-master', 'master'])
      expect(cluster.log(name)).not.toMatch(/cleanly/)
  })
})

describe('a cluster that may not call private endpoints', () => {
  let skein: LocalSkein

  beforeAll(async () => {
    skein = await LocalSkein.start({
      properties: { 'skein.ufs.allowPrivateEndpoints': 'false', 'skein.ufs.file.roots': tmpdir() },
    })
  })
  afterAll(() => skein?.dispose())

  it.each([
    'http://127.0.0.1:9000',
    'http://localhost:9000',
    'https://169.254.169.254',
    'https://10.0.0.1',
    'http://[::1]:9000',
    'http://2130706433:80',
  ])('ns create at %s: exit 1', async (endpoint) => {
    const create = await skein.cli('ns', 'create', 'data', 's3://data/', ...storeFlags(endpoint))
    expect(oneLine(create)).toMatch(/private.*skein\.ufs\.allowPrivateEndpoints/)
    expect(create.code).toBe(1)
  })

  it.each([
    ['file:///etc', 1],
    ['file:////etc', 1],
    // Wrongly written, wherever it leads.
    [`file://${tmpdir()}/../etc`, 64],
    [`file://${join('/proc/self/root', 'etc')}`, 1],
    ['file:///no-such-directory', 1],
  ])('ns create at %s, where skein.ufs.file.roots names another directory: exit %i', async (uri, code) => {
    const create = await skein.cli('ns', 'create', 'data', uri)
    expect(oneLine(create)).toMatch(/skein\.ufs\.file\.roots|not a store/)
    expect(create.code).toBe(code)
  })
})
