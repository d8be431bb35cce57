// Why: a master that has lost its state must not cost what only its workers have. How: real
// processes; the master's home is emptied below them; then each way out is gone: the backup, and
// adopting. What is read is held against what was written.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { blockFiles } from '../support/block-files.ts'
import { Cluster } from '../support/cluster.ts'
import type { CommandResult } from '../support/command-result.ts'
import { contentOf } from '../support/dataset.ts'
import { LocalSkein, oneLine, storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { Oracle } from '../support/oracle.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const heartbeatMs = 200
const properties = {
  'skein.ufs.allowPrivateEndpoints': 'true',
  'fs.cosn.block.size': '1MB',
  'goosefs.user.block.size.bytes.default': '1MB',
  'skein.heartbeat.interval': `${heartbeatMs}ms`,
}
/** Files that no store has; of the first there are three blocks. */
const only = contentOf('only', 2_500_000)
const later = contentOf('later', 300_000)
const newer = contentOf('newer', 1_200_000)

interface Doctor {
  readonly problems: readonly string[]
}

let origin: Origin

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  origin.bucket('data').generateMany('d/', 6, 200_000)
})
afterAll(() => origin?.close())

/** Ended well, or the test ends with what it said. */
async function done(result: Promise<CommandResult>): Promise<CommandResult> {
  const ended = await result
  expect(ended.code, ended.stderr).toBe(0)
  return ended
}

/** Each file as the workers have it is what was written. */
async function readsBack(masterAddress: string, expected: Readonly<Record<string, Buffer>>): Promise<void> {
  const oracle = new Oracle(masterAddress)
  try {
    await oracle.untilAllReported()
    for (const [path, bytes] of Object.entries(expected))
      expect((await oracle.bytes(path)).equals(bytes), path).toBe(true)
  } finally {
    oracle.close()
  }
}

/** Whoever would delete what it is not told of would have done it by then. */
async function keeps(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  await delay(8 * heartbeatMs)
  expect(blockFiles(directory)).toEqual(files)
}

describe.skipIf(!redisAvailable)('a process a role: the master comes back empty while its worker runs', () => {
  let redis: RedisServer
  let cluster: Cluster
  let folder: string
  let blocks: string
  let files: Record<string, string>
  let backup = ''
  const cli = (...args: readonly string[]): Promise<CommandResult> => cluster.cli(args)
  const write = async (bytes: Buffer, path: string): Promise<void> => {
    writeFileSync(join(folder, 'file'), bytes)
    await done(cli('fs', 'copyFromLocal', join(folder, 'file'), path))
  }
  const doctor = async (): Promise<Doctor> =>
    JSON.parse((await cli('fsadmin', 'doctor', '--format', 'json')).stdout) as Doctor
  const master = (name: string): string => join(cluster.home, 'main', 'master', name)

  beforeAll(async () => {
    redis = await startRedis()
    cluster = await Cluster.start({ queueUrl: redis.url, workers: 1, properties })
    folder = cluster.home
    blocks = join(folder, 'host-1', 'cache')
    await done(cli('ns', 'create', 'ns', 's3://data/', ...storeFlags(origin.url)))
    await write(only, '/ns/only')
    await done(cli('fs', 'distributedLoad', '/ns/d'))
    const { stdout } = await done(cli('fsadmin', 'backup', join(folder, 'backups'), '--format', 'json'))
    backup = (JSON.parse(stdout) as { path: string }).path
    await write(later, '/ns/later')
    files = blockFiles(blocks)
  })
  afterAll(async () => {
    await cluster?.stop()
    await redis?.dispose()
  })

  it('the worker is refused, says so once and how to go on, and deletes nothing, durable or not', async () => {
    await cluster.kill('master')
    cpSync(master('secret.key'), join(folder, 'secret.key'))
    rmSync(join(folder, 'main', 'master'), { recursive: true })
    await cluster.startRole('master')
    const { problems } = await until(doctor, (seen) => seen.problems.some((line) => line.includes('is refused')))
    expect(problems.filter((line) => line.includes('is refused'))).toEqual([
      expect.stringMatching(
        /^Worker host-1 \([\w-]+\) is refused: it holds \d+ blocks of cluster [\w-]+.* skein fsadmin adopt [\w-]+$/,
      ),
    ])
    await keeps(blocks, files)
    const said = cluster.log('worker-1').split('\n')
    const refusals = said.filter((line) => line.includes('cannot register with or report to the master'))
    expect(refusals).toEqual([
      expect.stringMatching(/holds \d+ blocks of cluster .* It keeps them\. .*'skein fsadmin adopt [\w-]+'/),
    ])
    expect(
      cluster
        .log('master')
        .split('\n')
        .filter((line) => line.includes('was refused')),
    ).toHaveLength(1)
    // It is no worker of this cluster: nobody is sent to it.
    expect(problems).toContain('No worker is running, so nothing can be cached. Start a worker.')
    expect(await cli('fs', 'cat', '/ns/only')).toMatchObject({ code: 2, stdout: '' })
  })

  it('a restart of the worker changes nothing of that', async () => {
    await cluster.kill('worker-1')
    const starting = cluster.startRole('worker-1').catch(() => undefined)
    const refused = (): number => cluster.log('worker-1').split('cannot register with or report to the master').length
    await until(
      async () => refused(),
      (times) => times === 3,
    )
    await keeps(blocks, files)
    await cluster.kill('worker-1')
    await starting
  })

  it('a restored backup takes it as it is; what was written after the backup is listed and recovered', async () => {
    await cluster.kill('master')
    rmSync(join(folder, 'main', 'master'), { recursive: true })
    mkdirSync(join(folder, 'main', 'master'), { mode: 0o700 })
    cpSync(join(folder, 'secret.key'), master('secret.key'))
    await cluster.startRole('master', [`-Dskein.master.restore.from=${backup}`])
    await cluster.startRole('worker-1')
    const { problems } = await until(doctor, (seen) => seen.problems.some((line) => line.includes('adopt --list')))
    expect(problems).toEqual([expect.stringContaining('keeps 1 blocks that exist nowhere else')])
    await keeps(blocks, files)
    expect((await done(cli('fs', 'cat', '/ns/only'))).bytes.equals(only)).toBe(true)
    // Ids that the lost state gave out are not given out again.
    await write(newer, '/ns/newer')
    expect((await done(cli('fsadmin', 'adopt', '--list'))).stdout).toBe(`/ns/later  ${later.length} bytes, 1 blocks\n`)
    await done(cli('fsadmin', 'adopt', '--recover'))
    await readsBack(cluster.masterAddress, { '/ns/only': only, '/ns/later': later, '/ns/newer': newer })
    await until(doctor, (seen) => seen.problems.length === 0)
  })
})

describe('all in one process: its master comes back empty', () => {
  let skein: LocalSkein
  let blocks: string
  let files: Record<string, string>
  let id = ''
  const cli = (...args: readonly string[]): Promise<CommandResult> => skein.cli(...args)
  const write = async (bytes: Buffer, path: string): Promise<void> => {
    writeFileSync(join(skein.folder, 'file'), bytes)
    await done(cli('fs', 'copyFromLocal', join(skein.folder, 'file'), path))
  }
  const durable = (): string[] => Object.keys(blockFiles(blocks)).filter((name) => name.startsWith('set-aside/'))

  beforeAll(async () => {
    skein = await LocalSkein.start({ properties })
    blocks = join(skein.home, 'worker', 'blocks')
    await done(skein.createNamespace('old', origin, 'data'))
    await write(only, '/old/only')
    await write(later, '/old/later')
    await done(cli('fs', 'distributedLoad', '/old/d'))
    await skein.stop('SIGTERM')
    files = blockFiles(blocks)
    rmSync(join(skein.home, 'master'), { recursive: true })
  })
  afterAll(() => skein?.dispose())

  it('it starts all the same, names its worker, and deletes nothing', async () => {
    await skein.start()
    const doctor = await cli('fsadmin', 'doctor')
    expect(doctor.code).toBe(1)
    id = /is refused: it holds \d+ blocks .* skein fsadmin adopt ([\w-]+)\n/.exec(doctor.stdout)?.[1] ?? ''
    await keeps(blocks, files)
  })

  it('adopted, it sets aside what nobody else has, and new files of the same ids do not touch that', async () => {
    await done(cli('fsadmin', 'adopt', id))
    await until(
      async () => durable(),
      (names) => names.length === 4,
    )
    await done(skein.createNamespace('ns', origin, 'data'))
    await write(newer, '/ns/newer')
    await done(cli('fs', 'distributedLoad', '/ns/d'))
    const listed = await skein.json<{ entries: { key: string; namespace: null; bytes: number }[] }>(
      'fsadmin',
      'adopt',
      '--list',
    )
    expect(listed.entries.map(({ key, namespace, bytes }) => ({ key, namespace, bytes }))).toEqual([
      { key: 'later', namespace: null, bytes: later.length },
      { key: 'only', namespace: null, bytes: only.length },
    ])
  })

  it('what was set aside outlives a kill, and becomes files again, byte by byte, where it is told to', async () => {
    await skein.stop('SIGKILL')
    await skein.start()
    const homeless = await cli('fsadmin', 'adopt', '--recover')
    expect(homeless).toMatchObject({ code: 3, stderr: expect.stringContaining('give a directory with --into') })
    expect(durable()).toHaveLength(4)
    await done(cli('fsadmin', 'adopt', '--recover', '--into', '/ns/found'))
    await readsBack(skein.addresses()['master'] ?? '', {
      '/ns/found/only': only,
      '/ns/found/later': later,
      '/ns/newer': newer,
    })
    expect(durable()).toEqual([])
    // The master knows with the worker's next heartbeat.
    await expect.poll(() => cli('fsadmin', 'doctor')).toMatchObject({ code: 0, stdout: 'No problems found.\n' })
    expect(oneLine(await cli('fsadmin', 'adopt', 'no id'))).toContain("'no id' is not a cluster id")
  })
})
