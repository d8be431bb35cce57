import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FileInfo } from '../../../src/wire/generated/master.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

async function ls(path: string, recursive = false, limit = 0): Promise<FileInfo[]> {
  const files: FileInfo[] = []
  let pageToken = ''
  do {
    const page = await fixture.service.listStatus({ path, recursive, pageToken, limit }, call)
    if (limit > 0) expect(page.files.length).toBeLessThanOrEqual(limit)
    files.push(...page.files)
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return files
}
const paths = (files: FileInfo[]): string[] => files.map(({ path, folder }) => (folder ? `${path} (dir)` : path))

const weird = ['a b', 'a%20b', 'a&b', 'a+b', '.hidden', 'd//x', 'd/sub/y', 'é/ü', '\u{1F600}', 'tail/'.repeat(2)]

describe('ls', () => {
  it('lists a directory at the store once, and its children in key order', async () => {
    for (const key of weird) store.put(key)
    const first = await ls('/ns')
    expect(paths(first)).toEqual([
      '/ns/.hidden',
      '/ns/a b',
      '/ns/a%20b',
      '/ns/a&b',
      '/ns/a+b',
      '/ns/d (dir)',
      '/ns/tail (dir)',
      '/ns/é (dir)',
      '/ns/\u{1F600}',
    ])
    const { lists } = store
    await fixture.restart()
    expect(await ls('/ns')).toEqual(first)
    expect(store.lists).toBe(lists)
    expect(paths(await ls('/ns/d'))).toEqual(['/ns/d// (dir)', '/ns/d/sub (dir)'])
    expect(paths(await ls('/ns/d//'))).toEqual(['/ns/d//x'])
    expect(store.lists).toBe(lists + 2)
  })

  it('lists all below a directory, the same in any page size', async () => {
    for (const key of weird) store.put(key)
    const all = await ls('/ns', true)
    expect(all.filter((file) => !file.folder).map((file) => file.key)).toEqual(
      weird.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    )
    for (const limit of [1, 2, 3]) {
      expect(await ls('/ns', true, limit)).toEqual(all)
      expect(paths(await ls('/', true, limit))).toEqual(['/ns (dir)', ...paths(all)])
      expect(await ls('/ns', false, limit)).toEqual(await ls('/ns'))
    }
  })

  it('lists a file itself, and file and directory where a path names both', async () => {
    store.put('a')
    store.put('a/b')
    expect(paths(await ls('/ns/a'))).toEqual(['/ns/a'])
    await ls('/ns')
    expect(paths(await ls('/ns/a'))).toEqual(['/ns/a', '/ns/a/b'])
    expect(paths(await ls('/ns/a/'))).toEqual(['/ns/a/b'])
    expect(paths(await ls('/'))).toEqual(['/ns (dir)'])
    await expect(ls('/ns/none')).rejects.toMatchObject({ code: 'not_found', message: '/ns/none does not exist' })
    await expect(ls('/other')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('refuses a page token that it did not make', async () => {
    await expect(
      fixture.service.listStatus({ path: '/ns', recursive: false, limit: 0, pageToken: '{"x":1}' }, call),
    ).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('stat', () => {
  it('asks the store for an unknown path once and then answers by itself', async () => {
    store.put('d/f', { length: 9, etag: 'e1' })
    const info = await fixture.service.getStatus({ path: '/ns/d/f' }, call)
    expect(info).toMatchObject({
      path: '/ns/d/f',
      name: 'f',
      length: 9,
      etag: 'e1',
      ufsPath: 's3://bucket/d/f',
      blockSizeBytes: 4,
      folder: false,
      mode: 0o666,
      replicationMax: -1,
      ttlMs: -1,
    })
    expect(await fixture.service.getStatus({ path: '/ns/d/f' }, call)).toEqual(info)
    expect(store.stats).toBe(1)
    expect(await fixture.service.getStatus({ path: '/ns/d' }, call)).toMatchObject({
      folder: true,
      path: '/ns/d',
      name: 'd',
    })
    await expect(fixture.service.getStatus({ path: '/ns/x' }, call)).rejects.toMatchObject({
      code: 'not_found',
      message: '/ns/x does not exist',
    })
  })

  it('finds a directory of which nothing is known', async () => {
    store.put('p/q/r')
    expect(await fixture.service.getStatus({ path: '/ns/p/q' }, call)).toMatchObject({ folder: true, key: 'p/q/' })
    expect(await fixture.service.getStatus({ path: '/ns/p/' }, call)).toMatchObject({ folder: true })
    expect(await fixture.service.getStatus({ path: '/ns' }, call)).toMatchObject({
      folder: true,
      mountPoint: true,
      name: 'ns',
    })
    expect(await fixture.service.getStatus({ path: '/' }, call)).toMatchObject({ folder: true, path: '/' })
  })

  it('gives the error of the store, and no file, when the store does not answer', async () => {
    store.failure = new SkeinError('unavailable', 'the store is down')
    await expect(fixture.service.getStatus({ path: '/ns/f' }, call)).rejects.toMatchObject({ code: 'unavailable' })
    store.failure = undefined
    store.put('f')
    expect(await fixture.service.getStatus({ path: '/ns/f' }, call)).toMatchObject({ key: 'f' })
  })
})

describe('metadata that is checked again', () => {
  it('follows the store at every access with an interval of 0', async () => {
    const other = await MasterFixture.open({ metadataSyncIntervalMs: 0 })
    try {
      const changing = await other.create()
      for (const key of ['a', 'd/x', 'd/y', 'z']) changing.put(key)
      const names = async (recursive: boolean): Promise<string[]> =>
        (await other.service.listStatus({ path: '/ns', recursive, pageToken: '', limit: 0 }, call)).files.map(
          ({ key }) => key,
        )
      expect(await names(true)).toEqual(['a', 'd/', 'd/x', 'd/y', 'z'])
      changing.objects.delete('d/x')
      changing.objects.delete('d/y')
      changing.objects.delete('z')
      changing.put('b', { etag: 'new' })
      expect(await names(false)).toEqual(['a', 'b'])
      expect((await other.service.getClusterSummary({}, call)).files).toBe(2)
      changing.put('b', { etag: 'newer' })
      expect(await other.service.getStatus({ path: '/ns/b' }, call)).toMatchObject({ etag: 'newer' })
      changing.objects.delete('b')
      await expect(other.service.getStatus({ path: '/ns/b' }, call)).rejects.toMatchObject({ code: 'not_found' })
    } finally {
      await other.close()
    }
  })
})

describe('count and free', () => {
  it('counts everything below a path, listed or not', async () => {
    for (const key of ['a', 'd/x', 'd/e/y']) store.put(key)
    expect(await fixture.service.count({ path: '/ns' }, call)).toEqual({
      files: 3,
      folders: 3,
      bytes: 30,
      cachedBytes: 0,
    })
    expect(await fixture.service.count({ path: '/ns/d' }, call)).toMatchObject({ files: 2, folders: 2 })
    expect(await fixture.service.count({ path: '/ns/a' }, call)).toMatchObject({ files: 1, folders: 0 })
    expect(await fixture.service.count({ path: '/' }, call)).toMatchObject({ files: 3, folders: 3 })
  })

  it('drops the locations at once and has the workers delete the blocks', async () => {
    for (const key of ['d/x', 'y']) store.put(key)
    const { files } = await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    const blocks = files.flatMap(({ fileId }) => [0, 1, 2].map((index) => fileId - (2 ** 20 - 1) + index))
    const worker = {
      workerId: 'w1',
      hostname: 'h',
      rpcAddress: 'h:1',
      dataAddress: 'h:2',
      webAddress: '',
      directories: [],
    }
    const { session } = await fixture.service.registerWorker(worker, call)
    await fixture.service.reportBlocks(
      { workerId: 'w1', session, added: blocks, removed: [], fullReportEnd: true, directories: [] },
      call,
    )
    expect(await fixture.service.count({ path: '/ns' }, call)).toMatchObject({ bytes: 20, cachedBytes: 20 })
    expect(await fixture.service.free({ path: '/ns/d', force: false }, call)).toEqual({
      paths: ['/ns/d/x'],
      freedBytes: 10,
    })
    expect(await fixture.service.count({ path: '/ns' }, call)).toMatchObject({ cachedBytes: 10 })
    const heartbeat = { workerId: 'w1', session, directories: [], counters: {} }
    expect((await fixture.service.workerHeartbeat(heartbeat, call)).freeBlocks).toEqual(blocks.slice(0, 3))
    await fixture.service.reportBlocks(
      { workerId: 'w1', session, added: [], removed: blocks.slice(0, 3), fullReportEnd: false, directories: [] },
      call,
    )
    expect((await fixture.service.workerHeartbeat(heartbeat, call)).freeBlocks).toEqual([])
    await expect(fixture.service.free({ path: '/ns/none', force: false }, call)).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})
