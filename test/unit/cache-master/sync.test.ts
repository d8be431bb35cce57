import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { decodeCommand } from '../../../src/cache-master/state/command-codec.ts'
import type { SyncedFile } from '../../../src/wire/generated/master.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

async function sync(path: string, limit = 0): Promise<SyncedFile[]> {
  const files: SyncedFile[] = []
  let cursor = ''
  do {
    const page = await fixture.service.syncPage({ path, cursor, limit }, call)
    files.push(...page.files)
    cursor = page.nextCursor
  } while (cursor !== '')
  return files
}
const keys = (files: SyncedFile[]): string[] => files.map(({ key }) => key)

describe('SyncPage', () => {
  it('gives ids that last, one journal entry a page that is new and none after', async () => {
    for (let i = 0; i < 7; i += 1) store.put(`d/f${i}`)
    const before = fixture.journal.entries.length
    const first = await sync('/ns', 3)
    expect(keys(first)).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `d/f${i}`))
    expect(new Set(first.map(({ fileId }) => fileId)).size).toBe(7)
    expect(
      first.every(
        ({ fileId, blocks, problem, blockSizeBytes }) =>
          fileId > 0 && blocks.length === 0 && problem === '' && blockSizeBytes === 4,
      ),
    ).toBe(true)
    expect(fixture.journal.entries.length - before).toBe(3)
    const known = first.map((file) => ({ ...file, change: undefined }))
    expect(await sync('/ns', 3)).toEqual(known)
    await fixture.restart()
    expect(await sync('/ns', 2)).toEqual(known)
    expect(fixture.journal.entries.length).toBe(0)
    // The whole listing is known now: ls asks nobody.
    const { lists } = store
    await fixture.service.listStatus({ path: '/ns/d', recursive: true, pageToken: '', limit: 0 }, call)
    expect(store.lists).toBe(lists)
  })

  it('takes in a store that lost very much in pieces that hold up nobody', async () => {
    const all = Array.from({ length: 3000 }, (_, i) => `${i % 3 === 0 ? 'a/' : ''}f${String(i).padStart(4, '0')}`)
    for (const key of all) store.put(key)
    await sync('/ns')
    const left = ['a/f0000', 'f0001', 'f2000', 'f2999', 'new']
    store.objects.clear()
    for (const key of left) store.put(key, key === 'f2000' ? { etag: 'v2' } : {})
    const entries = fixture.journal.entries.length
    expect(keys(await sync('/ns'))).toEqual(left)
    expect(await fixture.keys()).toEqual(['a/', ...left])
    const sizes = fixture.journal.entries
      .slice(entries)
      .map(({ bytes }) => (decodeCommand(bytes) as unknown as { removals: unknown[] }).removals.length)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(2996)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(300)
    store.objects.clear()
    await sync('/ns')
    expect(await fixture.keys()).toEqual([])
  })

  it('gives changed objects new ids, drops the old blocks, and removes what is gone, page by page', async () => {
    for (const key of ['a', 'b', 'c', 'd/e', 'd/f', 'z']) store.put(key)
    const before = new Map((await sync('/ns')).map((file) => [file.key, file]))
    const { session, blocksOf } = await worker('w1')
    await fixture.service.reportBlocks(
      {
        workerId: 'w1',
        session,
        added: [...before.values()].flatMap(blocksOf),
        removed: [],
        fullReportEnd: true,
        directories: [],
      },
      call,
    )
    store.put('b', { etag: 'v2' })
    store.objects.delete('a')
    store.objects.delete('d/e')
    store.objects.delete('z')
    const after = await sync('/ns', 2)
    expect(keys(after)).toEqual(['b', 'c', 'd/f'])
    const of = (key: string): SyncedFile | undefined => after.find((file) => file.key === key)
    expect(of('b')?.fileId).not.toBe(before.get('b')?.fileId)
    expect(of('b')?.blocks).toEqual([])
    expect(of('c')?.fileId).toBe(before.get('c')?.fileId)
    expect(of('c')?.blocks).toEqual([{ workerIds: ['w1'] }, { workerIds: ['w1'] }, { workerIds: ['w1'] }])
    const { freeBlocks } = await fixture.service.workerHeartbeat(
      { workerId: 'w1', session, directories: [], counters: {} },
      call,
    )
    const gone = ['a', 'b', 'd/e', 'z'].flatMap((key) => blocksOf(before.get(key)))
    expect(new Set(freeBlocks)).toEqual(new Set(gone))
    expect(freeBlocks).toHaveLength(gone.length)
  })

  it('keeps a newer version that was seen while the page was on its way', async () => {
    store.put('x')
    const [old] = await sync('/ns')
    const { namespaceId } = await fixture.service.getNamespace({ name: 'ns' }, call)
    store.afterList = async () => {
      store.afterList = undefined
      store.put('x', { etag: 'v2' })
      store.put('y')
      for (const key of ['x', 'y']) await fixture.service.refreshFile({ namespaceId, key }, call)
    }
    const page = await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    expect(await fixture.service.getStatus({ path: '/ns/x' }, call)).toMatchObject({ etag: 'v2' })
    const stats = store.stats
    await fixture.service.getStatus({ path: '/ns/y' }, call)
    expect(store.stats).toBe(stats)
    expect(page.files.map(({ key }) => key)).toEqual(['x'])
    const now = await sync('/ns')
    expect(now.map(({ key, etag }) => [key, etag])).toEqual([
      ['x', 'v2'],
      ['y', 'v1'],
    ])
    expect(now[0]?.fileId).not.toBe(old?.fileId)
  })

  it('takes a path as the object of this name, or else the directory, and says so when there is nothing', async () => {
    for (const key of ['a', 'a/x', 'a-b', 'only/x', 'file']) store.put(key)
    expect(keys(await sync('/ns/a'))).toEqual(['a'])
    expect(keys(await sync('/ns/a/'))).toEqual(['a/x'])
    expect(keys(await sync('/ns/only'))).toEqual(['only/x'])
    expect(keys(await sync('/ns/file'))).toEqual(['file'])
    await expect(sync('/ns/none')).rejects.toMatchObject({ code: 'not_found', message: '/ns/none does not exist' })
    await expect(sync('/ns/file/')).rejects.toMatchObject({ code: 'not_found' })
    await expect(sync('/')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(fixture.service.syncPage({ path: '/ns', cursor: 'x', limit: 0 }, call)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })

  it('forgets a file and a directory that are gone from the store when they are named', async () => {
    for (const key of ['f', 'd/x']) store.put(key)
    await sync('/ns')
    store.objects.clear()
    await expect(sync('/ns/f')).rejects.toMatchObject({ code: 'not_found' })
    await expect(sync('/ns/d')).rejects.toMatchObject({ code: 'not_found' })
    expect((await fixture.service.getClusterSummary({}, call)).files).toBe(0)
    expect(await sync('/ns')).toEqual([])
  })

  it('turns markers into directories and names what cannot be loaded', async () => {
    store.put('dir/', { length: 0 })
    store.put('bytes/', { length: 3 })
    store.put('a/../b')
    store.put('nul\0x')
    store.put('cold', { storageClass: 'DEEP_ARCHIVE' })
    store.put('warm', { storageClass: 'INTELLIGENT_TIERING' })
    store.put('empty', { length: 0 })
    store.put('huge', { length: 5 * 2 ** 20 })
    const files = new Map((await sync('/ns')).map((file) => [file.key, file]))
    expect([...files.keys()]).toEqual(['a/../b', 'bytes/', 'cold', 'empty', 'huge', 'nul\0x', 'warm'])
    for (const key of ['a/../b', 'nul\0x', 'huge'])
      expect(files.get(key)).toMatchObject({ fileId: 0, problem: expect.stringMatching(/segment|NUL|block size/) })
    // An object of an archive class may have been restored: only a GET tells.
    for (const key of ['bytes/', 'cold', 'empty', 'warm']) expect(files.get(key)?.problem).toBe('')
    expect(await fixture.service.getStatus({ path: '/ns/dir' }, call)).toMatchObject({ folder: true })
    store.objects.delete('dir/')
    await sync('/ns')
    await expect(fixture.service.getStatus({ path: '/ns/dir' }, call)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('uses the block size of the namespace', async () => {
    const request = { name: 'cos', uri: 'cosn://b-1/p', secrets: {}, attributes: { 'fs.cosn.block.size': '8B' } }
    await fixture.service.createNamespace(request, call)
    fixture.store('cosn://b-1/p').put('f')
    expect((await sync('/cos'))[0]).toMatchObject({ blockSizeBytes: 8 })
    expect(await fixture.service.getStatus({ path: '/cos/f' }, call)).toMatchObject({ ufsPath: 'cosn://b-1/p/f' })
  })
})

describe('RefreshFile', () => {
  it('follows a changed object, and forgets one that is gone', async () => {
    store.put('f')
    const [old] = await sync('/ns')
    const { namespaceId } = await fixture.service.getNamespace({ name: 'ns' }, call)
    store.put('f', { etag: 'v2', length: 5 })
    const { file } = await fixture.service.refreshFile({ namespaceId, key: 'f' }, call)
    expect(file).toMatchObject({ key: 'f', etag: 'v2', length: 5 })
    expect(file?.fileId).not.toBe(old?.fileId)
    expect(await fixture.service.auditFiles({ fileIds: [old?.fileId ?? 0], replication: 1 }, call)).toMatchObject({
      files: [{ gone: true }],
    })
    store.objects.clear()
    await expect(fixture.service.refreshFile({ namespaceId, key: 'f' }, call)).rejects.toMatchObject({
      code: 'not_found',
    })
    expect((await fixture.service.getClusterSummary({}, call)).files).toBe(0)
  })
})

describe('audit and replication', () => {
  it('names the blocks that lack replicas, and keeps the target with the files', async () => {
    store.put('f')
    store.put('empty', { length: 0 })
    const files = await sync('/ns')
    const [empty, file] = files
    const { session, blocksOf } = await worker('w1')
    const blocks = blocksOf(file)
    await fixture.service
      .reportBlocks(
        {
          workerId: 'w1',
          session,
          added: [...blocks.slice(0, 2), 1, (blocks[0] ?? 0) + 3],
          removed: [],
          fullReportEnd: true,
          directories: [],
        },
        call,
      )
      .then(({ unknown }) => expect(unknown).toEqual([1, (blocks[0] ?? 0) + 3]))
    const fileIds = [file?.fileId ?? 0, empty?.fileId ?? 0]
    expect((await fixture.service.auditFiles({ fileIds, replication: 1 }, call)).files).toEqual([
      { fileId: fileIds[0], gone: false, shortages: [{ blockIndex: 2, workerIds: [] }] },
    ])
    expect((await fixture.service.auditFiles({ fileIds, replication: 2 }, call)).files[0]?.shortages).toHaveLength(3)
    expect((await fixture.service.openFile({ path: '/ns/f' }, call)).blocks).toEqual([
      { workerIds: ['w1'] },
      { workerIds: ['w1'] },
      { workerIds: [] },
    ])
    expect(await fixture.service.getStatus({ path: '/ns/f' }, call)).toMatchObject({ cachedBytes: 8, replicas: 0 })
    await fixture.service.setReplication({ fileIds, min: 2, max: -1 }, call)
    const entries = fixture.journal.entries.length
    await fixture.service.setReplication({ fileIds, min: 2, max: -1 }, call)
    expect(fixture.journal.entries.length).toBe(entries)
    expect(await fixture.service.getStatus({ path: '/ns/empty' }, call)).toMatchObject({
      replicationMin: 2,
      replicas: 2,
    })
    await fixture.service.setReplication({ fileIds, min: 0, max: -1 }, call)
    const before = fixture.journal.entries.length
    // One is what there is of a file that asks for none: a load of a million files has a million
    // times nothing to write down.
    await fixture.service.setReplication({ fileIds, min: 1, max: -1 }, call)
    expect(fixture.journal.entries.length).toBe(before)
    expect(await fixture.service.getStatus({ path: '/ns/empty' }, call)).toMatchObject({ replicas: 1 })
    await fixture.service.setReplication({ fileIds, min: 1, max: 2 }, call)
    expect(fixture.journal.entries.length).toBe(before + 1)
    await expect(fixture.service.setReplication({ fileIds, min: 2, max: 1 }, call)).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })
})

async function worker(
  workerId: string,
): Promise<{ session: string; blocksOf: (file: SyncedFile | undefined) => number[] }> {
  const request = {
    workerId,
    hostname: workerId,
    rpcAddress: `${workerId}:1`,
    dataAddress: `${workerId}:2`,
    webAddress: '',
    directories: [],
  }
  const { session } = await fixture.service.registerWorker(request, call)
  const blocksOf = (file: SyncedFile | undefined): number[] =>
    [0, 1, 2].map((index) => (file?.fileId ?? 0) - (2 ** 20 - 1) + index)
  return { session, blocksOf }
}
