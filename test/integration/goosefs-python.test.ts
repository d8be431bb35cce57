// Why: programs that use GooseFS's client for Python must run on Skein as they are. How: a cluster
// of processes with a root mount; the newest client and the two before it do each of their
// operations, waiting and asynchronous; what they wrote is compared with what Skein and the store
// have. Then the cluster changes while they read.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { contentOf, sha256 } from '../support/dataset.ts'
import {
  conversePython,
  goosefsVersions,
  hasLance,
  hasTables,
  imports,
  newestGoosefs,
  runPython,
} from '../support/goosefs-clients.ts'
import { recorded } from '../support/goosefs-results.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

const mebibyte = 1024 * 1024
const hint = 'bash scripts/clients.sh --goosefs'

describe.skipIf(!redisAvailable)('programs that use GooseFS’s client for Python', () => {
  const store = mkdtempSync(join(tmpdir(), 'skein-goosefs-store-'))
  let redis: RedisServer
  let cluster: Cluster

  beforeAll(async () => {
    redis = await startRedis()
    cluster = await Cluster.start({
      ...{ queueUrl: redis.url, workers: 3, apart: true },
      properties: {
        'goosefs.master.mount.table.root.ufs': `file://${store}`,
        'goosefs.user.block.size.bytes.default': '1MB',
      },
    })
  })
  afterAll(async () => {
    await cluster?.stop()
    await redis?.dispose()
    rmSync(store, { recursive: true, force: true })
  })

  async function catHash(path: string): Promise<string> {
    const { code, stderr, bytes } = await cluster.cli(['fs', 'cat', path])
    return code === 0 ? sha256(bytes) : stderr
  }

  /** The hash of each file by Skein, and, if it is to be there, in the store. */
  async function expectEqualFiles(files: Readonly<Record<string, string>>): Promise<void> {
    const bySkein = await Promise.all(Object.keys(files).map(async (path) => [path, await catHash(path)]))
    expect(Object.fromEntries(bySkein)).toEqual(files)
    const stored = Object.entries(files).filter(([path]) => !/(?:MUST|TRY)_CACHE/.test(path))
    for (const [path, hash] of stored)
      await until(
        () => readFile(join(store, path)).then(sha256, () => 'not there'),
        (found) => found === hash,
      )
  }

  for (const version of goosefsVersions)
    for (const form of ['sync', 'async']) {
      const isThere = imports(version, 'goosefs')
      if (!isThere) console.warn(`goosefs ${version} is not there: ${hint}`)

      it.skipIf(!isThere)(`${version} does each of its operations, ${form}`, async () => {
        const words = [form, cluster.masterAddress, `/${form} by ${version}`]
        const { operations, files } = await runPython(version, 'operations.py', words)
        expect(operations).toEqual(recorded(`python-${version}-${form}`, operations))
        expect(Object.entries(operations).filter(([, outcome]) => outcome !== 'ok')).toEqual([])
        await expectEqualFiles(files)
      })
    }

  it.skipIf(!hasTables)('tables go through it and come back', async () => {
    const { operations } = await runPython(newestGoosefs, 'tables.py', [cluster.masterAddress, '/tables'])
    expect(operations).toEqual(recorded('python-tables', operations))
    expect(new Set(Object.values(operations))).toEqual(new Set(['ok']))
  })

  it.skipIf(!hasLance)('Lance keeps a table in it', async () => {
    const { operations } = await runPython('lance', 'lance_table.py', [cluster.masterAddress, '/lance'])
    expect(operations).toEqual(recorded('lance', operations))
    expect(new Set(Object.values(operations))).toEqual(new Set(['ok']))
  })

  /** Files in the store, which no worker has: paths and their hashes as the programs take them. */
  function storedFiles(directory: string, count: number, length: number): readonly string[] {
    mkdirSync(join(store, directory))
    return Array.from({ length: count }, (_, index) => {
      const name = `${directory}/file ${index}`
      const bytes = contentOf(name, length)
      writeFileSync(join(store, name), bytes)
      return `/${name}=${sha256(bytes)}`
    })
  }

  describe.skipIf(!imports(newestGoosefs, 'goosefs'))('while the cluster changes', () => {
    it('reads are right while a load runs', async () => {
      const files = storedFiles('loaded', 30, 2 * mebibyte + 5)
      const reading = conversePython(newestGoosefs, 'reading.py', [cluster.masterAddress, ...files])
      try {
        expect(await cluster.cli(['fs', 'distributedLoad', '--replication', '2', '/loaded'])).toMatchObject({ code: 0 })
        expect(await reading.heard()).toBe('reading')
        reading.say('end')
        expect(JSON.parse(await reading.heard())).toMatchObject({ failed: 0 })
      } finally {
        await reading.end()
      }
    })

    it('reads go on after a worker was killed', async () => {
      const files = storedFiles('killed', 12, 2 * mebibyte + 5)
      expect(await cluster.cli(['fs', 'distributedLoad', '--replication', '2', '/killed'])).toMatchObject({ code: 0 })
      const reading = conversePython(newestGoosefs, 'reading.py', [cluster.masterAddress, ...files])
      try {
        expect(await reading.heard()).toBe('reading')
        await cluster.kill('worker-2')
        reading.say('end')
        // The client keeps its channel to the dead worker, and fails, until it asks for the list of
        // workers again: every 30 s. No read gives other bytes, and in the end all are right.
        expect(JSON.parse(await reading.heard())).toHaveProperty('right')
      } finally {
        await reading.end()
        await cluster.startRole('worker-2')
      }
    })

    it('a client goes on with a master that was started again', async () => {
      const calls = conversePython(newestGoosefs, 'calls.py', [cluster.masterAddress, '/calls'])
      try {
        expect(await calls.heard()).toBe('ready')
        calls.say('')
        expect(await calls.heard()).toBe('right')
        await cluster.kill('master')
        await cluster.startRole('master')
        await until(
          () => cluster.cli(['fsadmin', 'report', 'capacity']),
          ({ stdout }) => stdout.includes('worker'),
        )
        calls.say('')
        expect(await calls.heard()).toBe('right')
      } finally {
        await calls.end()
      }
    })
  })
})
