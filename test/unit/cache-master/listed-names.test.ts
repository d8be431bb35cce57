import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { otherNames } from '../../../src/cache-master/store/listed-names.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { ObjectInfo } from '../../../src/ufs/under-file-system.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

/**
 * Lists every object as another name, and refuses as the rules of a page do where that name is not
 * below the prefix.
 */
function misname(spell: (key: string) => string): void {
  const list = store.list.bind(store)
  store.list = async (request, signal) => {
    const page = await list(request, signal)
    const objects = page.objects.map((object) => ({ ...object, key: spell(object.key) }))
    if (objects.every(({ key }) => key.startsWith(request.prefix))) return { ...page, objects }
    throw new SkeinError('failed_precondition', 'Key is not below the prefix', { reason: 'answer_not_understood' })
  }
}
const sync = async (staging = {}) =>
  (await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0, ...staging }, call)).files
const refresh = async (key: string, staging = {}) => {
  const { namespaceId } = await fixture.service.getNamespace({ name: 'ns' }, call)
  return await fixture.service.refreshFile({ namespaceId, key, ...staging }, call)
}
const misnamed = {
  code: 'failed_precondition',
  reason: 'listing_misnames',
  retryable: false,
  message: expect.stringContaining('the listing names an object that the store does not have under that name'),
}

describe('a key that is listed and not there', () => {
  it.each<[string, string, (key: string) => string]>([
    ['encoded', 'a b', encodeURIComponent],
    ['encoded as in forms', 'a b', (key) => key.replaceAll(' ', '+')],
    ['decoded', 'a%20b', decodeURIComponent],
    ['a plus that is read as a blank', 'a+b', (key) => key.replaceAll('+', ' ')],
    ['escaped', 'a&b', (key) => key.replaceAll('&', '&amp;')],
    ['in another normal form', 'caf\u00e9', (key) => key.normalize('NFD')],
  ])('is named where the listing has it %s', async (_how, key, spell) => {
    store.put(key)
    misname(spell)
    for (const staging of [{}, { stagingId: '/ns' }]) {
      expect((await sync(staging)).map((file) => file.key)).toEqual([spell(key)])
      const before = store.lists
      await expect(refresh(spell(key), staging)).rejects.toMatchObject(misnamed)
      expect(store.lists - before).toBeLessThanOrEqual(7)
    }
    expect(await fixture.keys()).toEqual([spell(key)])
  })

  it('is named where the listing shows it still', async () => {
    store.put('a')
    await sync()
    store.stat = () => Promise.reject(new SkeinError('not_found', 'no such object'))
    await expect(refresh('a')).rejects.toMatchObject(misnamed)
  })

  it('is the failure of that file alone where the listing was odd about it', async () => {
    store.put('a')
    store.put('b c')
    store.listed = (object: ObjectInfo) => ({ ...object, doubt: 'it is listed with size 0', length: 0 })
    misname((key) => key.replace(' ', '+'))
    expect((await sync()).map(({ key, problem }) => [key, problem])).toEqual([
      ['a', ''],
      ['b+c', expect.stringContaining('does not have under that name')],
    ])
  })

  it('is gone where the store lists names as they are', async () => {
    for (const key of ['a b', 'a%20b', 'a+b', 'a&amp;b', 'z']) store.put(key)
    await sync()
    for (const key of ['a%20b', 'a+b', 'a&amp;b', 'z']) {
      store.objects.delete(key)
      await expect(refresh(key)).rejects.toMatchObject({ code: 'not_found' })
    }
    expect(await fixture.keys()).toEqual(['a b'])
  })

  it('is there where it was written meanwhile', async () => {
    store.put('a')
    await sync()
    store.objects.delete('a')
    const stat = store.stat.bind(store)
    store.stat = async (key) => {
      store.stat = stat
      store.put('a', { etag: 'v2' })
      throw new SkeinError('not_found', `${key} is not there`)
    }
    expect((await refresh('a')).file?.etag).toBe('v2')
  })

  it('is gone where nobody may list', async () => {
    store.put('a')
    await sync()
    store.objects.delete('a')
    store.list = () => Promise.reject(new SkeinError('permission_denied', 'AccessDenied'))
    await expect(refresh('a')).rejects.toMatchObject({ code: 'not_found' })
  })
})

it('costs one more request for an ordinary name', () => {
  expect(otherNames('data/part-000.tar')).toEqual([])
})
