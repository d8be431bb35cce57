// Why: a block that lies under the id of another one must not be taken for it, on whatever way its
// bytes go. How: real processes; sound blocks of another file, namespace, version, place or length
// are put under the ids of cached ones while their worker is down; what is read is held against the
// store.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BlockHeader } from '../../src/block/block-store.ts'
import type { FileInfo } from '../../src/wire/generated/master.ts'
import { Cluster } from '../support/cluster.ts'
import { contentOf } from '../support/dataset.ts'
import { LocalSkein, oneLine, storeFlags } from '../support/local-skein.ts'
import { Oracle } from '../support/oracle.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { blockFileOf, plant } from '../support/planted-block.ts'
import { redisAvailable, type RedisServer, startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

/** Above what is read as a file at the worker's own host, and what shares a segment. */
const length = 700_000
const wrongs: Readonly<Record<string, Partial<BlockHeader>>> = {
  key: { key: 'd/another' },
  namespace: { namespaceId: 'another' },
  version: { etag: 'another' },
  place: { offset: 1_048_576 },
  length: { length: length - 1 },
  longer: { length: length + 1 },
}
const kinds = Object.keys(wrongs)
const properties = {
  'skein.ufs.allowPrivateEndpoints': 'true',
  'fs.cosn.block.size': '1MB',
  'skein.heartbeat.interval': '200ms',
  'skein.worker.segment.block.bytes.max': '64KB',
}
const content = (key: string): Buffer => contentOf(key, length)

let origin: Origin

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  for (const kind of [...kinds, 'verified', 'sound']) origin.bucket('data').put(`d/${kind}`, content(kind))
})
afterAll(() => origin?.close())

describe('in the directory of a worker that was down', () => {
  let skein: LocalSkein
  let oracle: Oracle
  let blocks: string
  const pathOf = new Map<string, string>()
  const nothing = 'bytes that only the cache has'

  /** The file that was planted is gone, or is the block that it should be. */
  const isMended = (kind: string): boolean => {
    const path = pathOf.get(kind) ?? ''
    return !existsSync(path) || readFileSync(path).subarray(0, length).equals(content(kind))
  }
  const open = (): void => {
    oracle?.close()
    oracle = new Oracle(skein.addresses()['master'] ?? '')
  }

  beforeAll(async () => {
    skein = await LocalSkein.start({ properties })
    blocks = join(skein.home, 'worker', 'blocks')
    expect(await skein.createNamespace('ns', origin, 'data')).toMatchObject({ code: 0 })
    expect(await skein.cli('fs', 'distributedLoad', '/ns/d')).toMatchObject({ code: 0 })
    writeFileSync(join(skein.folder, 'only'), contentOf(nothing, length))
    expect(await skein.cli('fs', 'copyFromLocal', join(skein.folder, 'only'), '/ns/only')).toMatchObject({ code: 0 })
    open()
    for (const { key, fileId } of await oracle.files('/ns'))
      pathOf.set(key.replace('d/', ''), blockFileOf(blocks, fileId) ?? '')
    await skein.stop('SIGTERM')
    for (const kind of kinds) plant(pathOf.get(kind) ?? '', wrongs[kind] ?? {}, 0x66)
    plant(pathOf.get('verified') ?? '', wrongs['version'] ?? {}, 0x66)
    plant(pathOf.get('only') ?? '', wrongs['key'] ?? {}, 0x66)
    await skein.start()
    open()
    await oracle.untilAllReported()
  })
  afterAll(async () => {
    oracle?.close()
    await skein?.dispose()
  })

  it('the data port serves none of them as what it is not', async () => {
    for (const kind of kinds)
      await expect(oracle.bytes(`/ns/d/${kind}`), kind).rejects.toThrow(/is not the expected one: /)
    expect((await oracle.bytes('/ns/d/sound')).equals(content('sound'))).toBe(true)
  })

  it('a reader on the host of the worker gets the bytes of the store, and the wrong block goes', async () => {
    for (const kind of kinds) {
      const read = await skein.cli('fs', 'cat', `/ns/d/${kind}`)
      expect(read.code, read.stderr).toBe(0)
      expect(read.bytes.equals(content(kind)), kind).toBe(true)
      await until(async () => isMended(kind), Boolean, 20_000)
    }
  })

  it('a load that verifies finds what nobody has read', async () => {
    const load = await skein.cli('fs', 'distributedLoad', '/ns/d', '--verify')
    expect(load.code, load.stderr).toBe(0)
    await until(async () => isMended('verified'), Boolean, 20_000)
    for (const kind of [...kinds, 'verified', 'sound'])
      expect((await oracle.bytes(`/ns/d/${kind}`)).equals(content(kind)), kind).toBe(true)
  })

  it('of a file that no store has it is named, not served, not written to the store, and not deleted', async () => {
    // A file that was written may have been moved since, with all above it: its key says nothing.
    // Its namespace does.
    await skein.stop('SIGTERM')
    plant(pathOf.get('only') ?? '', { namespaceId: 'another' }, 0x66)
    await skein.start()
    open()
    await oracle.untilAllReported()
    const read = await skein.cli('fs', 'cat', '/ns/only')
    expect(read).toMatchObject({ code: 1, stdout: '' })
    expect(oneLine(read)).toMatch(/only.* is not the expected one: its namespace is another/)
    const persist = await skein.cli('fs', 'persist', '/ns/only')
    expect(persist.code).not.toBe(0)
    expect(`${persist.stdout}${persist.stderr}`).toMatch(
      /\/ns\/only.* is not the expected one: its namespace is another/,
    )
    expect(origin.bucket('data').get('only')).toBeUndefined()
    await delay(1000)
    expect(existsSync(pathOf.get('only') ?? '')).toBe(true)
  })

  it('one that is put there while the worker runs is seen as well', async () => {
    const path =
      blockFileOf(blocks, (await oracle.files('/ns/d')).find(({ key }) => key === 'd/sound')?.fileId ?? 0) ?? ''
    plant(path, wrongs['key'] ?? {}, 0x66)
    await expect(oracle.bytes('/ns/d/sound')).rejects.toThrow(/torn or foreign/)
    const read = await skein.cli('fs', 'cat', '/ns/d/sound')
    expect(read.bytes.equals(content('sound')), read.stderr).toBe(true)
  })
})

describe.skipIf(!redisAvailable)('in one of two workers', () => {
  let redis: RedisServer
  let cluster: Cluster
  let oracle: Oracle
  let files: readonly FileInfo[]
  const names = kinds.map((kind) => `/ns/d/${kind}`)

  beforeAll(async () => {
    redis = await startRedis()
    cluster = await Cluster.start({
      queueUrl: redis.url,
      workers: 2,
      properties: { ...properties, 'skein.master.replication.interval': '1s' },
    })
    oracle = new Oracle(cluster.masterAddress)
    expect(await cluster.cli(['ns', 'create', 'ns', 's3://data/', ...storeFlags(origin.url)])).toMatchObject({
      code: 0,
    })
    expect(await cluster.cli(['fs', 'distributedLoad', '/ns/d'])).toMatchObject({ code: 0 })
    files = await oracle.files('/ns/d')
  })
  afterAll(async () => {
    oracle?.close()
    await cluster?.stop()
    await redis?.dispose()
  })

  it('is not copied to the other one, and when it has been read there are two right replicas', async () => {
    const hosts = ['host-1', 'host-2'].map((host) => join(cluster.home, host, 'cache'))
    for (const worker of ['worker-1', 'worker-2']) await cluster.kill(worker, 'SIGTERM')
    for (const { key, fileId } of files) {
      const path = hosts.map((host) => blockFileOf(host, fileId)).find((one) => one !== undefined)
      const wrong = wrongs[key.replace('d/', '')]
      if (wrong !== undefined) plant(path ?? '', wrong, 0x66)
    }
    for (const worker of ['worker-1', 'worker-2']) await cluster.startRole(worker)
    await oracle.untilAllReported()
    expect(await cluster.cli(['fs', 'setReplication', '-R', '--min', '2', '/ns/d'])).toMatchObject({ code: 0 })
    const refused = (): number =>
      `${cluster.log('worker-1')}${cluster.log('worker-2')}`.split('is not the expected one: ').length - 1
    await until(
      async () => refused(),
      (times) => times >= kinds.length,
    )
    for (const { path, key } of await oracle.files('/ns/d')) {
      const bytes = await oracle.bytes(path).catch((error: unknown) => String(error))
      if (names.includes(path)) expect(bytes, path).toMatch(/is not the expected one/)
      else expect(Buffer.from(bytes).equals(content(key.replace('d/', ''))), path).toBe(true)
    }
    for (const path of names) {
      const read = await cluster.cli(['fs', 'cat', path])
      expect(read.bytes.equals(content(path.replace('/ns/d/', ''))), path).toBe(true)
    }
    // What was dropped while it was read is brought in by the next who wants it: a replica is made
    // of another one only.
    const load = async (): Promise<FileInfo[]> => {
      expect(await cluster.cli(['fs', 'distributedLoad', '/ns/d'])).toMatchObject({ code: 0 })
      return await oracle.files('/ns/d')
    }
    await until(load, (seen) => seen.every(({ replicas }) => replicas === 2))
    for (const path of names)
      expect((await oracle.bytes(path)).equals(content(path.replace('/ns/d/', ''))), path).toBe(true)
    for (const { fileId, key } of files)
      for (const host of hosts) {
        const path = blockFileOf(host, fileId)
        if (path !== undefined)
          expect(
            readFileSync(path)
              .subarray(0, length)
              .equals(content(key.replace('d/', ''))),
            path,
          ).toBe(true)
      }
  })
})
