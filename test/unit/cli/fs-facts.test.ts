// Why: scripts compare what these commands of GooseFS and Alluxio print, to the character.
import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { ClusterSummary, FileInfo, UpdateNamespaceRequest } from '../../../src/wire/generated/master.ts'
import { type CommandResult, type FakeCluster, file, run } from './support/harness.ts'

const tree: Readonly<Record<string, FileInfo>> = {
  '/data/test.txt': file({ mode: 0o640 }),
  '/data/pinned': file({ path: '/data/pinned', name: 'pinned', pinned: true, createdMs: 0 }),
  '/data': file({ path: '/data', name: 'data', folder: true, length: 0, mode: 0o755 }),
}
const cluster: FakeCluster = {
  master: {
    getStatus: async ({ path }) => {
      const found = tree[path]
      if (found === undefined) throw new SkeinError('not_found', `${path} does not exist`)
      return found
    },
    openFile: async ({ path }) => ({ file: tree[path]!, blocks: [], workers: [] }),
    listStatus: async () => ({ files: [tree['/data/pinned']!, tree['/data/test.txt']!], nextPageToken: '' }),
    getClusterSummary: async () => ({}) as ClusterSummary,
  },
}
const words = (text: string, fake = cluster): Promise<CommandResult> => run(text.split(' '), fake)

describe('fs checksum', () => {
  it('is the MD5 of the bytes', async () => {
    const fake: FakeCluster = { files: { '/data/a': ['ab', 'c'] } }
    expect(await words('fs checksum /data/a', fake)).toMatchObject({
      code: 0,
      stdout: 'md5sum: 900150983cd24fb0d6963f7d28e17f72\n',
    })
  })
})

describe('fs getfacl', () => {
  it('has the entries of the permission bits', async () => {
    expect((await words('fs getfacl /data/test.txt')).stdout).toBe(
      '# file: /data/test.txt\n# owner: hadoop\n# group: hadoop\nuser::rw-\ngroup::r--\nother::---\n',
    )
    expect((await words('fs getfacl /data')).stdout).toContain('\nuser::rwx\ngroup::r-x\nother::r-x\n')
  })
})

describe('fs leader and fs masterInfo', () => {
  it('name the master that answers', async () => {
    expect((await words('fs leader -Dgoosefs.master.hostname=m1')).stdout).toBe('m1\n')
    expect((await words('fs masterInfo -Dgoosefs.master.hostname=m1')).stdout).toBe(
      'Current leader master: m1:9200\nAll masters: [m1:9200]\n',
    )
  })
  it('name none that does not', async () => {
    const away: FakeCluster = {
      master: { getClusterSummary: async () => Promise.reject(new SkeinError('unavailable', 'nobody is there')) },
    }
    expect(await words('fs leader', away)).toMatchObject({ code: 1, stdout: '' })
  })
})

describe('fs stat -f', () => {
  it.each([
    ['%N', 'test.txt'],
    ['%z-%u-%g-%b', '14-hadoop-hadoop-1'],
    ['%Y', String(file().modifiedMs)],
    ['100%', '100%'],
    ['%x', '%x'],
  ])('%s', async (format, expected) => {
    expect((await words(`fs stat -f ${format} /data/test.txt`)).stdout).toBe(`${expected}\n`)
  })
  it('%y is UTC', async () => {
    expect((await words('fs stat -f %y /data/test.txt')).stdout).toMatch(/^2021-03-1\d \d\d:\d\d:\d\d\n$/)
  })
})

describe('fs ls', () => {
  it('-d: the directory itself', async () => {
    const { stdout } = await words('fs ls -d /data')
    expect(stdout).toMatch(/^drwxr-xr-x .* DIR \/data\n$/)
  })
  it('-p: what is pinned', async () => {
    expect((await words('fs ls -p /data')).stdout).toMatch(/^[^\n]* \/data\/pinned\n$/)
    const { entries } = JSON.parse((await words('fs ls -p /data --format json')).stdout) as { entries: unknown[] }
    expect(entries).toHaveLength(1)
  })
  it('--timestamp: another time', async () => {
    expect((await words('fs ls --timestamp creationTime /data')).stdout).toMatch(/0[12]-\d\d-1970|31-1969|01-01-1970/)
    expect((await words('fs ls --timestamp lastAccessTime /data')).stdout).not.toContain('1970')
    expect(await words('fs ls --timestamp no /data')).toMatchObject({ code: 64 })
  })
})

describe('ns', () => {
  const asked: UpdateNamespaceRequest[] = []
  const namespaces: FakeCluster = {
    master: {
      updateNamespace: async (request) => {
        asked.push(request)
        return { name: 'data', uri: 's3://b/', attributes: {}, secretNames: [] } as never
      },
      createNamespace: async (request) => {
        expect(request.attributes).toEqual({ readOnly: 'true', writePolicy: 'MUST_CACHE' })
        return { name: 'data', uri: 's3://b/', attributes: {}, secretNames: [] } as never
      },
    },
  }
  it('setTtl and unsetTtl are updates', async () => {
    expect(await words('ns setTtl --action delete data 2d', namespaces)).toMatchObject({ code: 0 })
    expect(await words('ns setTtl data 600000', namespaces)).toMatchObject({ code: 0 })
    expect(await words('ns unsetTtl data', namespaces)).toMatchObject({ code: 0 })
    expect(asked.map(({ ttlMs, ttlAction }) => [ttlMs, ttlAction])).toEqual([
      [172_800_000, 'DELETE'],
      [600_000, ''],
      [0, ''],
    ])
    expect(await words('ns setTtl data 0', namespaces)).toMatchObject({ code: 64 })
    expect(await words('ns setTtl --action no data 1d', namespaces)).toMatchObject({ code: 64 })
  })
  it('create --readonly is an attribute', async () => {
    expect(
      await words('ns create data s3://b/ --readonly --attribute writePolicy=MUST_CACHE', namespaces),
    ).toMatchObject({ code: 0 })
  })
})

describe('what operators for Kubernetes run', () => {
  it('fs mount takes secrets among the options, and shows none', async () => {
    const wanted: unknown[] = []
    const fake: FakeCluster = {
      master: {
        createNamespace: async ({ attributes, secrets }) => {
          wanted.push(attributes, secrets)
          throw new SkeinError('invalid_argument', 'the key k-e-y is none')
        },
      },
    }
    const options = '--option fs.cosn.bucket.region=ap-x --option fs.cosn.userinfo.secretKey=k-e-y'
    const { code, stderr } = await words(`fs mount --readonly --shared ${options} /data cosn://b-1/`, fake)
    expect(wanted).toEqual([
      { 'fs.cosn.bucket.region': 'ap-x', readOnly: 'true' },
      { 'fs.cosn.userinfo.secretKey': 'k-e-y' },
    ])
    expect(code).not.toBe(0)
    expect(stderr).not.toContain('k-e-y')
  })
  it('fsadmin report metrics has the number of files', async () => {
    const fake: FakeCluster = {
      master: {
        getClusterMetrics: async () => ({ metrics: [] }),
        getClusterSummary: async () => ({ files: 1234 }) as ClusterSummary,
      },
    }
    expect((await words('fsadmin report metrics', fake)).stdout).toBe(
      'Master.FilesCompleted  (Type: COUNTER, Value: 1234)\n',
    )
  })
})

describe('fs rm', () => {
  it.each(['--cacheOnly', '--goosefsOnly', '--alluxioOnly'])('%s leaves the store alone', async (flag) => {
    const wanted: unknown[] = []
    const fake: FakeCluster = {
      lifecycle: {
        delete: async ({ cacheOnly }) => {
          wanted.push(cacheOnly)
          return { files: 1, folders: 0 } as never
        },
      },
    }
    await words(`fs rm -U ${flag} /data/test.txt`, fake)
    expect(wanted).toEqual([true])
  })
})
