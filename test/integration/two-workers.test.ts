// Why: the recipe of docs/install.md for two workers on one host is typed by people who are new
// here. How: its very lines are run as processes. What is mapped: /tmp/skein to a temporary
// directory; and, where a port is left at its default, to any free one by the environment, which is
// weaker than what a line says; Redis and the master are found by the environment as well.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Child, startChild } from '../support/child.ts'
import { main, run } from '../support/cluster.ts'
import { freePort } from '../support/free-port.ts'
import { storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'
import { childEnvironment } from '../support/child-environment.ts'
import { codeBlocks, commandLines } from '../support/documented-commands.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/install.md'), 'utf8')
const recipe = codeBlocks(page)
  .map((block) => commandLines(block).map(({ text }) => text))
  .find((lines) => lines.filter((line) => line.startsWith('skein worker ')).length === 2)
const commands = recipe ?? []

describe.skipIf(!redisAvailable)('two workers on one host, as docs/install.md has them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-two-'))
  const children: Child[] = []
  let env: NodeJS.ProcessEnv
  let redis: RedisServer
  let origin: Origin

  beforeAll(async () => {
    redis = await startRedis()
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    origin.bucket('data').generateMany('d/', 40, 100_000)
    const ports = [
      'MASTER_WEB',
      'JOB_MASTER_RPC',
      'JOB_MASTER_WEB',
      'WORKER_RPC',
      'WORKER_DATA',
      'WORKER_WEB',
      'JOB_WORKER_RPC',
      'JOB_WORKER_WEB',
    ]
    env = childEnvironment({
      ...Object.fromEntries(ports.map((name) => [`GOOSEFS_${name}_PORT`, '0'])),
      SKEIN_MASTER: `127.0.0.1:${await freePort()}`,
      SKEIN_QUEUE_URL: redis.url,
      SKEIN_UFS_ALLOWPRIVATEENDPOINTS: 'true',
    })
    for (const line of commands) {
      const [, ...words] = line.split(/\s+/).map((word) => word.replace(/(^|=)\/tmp\/skein(?=\/)/, `$1${folder}`))
      const child = startChild(process.execPath, [main, ...words], {
        logFile: join(folder, `${children.length}.log`),
        env,
      })
      children.push(child)
      await child.line((text) => (text.startsWith('{"ready"') ? text : undefined), 60_000)
    }
  }, 240_000)

  afterAll(async () => {
    for (const child of children.toReversed()) await child.end('SIGKILL')
    await origin?.close()
    await redis?.dispose()
    rmSync(folder, { recursive: true, force: true })
  })

  it('loads with two replicas, one on each', async () => {
    expect(commands.map((line) => line.split(/\s+/)[1])).toEqual([
      'master',
      'job-master',
      'worker',
      'job-worker',
      'worker',
      'job-worker',
    ])
    const home = join(folder, 'master')
    const cli = (...words: string[]) => run([...words, '--home', home], { env })
    expect(await cli('ns', 'create', 'data', 's3://data/', ...storeFlags(origin.url))).toMatchObject({ code: 0 })
    const load = await cli('fs', 'distributedLoad', '/data', '--replication', '2')
    expect(load, load.stderr).toMatchObject({ code: 0 })
    expect((await cli('fs', 'location', '/data/d/0000007')).stdout.trim().split('\n')).toHaveLength(3)
    expect(origin.counters.objectBytes).toBe(40 * 100_000)

    // A key of users counts for one command.
    const file = join(folder, 'own')
    writeFileSync(file, Buffer.alloc(300_000, 'x'))
    expect(
      await cli('fs', 'copyFromLocal', file, '/data/own', '-Dgoosefs.user.block.size.bytes.default=128KB'),
    ).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(JSON.parse((await cli('fs', 'stat', '/data/own', '--format', 'json')).stdout)).toMatchObject({
      blockSizeBytes: 128 * 1024,
    })
    expect((await cli('fs', 'cat', '/data/own')).bytes).toHaveLength(300_000)
  }, 180_000)
})
