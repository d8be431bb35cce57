// What a door told its clients of a file stays with this version of it, wherever the file goes, and
// never reaches the store.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

const told = { clientMetadata: { values: { etag: '"0-2"', tags: 'a=b' } } }
const shown = async (path: string) => (await fixture.stat(path)).clientMetadata?.values
const set = (path: string, values: Record<string, string>) =>
  fixture.lifecycle.setClientMetadata({ path, clientMetadata: { values } }, call)
const create = async (path: string, atEnd: object = {}, more: object = {}) => {
  const request = { path, blockSizeBytes: 0, requestKey: '', ...told, ...more }
  const { fileId } = await fixture.lifecycle.createFile(request, call)
  await fixture.lifecycle.completeFile({ fileId, length: 0, ...atEnd }, call)
  return fileId
}

describe('client metadata', () => {
  it('is shown by the status, by open, and by a listing that is asked for it', async () => {
    await create('/ns/f')
    await fixture.restart()
    expect(await shown('/ns/f')).toEqual(told.clientMetadata.values)
    expect((await fixture.service.openFile({ path: '/ns/f' }, call)).file).toMatchObject(told)
    const request = { path: '/ns', recursive: false, pageToken: '', limit: 0 }
    expect((await fixture.service.listStatus(request, call)).files[0]).not.toHaveProperty('clientMetadata')
    const { files } = await fixture.service.listStatus({ ...request, withMetadata: true }, call)
    expect(files).toMatchObject([told])
  })

  it('is replaced by what is given at the end', async () => {
    await create('/ns/a', { clientMetadata: { values: { etag: 'late' } } })
    expect(await shown('/ns/a')).toEqual({ etag: 'late' })
    await create('/ns/b', { clientMetadata: { values: {} } })
    expect(await fixture.stat('/ns/b')).not.toHaveProperty('clientMetadata')
  })

  it('stays when the file is persisted, moved, freed and looked at, and is never sent', async () => {
    await fixture.worker('w')
    await create('/ns/f')
    await fixture.lifecycle.persist({ path: '/ns/f' }, call)
    const { etag } = await fixture.stat('/ns/f')
    expect(JSON.stringify(fixture.persists)).not.toMatch(/clientMetadata|a=b/)
    store.put('f', { length: 0, etag, metadata: { contentType: 'text/html' } })
    await fixture.lifecycle.loadMetadata({ path: '/ns/f', recursive: false }, call)
    expect(await fixture.stat('/ns/f')).toMatchObject({ ...told, etag, contentType: 'text/html' })
    await fixture.lifecycle.rename({ from: '/ns/f', to: '/ns/d/g' }, call)
    await fixture.service.free({ path: '/ns/d', force: true }, call)
    await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    await fixture.restart()
    expect(await shown('/ns/d/g')).toEqual(told.clientMetadata.values)
  })

  it('is gone with the version: at the store, or overwritten', async () => {
    store.put('f', { etag: 'v1' })
    await set('/ns/f', { tags: 'a=b' })
    store.put('f', { etag: 'v2' })
    await fixture.lifecycle.loadMetadata({ path: '/ns/f', recursive: false }, call)
    expect(await fixture.stat('/ns/f')).toMatchObject({ etag: 'v2' })
    expect(await shown('/ns/f')).toBeUndefined()
    await create('/ns/g')
    await create('/ns/g', {}, { overwrite: true, clientMetadata: undefined })
    expect(await shown('/ns/g')).toBeUndefined()
  })

  it('stays when an atomic load swaps in the version that is there', async () => {
    store.put('f', { etag: 'v1' })
    await set('/ns/f', { tags: 'a=b' })
    const stagingId = '/ns/f'
    const page = { path: '/ns/f', cursor: '', limit: 0, stagingId, stagingExpiresMs: fixture.clock.now + 1000 }
    await fixture.service.syncPage(page, call)
    await fixture.service.commitStaging({ stagingId }, call)
    expect(await shown('/ns/f')).toEqual({ tags: 'a=b' })
  })

  it('of a file is replaced as a whole, and the version stays', async () => {
    const fileId = await create('/ns/f')
    expect(await set('/ns/f', { tags: 'c=d' })).toEqual({ files: 1, paths: ['/ns/f'] })
    await fixture.restart()
    expect(await fixture.stat('/ns/f')).toMatchObject({ fileId, clientMetadata: { values: { tags: 'c=d' } } })
    await set('/ns/f', {})
    expect(await shown('/ns/f')).toBeUndefined()
  })

  it('is for files only', async () => {
    await create('/ns/d/f')
    await expect(set('/ns/d', {})).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(set('/ns/none', {})).rejects.toMatchObject({ code: 'not_found' })
    await expect(set('/', {})).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
