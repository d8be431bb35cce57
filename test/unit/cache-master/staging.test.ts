import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import type { SyncedFile } from '../../../src/wire/generated/master.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore
beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
  for (const key of ['d/a', 'd/b', 'd/c', 'other']) store.put(key, { length: 4, etag: `${key}-1` })
  await load()
})
afterEach(() => fixture.close())

const stagingId = '/ns/d'
const soon = (): number => fixture.clock.now + 60_000

async function load(): Promise<SyncedFile[]> {
  return (await fixture.service.syncPage({ path: '/ns/d', cursor: '', limit: 0 }, call)).files
}
async function stage(limit = 0, path = '/ns/d'): Promise<SyncedFile[]> {
  const files: SyncedFile[] = []
  for (let cursor = '', first = true; first || cursor !== ''; first = false) {
    const page = await fixture.service.syncPage({ path, cursor, limit, stagingId, stagingExpiresMs: soon() }, call)
    files.push(...page.files)
    cursor = page.nextCursor
  }
  return files
}
async function visible(): Promise<Record<string, string>> {
  const { files } = await fixture.service.listStatus({ path: '/ns/d', recursive: true, pageToken: '', limit: 0 }, call)
  return Object.fromEntries(files.filter(({ folder }) => !folder).map(({ key, etag }) => [key, etag]))
}
const old = { 'd/a': 'd/a-1', 'd/b': 'd/b-1', 'd/c': 'd/c-1' }
const replaced = { 'd/a': 'd/a-2', 'd/b': 'd/b-1', 'd/new/e': 'e-1' }
function replaceAtStore(): void {
  store.put('d/a', { length: 8, etag: 'd/a-2' })
  store.objects.delete('d/c')
  store.put('d/new/e', { length: 4, etag: 'e-1' })
}
const inodes = async (): Promise<number> => (await fixture.service.getClusterSummary({}, call)).files

describe.each([0, 1])('a staged listing, pages of %i', (limit) => {
  it('is invisible until it is swapped in, whole', async () => {
    replaceAtStore()
    const files = await stage(limit)
    expect(files.map(({ key, etag }) => [key, etag])).toEqual(Object.entries(replaced))
    expect(await visible()).toEqual(old)
    await fixture.restart()
    expect(await visible()).toEqual(old)
    expect(await fixture.service.commitStaging({ stagingId }, call)).toMatchObject({ changed: 4 })
    expect(await visible()).toEqual(replaced)
    expect(await inodes()).toBe(3)
    expect(await fixture.service.commitStaging({ stagingId }, call)).toEqual({ changed: 0 })
    await fixture.restart()
    expect(await visible()).toEqual(replaced)
  })

  it('gives the same ids when it is staged again, and follows the store', async () => {
    replaceAtStore()
    const first = await stage(limit)
    expect(await stage(limit)).toEqual(first)
    store.put('d/a', { length: 4, etag: 'd/a-3' })
    store.put('d/c', { length: 4, etag: 'd/c-1' })
    store.objects.delete('d/new/e')
    const second = await stage(limit)
    expect(second.map(({ etag }) => etag)).toEqual(['d/a-3', 'd/b-1', 'd/c-1'])
    await fixture.service.commitStaging({ stagingId }, call)
    expect(await visible()).toEqual({ 'd/a': 'd/a-3', 'd/b': 'd/b-1', 'd/c': 'd/c-1' })
    expect(await inodes()).toBe(3)
  })
})

describe('a plan', () => {
  it('sees what is new, by ids of its own, and leaves nothing behind', async () => {
    replaceAtStore()
    const plan = async (): Promise<SyncedFile[]> =>
      (await fixture.service.syncPage({ path: '/ns/d', cursor: '', limit: 0, stagingId: 'plan' }, call)).files
    const files = [await plan(), await plan()]
    expect(files.map((page) => page.map(({ key, etag }) => [key, etag]))).toEqual([
      Object.entries(replaced),
      Object.entries(replaced),
    ])
    const news = files.flatMap((page) => page.filter(({ key }) => key !== 'd/b').map(({ fileId }) => fileId))
    expect(new Set(news).size).toBe(4)
    expect(await visible()).toEqual(old)
    expect(await inodes()).toBe(3)
    await expect(fixture.service.commitStaging({ stagingId: 'plan' }, call)).resolves.toEqual({ changed: 0 })
  })
})

it('may be of an empty directory that is known', async () => {
  store.put('empty/', { length: 0 })
  const page = { path: '/ns/empty', cursor: '', limit: 0 }
  await fixture.service.syncPage(page, call)
  for (const id of ['/ns/empty', 'plan'])
    expect(await fixture.service.syncPage({ ...page, stagingId: id, stagingExpiresMs: soon() }, call)).toMatchObject({
      files: [],
    })
})

describe('staged blocks', () => {
  it('are known by the new ids; the old ones stay readable for a while after the swap', async () => {
    const [before] = await load()
    replaceAtStore()
    const [staged] = await stage()
    const oldBlock = blockIdOf(before?.fileId ?? 0, 0)
    const newBlocks = [blockIdOf(staged?.fileId ?? 0, 0), blockIdOf(staged?.fileId ?? 0, 1)]
    const session = await fixture.worker('w1', [oldBlock, ...newBlocks])
    expect((await stage())[0]?.blocks).toHaveLength(2)
    const request = { fileIds: [staged?.fileId ?? 0], replication: 1 }
    expect((await fixture.service.auditFiles(request, call)).files).toEqual([])
    await fixture.service.commitStaging({ stagingId }, call)
    expect(await fixture.stat('/ns/d/a')).toMatchObject({ etag: 'd/a-2', cachedBytes: 8 })
    const heartbeat = async (): Promise<number[]> =>
      (await fixture.service.workerHeartbeat({ workerId: 'w1', session, directories: [], counters: {} }, call))
        .freeBlocks
    expect(await heartbeat()).toEqual([])
    for (const task of fixture.clock.scheduled.values()) task()
    expect(await heartbeat()).toEqual([oldBlock])
  })

  it('are pinned where their file is from the swap on', async () => {
    await fixture.lifecycle.setPinned({ path: '/ns/d', pinned: true }, call)
    replaceAtStore()
    const staged = (await stage()).find(({ key }) => key === 'd/new/e')
    const block = blockIdOf(staged?.fileId ?? 0, 0)
    const session = await fixture.worker('w1', [block])
    await fixture.service.commitStaging({ stagingId }, call)
    expect(await fixture.stat('/ns/d/new/e')).toMatchObject({ pinned: true })
    const { pinBlocks } = await fixture.service.workerHeartbeat(
      { workerId: 'w1', session, directories: [], counters: {} },
      call,
    )
    expect(pinBlocks).toEqual([block])
  })

  it('go when the staging is dropped, and then it cannot be swapped in', async () => {
    replaceAtStore()
    const [staged] = await stage()
    const block = blockIdOf(staged?.fileId ?? 0, 0)
    await fixture.worker('w1', [block])
    await fixture.service.dropStaging({ stagingId }, call)
    expect(await fixture.service.commitStaging({ stagingId }, call)).toEqual({ changed: 0 })
    expect(await visible()).toEqual(old)
    expect(await fixture.report('w1', await fixture.worker('w1'), [block])).toEqual([block])
  })

  it('go when their time is over', async () => {
    replaceAtStore()
    await stage()
    fixture.clock.now += 60_001
    await fixture.until(async () => {
      await fixture.service.dropStaging({ stagingId: 'no such one' }, call)
      return fixture.logs.some((line) => line.includes('nobody finished'))
    })
    expect(await fixture.service.commitStaging({ stagingId }, call)).toEqual({ changed: 0 })
    expect(await visible()).toEqual(old)
  })
})

describe('a staging by its exact id', () => {
  const page = (id: string, expiresMs = soon()) =>
    fixture.service.syncPage({ path: '/ns/d', cursor: '', limit: 0, stagingId: id, stagingExpiresMs: expiresMs }, call)
  async function expire(): Promise<void> {
    const swept = (): number => fixture.logs.filter((line) => line.includes('nobody finished')).length
    const before = swept()
    fixture.clock.now += 60_001
    await fixture.until(async () => {
      await fixture.service.dropStaging({ stagingId: 'no such one' }, call)
      return swept() > before
    })
  }

  it('is refused once it has expired, however it is gone on with: a new one lacks the removals', async () => {
    store.objects.delete('d/c')
    const { stagingId: exact = '' } = await page(stagingId)
    expect(exact).toMatch(/^\d+:\/ns\/d$/)
    expect((await page(exact)).stagingId).toBe(exact)
    await expire()
    const expired = {
      code: 'failed_precondition',
      reason: 'staging_expired',
      message: expect.stringMatching(/expired.*--expire-time/),
    }
    await expect(page(exact)).rejects.toMatchObject(expired)
    const { namespaces } = await fixture.service.listNamespaces({}, call)
    const namespaceId = namespaces[0]?.namespaceId ?? ''
    await expect(
      fixture.service.refreshFile({ namespaceId, key: 'd/a', stagingId: exact }, call),
    ).rejects.toMatchObject(expired)
    await expect(fixture.service.commitStaging({ stagingId: exact }, call)).rejects.toMatchObject(expired)
    // Another load of the path has one of its own, which the first one must neither swap in nor
    // clear away.
    const { stagingId: later = '' } = await page(stagingId)
    expect(later).not.toBe(exact)
    await expect(fixture.service.commitStaging({ stagingId: exact }, call)).rejects.toMatchObject(expired)
    await fixture.service.dropStaging({ stagingId: exact }, call)
    expect(await visible()).toEqual(old)
    await fixture.service.commitStaging({ stagingId: later }, call)
    expect(await visible()).toEqual({ 'd/a': 'd/a-1', 'd/b': 'd/b-1' })
  })

  it('is known although nothing is new in it', async () => {
    const { stagingId: exact = '' } = await page(stagingId)
    expect(exact).not.toBe('')
    await expire()
    await expect(fixture.service.commitStaging({ stagingId: exact }, call)).rejects.toMatchObject({
      reason: 'staging_expired',
    })
  })

  it('stays swapped in for who asks again, also later and after a restart; the next load begins anew', async () => {
    replaceAtStore()
    const { stagingId: exact = '' } = await page(stagingId)
    expect(await fixture.service.commitStaging({ stagingId: exact }, call)).toMatchObject({ changed: 4 })
    fixture.clock.now += 600_000
    await fixture.restart()
    expect(await fixture.service.commitStaging({ stagingId: exact }, call)).toEqual({ changed: 0 })
    await expect(page(exact)).rejects.toMatchObject({ reason: 'staging_expired' })
    store.put('d/b', { length: 4, etag: 'd/b-2' })
    const { stagingId: next = '' } = await page(stagingId)
    expect(next).not.toBe(exact)
    await expect(fixture.service.commitStaging({ stagingId: exact }, call)).rejects.toMatchObject({
      reason: 'staging_expired',
    })
    await fixture.service.commitStaging({ stagingId: next }, call)
    expect(await visible()).toEqual({ ...replaced, 'd/b': 'd/b-2' })
  })

  it('of one file keeps its id however often it is asked for', async () => {
    replaceAtStore()
    const one = async () =>
      await fixture.service.syncPage(
        { path: '/ns/d/a', cursor: '', limit: 1, stagingId: '/ns/d/a', stagingExpiresMs: soon() },
        call,
      )
    const [first] = (await one()).files
    for (let round = 0; round < 5; round += 1)
      expect((await one()).files.map(({ fileId }) => fileId)).toEqual([first?.fileId])
  })
})

describe('one object of a staging', () => {
  const refresh = (key: string) =>
    fixture.service
      .listNamespaces({}, call)
      .then(({ namespaces }) =>
        fixture.service.refreshFile({ namespaceId: namespaces[0]?.namespaceId ?? '', key, stagingId }, call),
      )

  it('is looked at again without becoming visible', async () => {
    replaceAtStore()
    await stage()
    store.put('d/a', { length: 4, etag: 'd/a-9' })
    store.objects.delete('d/b')
    expect((await refresh('d/a')).file).toMatchObject({ etag: 'd/a-9' })
    await expect(refresh('d/b')).rejects.toMatchObject({ code: 'not_found' })
    expect(await visible()).toEqual(old)
    await fixture.service.commitStaging({ stagingId }, call)
    expect(await visible()).toEqual({ 'd/a': 'd/a-9', 'd/new/e': 'e-1' })
  })

  it('may be the whole of it', async () => {
    replaceAtStore()
    expect((await stage(0, '/ns/d/a')).map(({ key }) => key)).toEqual(['d/a'])
    expect(await visible()).toEqual(old)
    await fixture.service.commitStaging({ stagingId }, call)
    expect(await visible()).toEqual({ ...old, 'd/a': 'd/a-2' })
  })
})

it('a file that only the cache has is named as such, also where the store has another one of its name', async () => {
  await fixture.write('/ns/d/own', 4)
  const { namespaceId } = await fixture.service.getNamespace({ name: 'ns' }, call)
  for (const hasObject of [false, true]) {
    if (hasObject) store.put('d/own', { etag: 'other' })
    const asked = { namespaceId, key: 'd/own' }
    for (const more of [{}, { stagingId: '/ns/d/own', stagingExpiresMs: Number.MAX_SAFE_INTEGER }])
      expect((await fixture.service.refreshFile({ ...asked, ...more }, call)).file?.problem).toContain('not persisted')
  }
})
