// Keys below `.skein/` are for the doors: the store is neither asked for them nor told of them, and
// what is done to a directory above leaves them out, until a file is moved to a name of its own.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

const part = '/ns/.skein/uploads/1/00001'
const open = (writePolicy = 'MUST_CACHE'): Promise<FakeStore> => fixture.create('ns', 's3://bucket', { writePolicy })
const asked = (store: FakeStore): number => store.lists + store.stats
const list = async (path: string, recursive = true, syncIntervalMs = 0): Promise<string[]> => {
  const request = { path, recursive, pageToken: '', limit: 0, syncIntervalMs }
  return (await fixture.service.listStatus(request, call)).files.map((file) => file.path)
}
const rename = (from: string, to: string) => fixture.lifecycle.rename({ from, to }, call)
const code = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'nothing',
    (thrown: unknown) => (thrown instanceof SkeinError ? thrown.code : String(thrown)),
  )

describe('what doors keep', () => {
  it('is never asked of the store', async () => {
    const store = await open()
    const { service, lifecycle } = fixture
    await fixture.write(part, 6)
    await fixture.write(part, 7, true)
    await lifecycle.makeDirectory({ path: '/ns/.skein/made' }, call)
    for (const path of [part, '/ns/.skein/uploads', '/ns/.skein/'])
      await service.getStatus({ path, syncIntervalMs: 0 }, call)
    await service.openFile({ path: part, syncIntervalMs: 0 }, call)
    for (const path of ['/ns/.skein/none', '/ns/.skein/none/'])
      expect(await code(service.getStatus({ path, syncIntervalMs: 0 }, call))).toBe('not_found')
    expect(await list('/ns/.skein/')).toHaveLength(4)
    expect(await list('/ns/.skein/uploads', false)).toEqual(['/ns/.skein/uploads/1'])
    expect(await service.count({ path: '/ns/.skein', syncIntervalMs: 0 }, call)).toMatchObject({ files: 1 })
    await lifecycle.loadMetadata({ path: '/ns/.skein/', recursive: true }, call)
    await lifecycle.checkConsistency({ path: part, repair: true }, call)
    await rename(part, '/ns/.skein/uploads/2')
    expect(await code(service.syncPage({ path: '/ns/.skein/', cursor: '', limit: 0 }, call))).toBe('not_found')
    await lifecycle.delete({ path: '/ns/.skein/uploads', recursive: true, cacheOnly: false }, call)
    expect([await list('/ns/.skein/'), asked(store)]).toEqual([['/ns/.skein/made'], 0])
  })

  it('is left out of what is done to a directory above, and stays', async () => {
    const store = await open()
    store.put('a')
    const fileId = await fixture.write(part, 6)
    const { service, lifecycle } = fixture
    for (const recursive of [true, false]) expect(await list('/ns', recursive)).toEqual(['/ns/a'])
    expect(await list('/')).toEqual(['/ns', '/ns/a'])
    expect(await service.count({ path: '/ns' }, call)).toMatchObject({ files: 1, folders: 1 })
    const { files } = await service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    expect(files.map(({ key }) => key)).toEqual(['a'])
    expect(await lifecycle.persist({ path: '/ns' }, call)).toEqual({ persisted: 0, already: 1, failures: [] })
    await service.free({ path: '/ns', force: true }, call)
    await fixture.restart()
    const check = { path: '/ns', repair: true }
    expect(await fixture.lifecycle.checkConsistency(check, call)).toEqual({
      inconsistent: [],
      total: 0,
      repaired: true,
    })
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: false }, call)
    expect(await fixture.stat(part)).toMatchObject({ fileId, persistenceState: 'NOT_PERSISTED' })
    expect(fixture.persists).toEqual([])
  })

  it('goes with its namespace, for which nothing of it must be persisted', async () => {
    await open()
    await fixture.write(part, 6)
    await fixture.service.deleteNamespace({ name: 'ns' }, call)
    expect(await code(fixture.stat(part))).toBe('not_found')
  })

  it('is never written to the store, whatever the policy', async () => {
    await open('ASYNC_THROUGH')
    const request = { path: part, blockSizeBytes: 0, requestKey: '', overwrite: true }
    expect(await fixture.lifecycle.createFile(request, call)).toMatchObject({ writePolicy: 'MUST_CACHE' })
    await fixture.write(part, 6)
    await fixture.write('/ns/a', 6)
    await fixture.until(async () => (await fixture.stat('/ns/a')).persistenceState === 'PERSISTED')
    expect(await fixture.stat(part)).toMatchObject({ persistenceState: 'NOT_PERSISTED' })
    expect(await code(fixture.lifecycle.persist({ path: part }, call))).toBe('failed_precondition')
    expect(await code(fixture.lifecycle.persist({ path: '/ns/.skein' }, call))).toBe('failed_precondition')
    expect(fixture.persists.map(({ key }) => key)).toEqual(['a'])
  })

  it('ends with its TTL, also while the store does not answer', async () => {
    const store = await open()
    await fixture.write(part, 6)
    await fixture.lifecycle.setTtl({ path: part, ttlMs: 10, action: 'DELETE' }, call)
    store.failure = new SkeinError('unavailable', 'the store is away')
    fixture.clock.now += 10
    await fixture.until(async () => (await code(fixture.stat(part))) === 'not_found')
    expect(await code(fixture.stat('/ns/.skein/'))).toBe('not_found')
  })
})

describe('objects of the store with keys of the doors', () => {
  it('are named as unusable, and not loaded', async () => {
    const store = await open()
    for (const key of ['.skein/', '.skein/x', '.skein-not', 'a']) store.put(key, key.endsWith('/') ? { length: 0 } : {})
    for (const recursive of [true, false]) {
      const request = { path: '/ns', recursive, pageToken: '', limit: 0, syncIntervalMs: 0 }
      const { files, unusable } = await fixture.service.listStatus(request, call)
      expect(files.map(({ path }) => path)).toEqual(['/ns/.skein-not', '/ns/a'])
      expect(unusable?.paths).toContainEqual({
        path: '/ns/.skein/',
        reason: 'keys that begin with .skein/ are reserved: rename the object at the store',
      })
    }
    const { files } = await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    const problems = files.map(({ key, fileId, problem }) => [key, fileId !== 0, problem.slice(0, 14)])
    expect(problems).toContainEqual(['.skein/x', false, 'keys that begi'])
    expect(problems).toContainEqual(['a', true, ''])
    expect(await code(fixture.stat('/ns/.skein/x'))).toBe('not_found')
    expect(store.objects.has('.skein/x')).toBe(true)
  })
})

describe('a file that is moved from the doors to its name', () => {
  const told = { clientMetadata: { values: { etag: 'x-2' } } }
  const moved = async (to = '/ns/a'): Promise<void> => {
    await fixture.write(part, 6)
    await fixture.lifecycle.setClientMetadata({ path: part, ...told }, call)
    await fixture.lifecycle.setTtl({ path: part, ttlMs: 10, action: 'DELETE' }, call)
    await rename(part, to)
  }

  it('is seen in one step, and has lost its TTL', async () => {
    await open()
    await moved()
    expect(await fixture.stat('/ns/a')).toMatchObject({ ...told, ttlMs: -1, persistenceState: 'NOT_PERSISTED' })
    expect(await list('/ns')).toEqual(['/ns/a'])
    fixture.clock.now += 10
    await fixture.write('/ns/.skein/due', 1)
    await fixture.lifecycle.setTtl({ path: '/ns/.skein/due', ttlMs: 0, action: 'DELETE' }, call)
    await fixture.until(async () => (await code(fixture.stat('/ns/.skein/due'))) === 'not_found')
    expect(await fixture.stat('/ns/a')).toMatchObject({ length: 6 })
  })

  it('has the TTL of its namespace from then on', async () => {
    await open()
    await fixture.lifecycle.setTtl({ path: '/ns', ttlMs: 50, action: 'DELETE' }, call)
    await moved()
    expect(await fixture.stat('/ns/a')).toMatchObject({ ttlMs: 50, ttlAction: 'DELETE' })
    fixture.clock.now += 50
    await fixture.until(async () => (await code(fixture.stat('/ns/a'))) === 'not_found')
  })

  it.each(['CACHE_THROUGH', 'THROUGH'])('is at the store when the call returns: %s', async (policy) => {
    const store = await open(policy)
    await moved('/ns/d/a')
    expect(await fixture.stat('/ns/d/a')).toMatchObject({ ...told, persistenceState: 'PERSISTED' })
    expect(store.objects.get('d/a')).toMatchObject({ length: 6 })
    expect((await fixture.stat('/ns/d/a')).cachedBytes).toBe(policy === 'THROUGH' ? 0 : 6)
  })

  it('is persisted by the background: ASYNC_THROUGH', async () => {
    await open('ASYNC_THROUGH')
    await moved()
    const { fileId, persistenceState } = await fixture.stat('/ns/a')
    expect(persistenceState).toBe('TO_BE_PERSISTED')
    await fixture.restart()
    await fixture.worker('w', [blockIdOf(fileId, 0), blockIdOf(fileId, 1)])
    await fixture.until(async () => (await fixture.stat('/ns/a')).persistenceState === 'PERSISTED')
    expect(fixture.persists).toMatchObject([{ key: 'a' }])
  })

  it('is moved, and the caller is told, when the store refuses it', async () => {
    await open('CACHE_THROUGH')
    fixture.persistFailure = new SkeinError('permission_denied', 'no')
    await expect(moved()).rejects.toMatchObject({ code: 'unavailable', reason: 'not_persisted' })
    expect(await fixture.stat('/ns/a')).toMatchObject({ persistenceState: 'TO_BE_PERSISTED' })
  })

  it('comes alone, and nothing goes the other way', async () => {
    const store = await open()
    store.put('a')
    await fixture.write(part, 6)
    await fixture.lifecycle.makeDirectory({ path: '/ns/d' }, call)
    for (const [from, to] of [
      ['/ns/a', '/ns/.skein/a'],
      ['/ns/d', '/ns/.skein/d'],
      ['/ns/d', '/ns/.skein'],
      ['/ns/.skein', '/ns/e'],
      ['/ns/.skein/uploads', '/ns/e'],
    ] as const)
      expect([from, to, await code(rename(from, to))]).toEqual([from, to, 'failed_precondition'])
    expect(await list('/ns')).toEqual(['/ns/a', '/ns/d'])
  })
})
