import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { ObjectInfo } from '../../../src/ufs/under-file-system.ts'
import type { SyncedFile } from '../../../src/wire/generated/master.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open({ metadataSyncIntervalMs: 0 })
  store = await fixture.create()
})
afterEach(() => fixture.close())

async function sync(path = '/ns', staging: { stagingId?: string } = {}): Promise<SyncedFile[]> {
  return (await fixture.service.syncPage({ path, cursor: '', limit: 0, ...staging }, call)).files
}
const incomplete = { code: 'failed_precondition', reason: 'listing_incomplete', retryable: false }

describe('what a listing says of an object', () => {
  const odd = (fields: Partial<ObjectInfo>): void => {
    store.listed = (object) => ({ ...object, doubt: 'Size is "-1"', ...fields })
  }

  it.each(['', 'atomic'])('is not taken where it is odd: the object is asked %s', async (how) => {
    store.put('a', { length: 25 })
    odd({ length: 0 })
    const staging = how === '' ? {} : { stagingId: '/ns' }
    expect((await sync('/ns', staging)).map(({ key, length, problem }) => [key, length, problem])).toEqual([
      ['a', 25, ''],
    ])
    expect(store.stats).toBe(1)
  })

  it('is asked of it once: what is known stays so', async () => {
    store.put('empty', { length: 0, etag: 'none' })
    odd({})
    await sync()
    expect((await sync()).map(({ problem, length }) => [problem, length])).toEqual([['', 0]])
    await fixture.keys()
    expect(store.stats).toBe(1)
  })

  it('is asked again where it contradicts what is known of the same version', async () => {
    store.put('a', { length: 25 })
    await sync()
    const [before] = await sync()
    store.listed = (object) => ({ ...object, length: 10 })
    const [after] = await sync()
    expect(after).toMatchObject({ fileId: before?.fileId, length: 25, problem: '' })
    expect((await fixture.stat('/ns/a')).length).toBe(25)
  })

  it('is the failure of that file alone where the object does not answer well', async () => {
    store.put('a')
    store.put('b')
    store.listed = (object) => (object.key === 'a' ? { ...object, doubt: 'Size is missing' } : object)
    store.afterStat = () => Promise.reject(new SkeinError('failed_precondition', 'HEAD "a": no length'))
    expect((await sync()).map(({ key, problem }) => [key, problem])).toEqual([
      ['a', 'Size is missing; HEAD "a": no length'],
      ['b', ''],
    ])
  })

  it('fails the page, to be asked for again, where the store does not answer now', async () => {
    store.put('a')
    odd({})
    store.afterStat = () => Promise.reject(new SkeinError('unavailable', 'SlowDown'))
    await expect(sync()).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('is nothing where the object is gone by now', async () => {
    store.put('a')
    store.put('b')
    odd({})
    store.afterList = async () => void store.objects.delete('a')
    expect((await sync()).map(({ key }) => key)).toEqual(['b'])
  })

  it('may be that it cannot be read at all', async () => {
    store.put('caf%E9')
    store.listed = (object) => ({ ...object, problem: 'the key is not UTF-8' })
    expect((await sync()).map(({ problem }) => problem)).toEqual(['the key is not UTF-8'])
    expect(store.stats).toBe(0)
  })
})

describe('what a listing leaves out', () => {
  beforeEach(async () => {
    for (const key of ['a', 'd/b', 'd/c', 'z']) store.put(key)
    await sync()
    store.listed = (object) => (object.key === 'd/b' || object.key === 'z' ? undefined : object)
  })

  it.each([
    ['a load', () => sync()],
    ['an atomic load', () => sync('/ns', { stagingId: '/ns' })],
    ['ls', () => fixture.service.listStatus({ path: '/ns/d', recursive: false, pageToken: '', limit: 0 }, call)],
    ['ls -R', () => fixture.service.listStatus({ path: '/ns', recursive: true, pageToken: '', limit: 0 }, call)],
    ['loadMetadata', () => fixture.lifecycle.loadMetadata({ path: '/ns/d', recursive: false }, call)],
    ['loadMetadata -R', () => fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)],
    ['checkConsistency', () => fixture.lifecycle.checkConsistency({ path: '/ns', repair: false }, call)],
    ['checkConsistency --repair', () => fixture.lifecycle.checkConsistency({ path: '/ns', repair: true }, call)],
  ])('is not removed by %s while the store has it', async (_name, list) => {
    await expect(list()).rejects.toMatchObject({ ...incomplete, message: expect.stringContaining('without "d/b"') })
    store.listed = undefined
    expect(await fixture.keys()).toEqual(['a', 'd/', 'd/b', 'd/c', 'z'])
    expect((await sync()).map(({ change }) => change)).toEqual([undefined, undefined, undefined, undefined])
  })

  it('goes once the object itself is gone, or may not be read any more', async () => {
    store.objects.delete('d/b')
    store.objects.delete('z')
    expect((await sync()).map(({ key }) => key)).toEqual(['a', 'd/c'])
    store.listed = (object) => (object.key === 'a' ? undefined : object)
    store.afterStat = () => Promise.reject(new SkeinError('permission_denied', 'no'))
    expect((await sync()).map(({ key }) => key)).toEqual(['d/c'])
  })

  it('is asked for once more: a listing that was only late is no error', async () => {
    let lists = 0
    store.afterList = async () => {
      lists += 1
      if (lists > 1) store.listed = undefined
    }
    expect((await sync()).map(({ key }) => key)).toEqual(['a', 'd/b', 'd/c', 'z'])
  })
})
