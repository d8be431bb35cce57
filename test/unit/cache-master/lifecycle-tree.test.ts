import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { blockIdOf } from '../../../src/base/block-id.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

const mkdir = (path: string) => fixture.lifecycle.makeDirectory({ path }, call)
const rm = (path: string, recursive = false, cacheOnly = false) =>
  fixture.lifecycle.delete({ path, recursive, cacheOnly }, call)
const mv = (from: string, to: string) => fixture.lifecycle.rename({ from, to }, call)
const objects = (): string[] => [...store.objects.keys()].sort()
const files = async (): Promise<number> => (await fixture.service.getClusterSummary({}, call)).files

describe('mkdir', () => {
  it('makes a directory with its parents that stays while it is empty, and over a restart', async () => {
    await mkdir('/ns/a/b/c')
    await mkdir('/ns/a/b/c/')
    await fixture.restart()
    expect(await fixture.keys()).toEqual(['a/', 'a/b/', 'a/b/c/'])
    expect(await fixture.stat('/ns/a/b')).toMatchObject({ folder: true, persistenceState: 'NOT_PERSISTED' })
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await fixture.keys()).toEqual(['a/', 'a/b/', 'a/b/c/'])
    expect(objects()).toEqual([])
  })

  it.each([true, false])(
    'makes one that was there only for its entries stay without them (known: %s)',
    async (known) => {
      store.put('a/b/x')
      if (known) await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
      await mkdir('/ns/a/b')
      await fixture.restart()
      expect(await fixture.stat('/ns/a/b')).toMatchObject({ folder: true, explicit: true })
      expect(await fixture.stat('/ns/a')).toMatchObject({ explicit: false })
      await rm('/ns/a/b/x')
      expect(await fixture.keys()).toEqual(['a/', 'a/b/'])
    },
  )

  it('is undone by a removal that keeps the entries', async () => {
    const forget = (path: string) =>
      fixture.lifecycle.delete({ path, recursive: false, cacheOnly: false, keepEntries: true }, call)
    store.put('m/', { length: 0 })
    store.put('m/x')
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    await mkdir('/ns/a')
    await mkdir('/ns/empty')
    await fixture.write('/ns/a/x', 3)
    for (const name of ['a', 'm', 'empty']) await forget(`/ns/${name}`)
    await fixture.restart()
    expect(objects()).toEqual(['m/x'])
    expect(await fixture.keys()).toEqual(['a/', 'a/x', 'm/', 'm/x'])
    await rm('/ns/a/x')
    await rm('/ns/m/x')
    expect(await fixture.keys()).toEqual([])
  })

  it('is persisted once something in it is', async () => {
    await mkdir('/ns/a/b')
    store.put('a/b/x')
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await fixture.stat('/ns/a')).toMatchObject({ persistenceState: 'PERSISTED' })
  })

  it('takes a namespace and / as there, and refuses a file and bad names', async () => {
    await mkdir('/ns')
    await mkdir('/')
    store.put('f')
    await expect(mkdir('/ns/f')).rejects.toMatchObject({ code: 'already_exists', message: '/ns/f is a file' })
    await expect(mkdir('/ns/../x')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(mkdir('/none/x')).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('rm', () => {
  it('removes a file with its object and its blocks', async () => {
    store.put('d/f', { length: 4 })
    const { fileId } = await fixture.stat('/ns/d/f')
    const session = await fixture.worker('w', [blockIdOf(fileId, 0)])
    expect(await rm('/ns/d/f')).toEqual({ files: 1, directories: 0 })
    expect(objects()).toEqual([])
    expect(await fixture.keys()).toEqual([])
    const heartbeat = await fixture.service.workerHeartbeat(
      { workerId: 'w', session, directories: [], counters: {} },
      call,
    )
    expect(heartbeat.freeBlocks).toEqual([blockIdOf(fileId, 0)])
    await expect(rm('/ns/d/f')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('keeps the object with cacheOnly, and the next listing shows it again', async () => {
    for (const key of ['d/x', 'd/y', 'z']) store.put(key)
    await fixture.keys()
    expect(await rm('/ns/d', true, true)).toEqual({ files: 2, directories: 1 })
    expect(objects()).toEqual(['d/x', 'd/y', 'z'])
    expect(await files()).toBe(1)
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await fixture.keys()).toEqual(['d/', 'd/x', 'd/y', 'z'])
  })

  it('refuses a directory with something in it, listed or not, unless it is recursive', async () => {
    store.put('d/x')
    await mkdir('/ns/e')
    await expect(rm('/ns/d')).rejects.toMatchObject({
      code: 'failed_precondition',
      message: '/ns/d is not empty: use -R',
    })
    expect(await rm('/ns/e')).toEqual({ files: 0, directories: 1 })
    expect(objects()).toEqual(['d/x'])
  })

  it('removes a tree with markers, made directories and files that are only here, in pages', async () => {
    for (let i = 0; i < 2300; i += 1) store.put(`d/${i % 7}/f${i}`)
    store.put('d/marked/', { length: 0 })
    store.put('keep/x')
    await mkdir('/ns/d/made/deep')
    await fixture.write('/ns/d/made/here', 3)
    expect(await rm('/ns/d', true)).toEqual({ files: 2301, directories: 11 })
    await fixture.restart()
    expect(objects()).toEqual(['keep/x'])
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await fixture.keys()).toEqual(['keep/', 'keep/x'])
    expect(await files()).toBe(1)
  })

  it('keeps what the store would not remove, and says so', async () => {
    for (const key of ['d/x', 'd/y']) store.put(key)
    const remove = store.delete.bind(store)
    store.delete = async (key, signal) => {
      if (key === 'd/y') throw new SkeinError('permission_denied', 'you may not')
      await remove(key, signal)
    }
    await expect(rm('/ns/d', true)).rejects.toMatchObject({
      code: 'permission_denied',
      message: '/ns/d/y could not be removed: you may not',
    })
    expect(await fixture.keys()).toEqual(['d/', 'd/y'])
  })

  it('refuses /, a namespace, and the store of a read-only one', async () => {
    await expect(rm('/', true)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(rm('/ns', true)).rejects.toMatchObject({ code: 'invalid_argument' })
    const other = await fixture.create('ro', 's3://other')
    other.put('d/x')
    other.put('f')
    await fixture.lifecycle.makeDirectory({ path: '/ro/d/made' }, call)
    await makeReadOnly('ro')
    await fixture.lifecycle.makeDirectory({ path: '/ro/d/made' }, call)
    const written = fixture.lifecycle.createFile({ path: '/ro/new', blockSizeBytes: 0, requestKey: '' }, call)
    await expect(written).rejects.toMatchObject({
      code: 'failed_precondition',
      message: '/ro is read-only: nothing is written there',
    })
    await expect(fixture.lifecycle.makeDirectory({ path: '/ro/e' }, call)).rejects.toMatchObject({
      code: 'failed_precondition',
    })
    await expect(mv('/ro/d/made', '/ro/made')).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(rm('/ro/d', true)).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(rm('/ro/f')).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(mv('/ro/f', '/ro/g')).rejects.toMatchObject({ code: 'failed_precondition' })
    expect(await fixture.keys('/ro')).toEqual(['d/', 'd/made/', 'd/x', 'f'])
    expect([...other.objects.keys()]).toEqual(['d/x', 'f'])
    await rm('/ro/d/made')
  })
})

function makeReadOnly(name: string): Promise<unknown> {
  const nothing = { secrets: {}, removedAttributes: [], ttlAction: '' }
  return fixture.service.updateNamespace({ name, attributes: { readOnly: 'true' }, ...nothing }, call)
}

it('removes nothing of a large read-only tree, also of what only the cache has', async () => {
  const other = await fixture.create('ro', 's3://other')
  for (let i = 1000; i < 2100; i += 1) await fixture.lifecycle.makeDirectory({ path: `/ro/d/${i}` }, call)
  other.put('d/z')
  await makeReadOnly('ro')
  await expect(rm('/ro/d', true)).rejects.toMatchObject({ code: 'failed_precondition' })
  expect((await fixture.service.count({ path: '/ro' }, call)).folders).toBe(1102)
})

describe('attributes of a namespace', () => {
  it.each([{ readOnly: 'maybe' }, { writePolicy: 'NEVER' }, { readOnly: 'true', writePolicy: 'THROUGH' }])(
    'refuses %o',
    async (attributes) => {
      await expect(
        fixture.create('bad', 's3://bad', attributes as unknown as Record<string, string>),
      ).rejects.toMatchObject({
        code: 'invalid_argument',
      })
    },
  )
})

describe('mv', () => {
  it('moves a file at the store and keeps its blocks', async () => {
    store.put('a/f', { length: 4 })
    const { fileId } = await fixture.stat('/ns/a/f')
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    await mv('/ns/a/f', '/ns/b/g')
    expect(objects()).toEqual(['b/g'])
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await fixture.stat('/ns/b/g')).toMatchObject({ fileId, cachedBytes: 4 })
    expect(await fixture.keys()).toEqual(['b/', 'b/g'])
  })

  it('moves a tree that is only here in one command, whatever its size, over a restart', async () => {
    for (let i = 0; i < 30; i += 1) await fixture.write(`/ns/from/${i % 3}/f${i}`, 2)
    const before = fixture.journal.entries.length
    await mv('/ns/from', '/ns/to')
    const renames = fixture.journal.entries.length - before
    expect(renames).toBeLessThanOrEqual(3)
    await fixture.restart()
    expect((await fixture.keys()).filter((key) => !key.endsWith('/'))).toHaveLength(30)
    expect(await fixture.stat('/ns/to/0/f0')).toMatchObject({ persistenceState: 'NOT_PERSISTED', length: 2 })
    await expect(fixture.stat('/ns/from')).rejects.toMatchObject({ code: 'not_found' })
    expect(objects()).toEqual([])
  })

  it('moves a tree with objects, and their blocks stay good', async () => {
    for (const key of ['d/x', 'd/e/y', 'd/m/']) store.put(key, { length: key.endsWith('/') ? 0 : 4 })
    const { fileId } = await fixture.stat('/ns/d/x')
    await mv('/ns/d', '/ns/t')
    expect(objects()).toEqual(['t/e/y', 't/m/', 't/x'])
    expect((await fixture.lifecycle.checkConsistency({ path: '/ns', repair: true }, call)).inconsistent).toEqual([])
    expect(await fixture.keys()).toEqual(['t/', 't/e/', 't/e/y', 't/m/', 't/x'])
    expect((await fixture.stat('/ns/t/x')).fileId).toBe(fileId)
  })

  it('moves nothing when an object cannot be moved', async () => {
    for (const key of ['d/x', 'd/y', 'd/z']) store.put(key)
    const rename = store.rename.bind(store)
    store.rename = async (from, to, etag) => {
      if (from === 'd/y') throw new SkeinError('unavailable', 'down')
      return rename(from, to, etag)
    }
    await expect(mv('/ns/d', '/ns/t')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('nothing was moved'),
    })
    expect(objects()).toEqual(['d/x', 'd/y', 'd/z'])
    expect(await fixture.keys()).toEqual(['d/', 'd/x', 'd/y', 'd/z'])
  })

  it('moves a file that changed at the store as it is there now, and as a new file', async () => {
    store.put('a', { length: 4 })
    const { fileId } = await fixture.stat('/ns/a')
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    store.put('a', { length: 4, etag: 'v2' })
    const rename = store.rename.bind(store)
    // Copies have other ETags where the object went up in parts.
    store.rename = async (from, to, etag) => {
      await rename(from, to, etag)
      store.put('b', { length: 4, etag: 'v2-copy' })
      return store.stat('b')
    }
    await mv('/ns/a', '/ns/b')
    const moved = await fixture.stat('/ns/b')
    expect(moved).toMatchObject({ etag: 'v2-copy', cachedBytes: 0 })
    expect(moved.fileId).not.toBe(fileId)
    await expect(fixture.stat('/ns/a')).rejects.toMatchObject({ code: 'not_found' })
    expect(objects()).toEqual(['b'])
    expect((await fixture.lifecycle.checkConsistency({ path: '/ns', repair: false }, call)).total).toBe(0)
  })

  it('moves a tree in which a file has changed, and back when another cannot be moved', async () => {
    for (const key of ['d/x', 'd/y', 'd/z']) store.put(key, { etag: `${key}-1` })
    const { fileId } = await fixture.stat('/ns/d/x')
    const rename = store.rename.bind(store)
    let broken = true
    store.rename = async (from, to, etag) => {
      // Behind the rename's own listing.
      if (from === 'd/x' && etag === 'd/x-1') store.put('d/x', { etag: 'd/x-2' })
      if (from === 'd/z' && broken) throw new SkeinError('unavailable', 'down')
      return rename(from, to, etag)
    }
    await expect(mv('/ns/d', '/ns/t')).rejects.toMatchObject({ message: expect.stringContaining('nothing was moved') })
    expect(objects()).toEqual(['d/x', 'd/y', 'd/z'])
    expect(await fixture.stat('/ns/d/x')).toMatchObject({ etag: 'd/x-2' })
    broken = false
    await mv('/ns/d', '/ns/t')
    expect(objects()).toEqual(['t/x', 't/y', 't/z'])
    const moved = await fixture.stat('/ns/t/x')
    expect(moved.etag).toBe('d/x-2')
    expect(moved.fileId).not.toBe(fileId)
  })

  it('gives up on a file that changes faster than it is moved', async () => {
    store.put('a')
    await fixture.keys()
    const rename = store.rename.bind(store)
    let version = 1
    store.rename = async (from, to, etag) => {
      store.put('a', { etag: `v${(version += 1)}` })
      return rename(from, to, etag)
    }
    await expect(mv('/ns/a', '/ns/b')).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    expect([...store.objects.keys()]).toEqual(['a'])
    expect(await fixture.keys()).toEqual(['a'])
  })

  it('replaces nothing that somebody makes meanwhile', async () => {
    store.put('a')
    await fixture.keys()
    const rename = store.rename.bind(store)
    store.rename = async (from, to, etag) => {
      store.put('b', { etag: 'theirs' })
      return rename(from, to, etag)
    }
    await expect(mv('/ns/a', '/ns/b')).rejects.toMatchObject({
      code: 'already_exists',
      message: '/ns/b exists already',
    })
    expect([...store.objects]).toMatchObject([
      ['a', { etag: 'v1' }],
      ['b', { etag: 'theirs' }],
    ])
  })

  it.each(['copied', 'moved'])('goes on where an earlier call was cut off: %s at the store', async (how) => {
    store.put('a', { length: 4 })
    const { fileId } = await fixture.stat('/ns/a')
    store.put('b', { length: 4 })
    if (how === 'moved') store.objects.delete('a')
    await mv('/ns/a', '/ns/b')
    expect(objects()).toEqual(['b'])
    expect((await fixture.stat('/ns/b')).fileId).toBe(fileId)
    expect(await fixture.keys()).toEqual(['b'])
  })

  it('moves into a directory that is there, where that is asked for', async () => {
    await mkdir('/ns/d')
    store.put('f')
    await fixture.lifecycle.rename({ from: '/ns/f', to: '/ns/d', intoDirectory: true }, call)
    expect(objects()).toEqual(['d/f'])
  })

  it('refuses another namespace, itself, a name taken here or at the store, and a missing source', async () => {
    await fixture.create('other', 's3://other')
    await mkdir('/ns/d/e')
    store.put('f')
    store.put('g', { etag: 'v2' })
    await expect(mv('/ns/f', '/other/f')).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('mv across namespaces is not supported: /ns/f -> /other/f'),
    })
    await expect(mv('/ns', '/ns/x')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(mv('/ns/d', '/ns/d/e')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(mv('/ns/d', '/ns/d/x/y')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(mv('/ns/f', '/ns/g')).rejects.toMatchObject({ code: 'already_exists' })
    await expect(mv('/ns/f', '/ns/f')).rejects.toMatchObject({ code: 'already_exists' })
    await expect(mv('/ns/none', '/ns/x')).rejects.toMatchObject({ code: 'not_found' })
    expect(objects()).toEqual(['f', 'g'])
    expect(await fixture.keys()).toEqual(['d/', 'd/e/', 'f', 'g'])
  })
})
