// Why: what users keep in the cache outlives it: files that were copied in, how long they are kept,
// and the metadata itself. How: `skein local` is killed with -9 and started again, against a real
// gateway where Ceph is installed.
import { CreateBucketCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentOf, sha256 } from '../support/dataset.ts'
import { LocalSkein, oneLine } from '../support/local-skein.ts'
import { startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { radosgwInstalled, startRadosgw } from '../support/radosgw.ts'
import { until } from '../support/until.ts'

/** SHA-256 of the files below a directory, by their path in it. */
function hashesBelow(directory: string): Map<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = names.map((entry) => join(entry.parentPath, entry.name)).toSorted()
  return new Map(paths.map((path) => [path.slice(directory.length + 1), sha256(readFileSync(path))]))
}

interface Store {
  readonly flags: readonly string[]
  /** ETag, size and time of each object, by key. */
  objects(): Promise<ReadonlyMap<string, string>>
  close(): Promise<void>
}

async function startStore(): Promise<Store> {
  const gateway = radosgwInstalled() ? await startRadosgw({ memoryGiB: 1 }) : undefined
  const origin =
    gateway === undefined ? await startOrigin({ credentials: [testCredential], buckets: ['data'] }) : undefined
  const endpoint = gateway?.endpoint ?? origin?.url ?? ''
  const { accessKeyId, secretAccessKey } =
    gateway === undefined ? testCredential : { accessKeyId: gateway.accessKey, secretAccessKey: gateway.secretKey }
  const client = new S3Client({
    region: 'us-east-1',
    endpoint,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  if (gateway !== undefined) await client.send(new CreateBucketCommand({ Bucket: 'data' }))
  return {
    flags: [
      ...['--attribute', `s3.endpoint=${endpoint}`, '--attribute', 's3.forcePathStyle=true'],
      ...['--secret', `s3.accessKeyId=${accessKeyId}`, '--secret', `s3.secretAccessKey=${secretAccessKey}`],
    ],
    objects: async () => {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'data' }))
      return new Map(
        Contents.map(({ Key = '', ETag, Size, LastModified }) => [
          Key,
          `${ETag} ${Size} ${LastModified?.toISOString()}`,
        ]),
      )
    },
    close: async () => {
      client.destroy()
      await gateway?.stop()
      await origin?.close()
    },
  }
}

describe('what is kept in the cache', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-lifecycle-'))
  const beneath = join(folder, 'beneath')
  let store: Store
  let skein: LocalSkein

  beforeAll(async () => {
    store = await startStore()
    for (const path of ['free/f', 'named/f', 'delete/deep/f', 'stays']) {
      mkdirSync(join(beneath, path, '..'), { recursive: true })
      writeFileSync(join(beneath, path), contentOf(path, 5000))
    }
    skein = await LocalSkein.start({
      properties: {
        'goosefs.master.ttl.checker.interval': '200ms',
        'fs.cosn.block.size': '1MB',
        'skein.ufs.allowPrivateEndpoints': 'true',
      },
    })
  })
  afterAll(async () => {
    await skein?.dispose()
    await store?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const done = async (...args: readonly string[]): Promise<string> => {
    const result = await skein.cli(...args)
    expect(result).toMatchObject({ code: 0, stderr: expect.not.stringContaining('skein: ') })
    return result.stdout
  }
  const restart = async (): Promise<void> => {
    await skein.stop('SIGKILL')
    await skein.start()
  }
  /** Percent that is cached of each file, by path. */
  const cached = async (path: string): Promise<Record<string, number>> => {
    const { entries: files } = await skein.json<{ entries: { path: string; folder: boolean; cachedBytes: number }[] }>(
      'fs',
      'ls',
      '-R',
      path,
    )
    return Object.fromEntries(files.filter((file) => !file.folder).map((file) => [file.path, file.cachedBytes]))
  }

  it('a TTL frees or deletes over a kill -9 in between, and empty directories go with their last file', async () => {
    await done('ns', 'create', 'ttl', `file://${beneath}`)
    await done('fs', 'load', '/ttl')
    expect(Object.values(await cached('/ttl'))).toEqual([5000, 5000, 5000, 5000])
    await done('fs', 'setTtl', '/ttl/free/f', '2s', '--action', 'free')
    await done('fs', 'setTtl', '/ttl/delete', '2s', '--action', 'delete')
    await restart()
    await until(
      () => cached('/ttl'),
      (files) => Object.keys(files).length === 3 && files['/ttl/free/f'] === 0,
    )
    expect(await cached('/ttl')).toEqual({ '/ttl/free/f': 0, '/ttl/named/f': 5000, '/ttl/stays': 5000 })
    expect(readdirSync(beneath).toSorted()).toEqual(['free', 'named', 'stays'])
    await done('ns', 'update', 'ttl', '--ttl', '2s', '--ttl-action', 'free')
    await restart()
    await until(
      () => cached('/ttl'),
      (files) => Object.values(files).every((bytes) => bytes === 0),
    )
    expect([...hashesBelow(beneath).keys()]).toEqual(['free/f', 'named/f', 'stays'])
  })

  it('a directory that was copied in is there after a kill -9, and reaches the store as it is, once', async () => {
    const local = join(folder, 'local')
    for (const [path, length] of [
      ['a/one', 3_500_000],
      ['a/b/two', 17],
      ['a/b/empty', 0],
      ['name with blanks/ünïcödé', 70_000],
    ] as const) {
      mkdirSync(join(local, path, '..'), { recursive: true })
      writeFileSync(join(local, path), contentOf(path, length))
    }
    const hashes = hashesBelow(local)
    await done('ns', 'create', 'keep', 's3://data/kept', ...store.flags)
    await done('fs', 'copyFromLocal', local, '/keep/in')
    await restart()
    const back = async (name: string): Promise<Map<string, string>> => {
      await done('fs', 'copyToLocal', '/keep/in', join(folder, name))
      return hashesBelow(join(folder, name))
    }
    expect(await back('back')).toEqual(hashes)
    expect((await store.objects()).size).toBe(0)
    await done('fs', 'persist', '/keep')
    const objects = await store.objects()
    expect([...objects.keys()].toSorted()).toEqual([...hashes.keys()].map((path) => `kept/in/${path}`).toSorted())
    // Times are told in seconds: another write would show.
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect(await done('fs', 'persist', '/keep')).toBe('/keep is already persisted\n')
    expect(await store.objects()).toEqual(objects)
    // From the store alone, in another namespace.
    await done('ns', 'create', 'again', 's3://data/kept/in', ...store.flags)
    await done('fs', 'copyToLocal', '/again', join(folder, 'again'))
    expect(hashesBelow(join(folder, 'again'))).toEqual(hashes)
  })

  it('a backup brings the metadata back in an empty home; a torn one, or a home in use, is refused', async () => {
    await done('fs', 'pin', '/keep/in/a')
    const stdout = await done('fsadmin', 'backup', join(folder, 'backups'))
    const [backup = ''] = readdirSync(join(folder, 'backups'))
    expect(stdout).toMatch(
      new RegExp(`^Successfully backed up the metadata of \\d+ files to ${join(folder, 'backups', backup)} `),
    )
    const namespaces = await done('ns', 'ls')
    const restored = new LocalSkein({
      properties: {
        'skein.master.restore.from': join(folder, 'backups', backup),
        'skein.ufs.allowPrivateEndpoints': 'true',
      },
    })
    try {
      mkdirSync(join(restored.home, 'master'))
      cpSync(join(skein.home, 'master', 'secret.key'), join(restored.home, 'master', 'secret.key'))
      await restored.start()
      // The root mount is in the home.
      expect((await restored.cli('ns', 'ls')).stdout).toBe(namespaces.replace(skein.home, restored.home))
      expect((await restored.json<{ pinned: boolean }>('fs', 'stat', '/keep/in/a/one')).pinned).toBe(true)
      // What the store has can be read again, with the secrets that were restored.
      expect(sha256((await restored.cli('fs', 'cat', '/keep/in/a/one')).bytes)).toBe(
        sha256(contentOf('a/one', 3_500_000)),
      )
      await restored.stop()
      await expect(restored.start()).rejects.toThrow()
      // The log may be written a moment after the end.
      await until(
        async () => restored.log(),
        (log) => /has the state of a master already: restore into an empty home, or start without/.test(log),
      )
    } finally {
      await restored.dispose()
    }
    const torn = join(folder, 'torn')
    writeFileSync(torn, readFileSync(join(folder, 'backups', backup)).subarray(0, -100))
    const refused = new LocalSkein({ properties: { 'skein.master.restore.from': torn } })
    try {
      await expect(refused.start()).rejects.toThrow()
      const said = await until(
        async () =>
          refused
            .log()
            .split(/(?<=\n)/)
            .filter((line) => line.startsWith('skein: ')),
        (lines) => lines.length > 0,
      )
      expect(oneLine({ code: 1, stdout: '', stderr: said.join(''), bytes: Buffer.alloc(0) })).toBe(
        `${torn} is not a complete backup: use another file`,
      )
    } finally {
      await refused.dispose()
    }
  })
})
