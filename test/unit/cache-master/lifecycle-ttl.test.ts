import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

const setTtl = (path: string, ttlMs: number, action = 'FREE') => fixture.lifecycle.setTtl({ path, ttlMs, action }, call)
const has = async (path: string): Promise<boolean> =>
  fixture.stat(path).then(
    () => true,
    () => false,
  )
const cached = async (path: string): Promise<number> => (await fixture.stat(path)).cachedBytes

/** A persisted file of one cached block. */
async function cachedFile(key: string): Promise<number> {
  store.put(key, { length: 4 })
  const { fileId } = await fixture.stat(`/ns/${key}`)
  await fixture.worker(`w-${key}`, [blockIdOf(fileId, 0)])
  return fileId
}

/** The checker has run at this time. */
async function checked(): Promise<void> {
  store.put('sentinel')
  await setTtl('/ns/sentinel', 0, 'DELETE')
  await fixture.until(() => !store.objects.has('sentinel'))
}

describe('a change of a namespace TTL that a restart interrupts', () => {
  it('is completed after it, counted from when it was made', async () => {
    for (let n = 0; n < 1020; n += 1) store.put(`f${n}`)
    expect((await fixture.service.count({ path: '/ns' }, call)).files).toBe(1020)
    // The first page of files follows, then whoever asked is gone.
    const gone = AbortSignal.abort(new SkeinError('cancelled', 'gone'))
    await expect(
      fixture.lifecycle.setTtl({ path: '/ns', ttlMs: 2000, action: 'DELETE' }, { signal: gone }),
    ).rejects.toThrow()
    fixture.clock.now += 1000
    await fixture.restart()
    fixture.clock.now += 1000
    for (let runs = 0; store.objects.size > 0 && runs < 5; runs += 1) await checked()
    expect(store.objects.size).toBe(0)
  })

  it('leaves those alone that came after it', async () => {
    store.put('old')
    await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    await fixture.lifecycle.setTtl({ path: '/ns', ttlMs: 2000, action: 'DELETE' }, call)
    fixture.clock.now += 1500
    store.put('young')
    await fixture.service.refreshFile({ namespaceId: (await fixture.stat('/ns')).namespaceId, key: 'young' }, call)
    await fixture.restart()
    fixture.clock.now += 500
    await fixture.until(() => !store.objects.has('old'))
    await checked()
    expect([...store.objects.keys()]).toEqual(['young'])
  })
})

describe('a TTL', () => {
  it('of DELETE removes file and object when it ends, over a restart in between', async () => {
    await cachedFile('f')
    await setTtl('/ns/f', 2000, 'DELETE')
    expect(await fixture.stat('/ns/f')).toMatchObject({ ttlMs: 2000, ttlAction: 'DELETE' })
    await fixture.restart()
    fixture.clock.now += 1999
    await checked()
    expect(store.objects.has('f')).toBe(true)
    fixture.clock.now += 1
    await fixture.until(async () => !(await has('/ns/f')))
    expect(store.objects.has('f')).toBe(false)
    const told = fixture.logs.filter((line) => line.includes('a TTL ended: deleted, at the store too'))
    expect(told.filter((line) => line.includes('"path":"/ns/f"'))).toHaveLength(1)
  })

  it('of FREE drops the blocks, once, also those of a worker that comes back later', async () => {
    const fileId = await cachedFile('f')
    await setTtl('/ns/f', 2000)
    await fixture.restart()
    fixture.clock.now += 2000
    await fixture.until(async () => (await fixture.stat('/ns/f')).ttlMs === -1)
    expect(store.objects.has('f')).toBe(true)
    expect(fixture.logs.filter((line) => line.includes('TTLs ended: freed from the cache')).join()).toContain(
      '"files":1',
    )
    const session = await fixture.worker('late')
    expect(await fixture.report('late', session, [blockIdOf(fileId, 0)])).toEqual([blockIdOf(fileId, 0)])
    expect(await cached('/ns/f')).toBe(0)
  })

  it('can be taken away and set anew', async () => {
    await cachedFile('f')
    await setTtl('/ns/f', 1000, 'DELETE')
    await setTtl('/ns/f', -1)
    fixture.clock.now += 1500
    await checked()
    expect(await fixture.stat('/ns/f')).toMatchObject({ ttlMs: -1, cachedBytes: 4 })
    await setTtl('/ns/f', 1000, 'DELETE')
    fixture.clock.now += 999
    await checked()
    expect(await has('/ns/f')).toBe(true)
  })

  it('never frees what is only here, nor what is pinned', async () => {
    await fixture.write('/ns/here', 4)
    await cachedFile('pinned')
    await fixture.lifecycle.setPinned({ path: '/ns/pinned', pinned: true }, call)
    await setTtl('/ns/here', 10)
    await setTtl('/ns/pinned', 10)
    fixture.clock.now += 5000
    await checked()
    expect(await cached('/ns/here')).toBe(4)
    expect(await cached('/ns/pinned')).toBe(4)
    await fixture.lifecycle.persist({ path: '/ns/here' }, call)
    fixture.clock.now += 60_000
    await fixture.until(async () => (await fixture.stat('/ns/here')).ttlMs === -1)
    expect(await cached('/ns/here')).toBe(0)
  })

  it('of a directory is that of all below it', async () => {
    await cachedFile('free/a')
    await cachedFile('free/b/c')
    await cachedFile('gone/a')
    await fixture.lifecycle.makeDirectory({ path: '/ns/gone/made' }, call)
    await setTtl('/ns/free', 50)
    await setTtl('/ns/gone', 50, 'DELETE')
    await fixture.restart()
    fixture.clock.now += 50
    await fixture.until(async () => !(await has('/ns/gone')) && (await fixture.stat('/ns/free')).ttlMs === -1)
    expect([...store.objects.keys()].sort()).toEqual(['free/a', 'free/b/c'])
    expect(await fixture.keys()).toEqual(['free/', 'free/a', 'free/b/', 'free/b/c'])
    expect(await cached('/ns/free/a')).toBe(0)
  })

  it('of a namespace is that of every file in it that has none, now and later', async () => {
    await cachedFile('old')
    await cachedFile('own')
    await setTtl('/ns/own', 9000, 'DELETE')
    await setTtl('/ns', 1000, 'DELETE')
    expect(await fixture.service.getNamespace({ name: 'ns' }, call)).toMatchObject({ ttlMs: 1000, ttlAction: 'DELETE' })
    expect(await fixture.stat('/ns/old')).toMatchObject({ ttlMs: 1000, ttlAction: 'DELETE' })
    fixture.clock.now += 600
    await cachedFile('new')
    await fixture.restart()
    fixture.clock.now += 400
    await fixture.until(() => !store.objects.has('old'))
    expect([...store.objects.keys()]).toEqual(['own', 'new'])
    fixture.clock.now += 600
    await fixture.until(() => !store.objects.has('new'))
    await setTtl('/ns', -1)
    store.put('later')
    await fixture.stat('/ns/later')
    fixture.clock.now += 5000
    await checked()
    expect([...store.objects.keys()]).toEqual(['own', 'later'])
  })

  it('is tried again when the store does not answer', async () => {
    await cachedFile('f')
    await setTtl('/ns/f', 10, 'DELETE')
    fixture.clock.now += 10
    store.failure = new SkeinError('unavailable', 'down')
    await fixture.until(() => fixture.logs.some((line) => line.includes('could not be removed')))
    expect(store.objects.has('f')).toBe(true)
    store.failure = undefined
    await fixture.until(() => !store.objects.has('f'))
  })

  it.each([
    ['/ns/f', -2, 'FREE'],
    ['/', 5, 'FREE'],
    ['/ns/f', 5, 'BURN'],
  ])('is refused: %s %d %s', async (path, ttlMs, action) => {
    store.put('f')
    await expect(setTtl(path, ttlMs, action)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('with DELETE is refused in a read-only namespace, and for what is not there', async () => {
    const other = await fixture.create('ro', 's3://other', { readOnly: 'true' })
    other.put('f')
    await expect(setTtl('/ro/f', 5, 'DELETE')).rejects.toMatchObject({ code: 'failed_precondition' })
    await setTtl('/ro/f', 5)
    await expect(setTtl('/ns/none', 5)).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('pins', () => {
  it('hold for a file, and for all below a directory with what comes later, over a restart', async () => {
    for (const key of ['a', 'd/x', 'd/e/y']) store.put(key)
    await fixture.keys()
    const pin = (path: string, pinned: boolean) => fixture.lifecycle.setPinned({ path, pinned }, call)
    expect(await pin('/ns/d', true)).toEqual({ files: 2, paths: ['/ns/d/e/y', '/ns/d/x'] })
    expect(await pin('/ns/d', true)).toEqual({ files: 0, paths: [] })
    store.put('d/e/new')
    await fixture.restart()
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    for (const path of ['/ns/d/x', '/ns/d/e/y', '/ns/d/e/new', '/ns/d'])
      expect((await fixture.stat(path)).pinned).toBe(true)
    expect((await fixture.stat('/ns/a')).pinned).toBe(false)
    await expect(fixture.service.free({ path: '/ns/d', force: false }, call)).rejects.toMatchObject({
      code: 'failed_precondition',
    })
    expect((await pin('/ns/d', false)).files).toBe(3)
    await fixture.service.free({ path: '/ns/d', force: false }, call)
    await expect(pin('/', true)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('replication', () => {
  const set = (path: string, recursive: boolean, range: { min?: number; max?: number }) =>
    fixture.lifecycle.setPathReplication({ path, recursive, min: range.min, max: range.max }, call)

  it('takes both of two calls in a row, over a restart', async () => {
    store.put('f')
    expect(await set('/ns/f', false, { min: 2 })).toEqual({ files: 1, paths: ['/ns/f'] })
    await set('/ns/f', false, { max: 3 })
    await fixture.restart()
    expect(await fixture.stat('/ns/f')).toMatchObject({ replicationMin: 2, replicationMax: 3 })
    expect((await set('/ns/f', false, { min: 2, max: 3 })).files).toBe(0)
  })

  it('is set for all below a directory, or for nothing', async () => {
    for (const key of ['d/x', 'd/e/y', 'd/z']) store.put(key)
    await fixture.keys()
    await expect(set('/ns/d', false, { min: 2 })).rejects.toMatchObject({ code: 'failed_precondition' })
    expect((await set('/ns/d', true, { min: 1 })).files).toBe(3)
    await set('/ns/d/x', false, { min: 3 })
    await expect(set('/ns/d', true, { max: 2 })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('of /ns/d/x do not fit'),
    })
    expect(await fixture.stat('/ns/d/e/y')).toMatchObject({ replicationMin: 1, replicationMax: -1 })
  })

  it('keeps one replica of what is only here', async () => {
    await fixture.write('/ns/here', 4)
    expect(await fixture.stat('/ns/here')).toMatchObject({ replicationMin: 1 })
    await expect(set('/ns/here', false, { max: 0 })).rejects.toMatchObject({ code: 'failed_precondition' })
    await set('/ns/here', false, { min: 0 })
    expect(await fixture.stat('/ns/here')).toMatchObject({ replicationMin: 1 })
    await fixture.lifecycle.persist({ path: '/ns/here' }, call)
    expect(await fixture.stat('/ns/here')).toMatchObject({ replicationMin: 0 })
  })

  it.each([{ min: 3, max: 2 }, { min: -1 }, { max: -2 }, {}])('refuses %o', async (range) => {
    store.put('f')
    await expect(set('/ns/f', false, range)).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
