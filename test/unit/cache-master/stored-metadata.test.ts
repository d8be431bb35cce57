// Why: what is stored with an object follows the store, and what users gave goes there with the
// bytes. How: the master's services, over a store in memory.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StoredMetadata } from '../../../src/base/attributes/object-metadata.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
  // As listings do.
  store.listed = ({ metadata: _metadata, ...object }) => object
})
afterEach(() => fixture.close())

const path = '/ns/f'
const text: StoredMetadata = { contentType: 'text/plain', userMetadata: { project: 'x' } }
const commands = (): number => fixture.journal.entries.length
const look = () => fixture.service.getStatus({ path, syncIntervalMs: 0 }, call)
const shown = async (): Promise<StoredMetadata> => {
  const { contentType, userMetadata } = await fixture.stat(path)
  return {
    ...(contentType === undefined ? {} : { contentType }),
    ...(userMetadata === undefined ? {} : { userMetadata: userMetadata.values }),
  }
}

describe('what is stored with an object', () => {
  it('is known from the first look at it, with one command, and from then on', async () => {
    store.put('f', { metadata: text })
    const before = commands()
    await fixture.stat(path)
    expect(commands() - before).toBe(1)
    expect([await shown(), store.stats]).toEqual([text, 1])
    await fixture.restart()
    expect(await shown()).toEqual(text)
  })

  it('comes in with a look at a listed object, and is not journaled again', async () => {
    store.put('f', { metadata: text })
    await fixture.keys()
    expect(await shown()).toEqual({})
    const before = commands()
    await look()
    expect(await shown()).toEqual(text)
    await look()
    expect(commands() - before).toBe(1)
  })

  it('comes in with the reports of loads: one command for what is news, none otherwise', async () => {
    for (const key of ['a', 'b', 'f']) store.put(key)
    await fixture.keys()
    const only = await fixture.write('/ns/only-here', 2)
    const idOf = async (key: string): Promise<number> => (await fixture.stat(`/ns/${key}`)).fileId
    const report = { contentType: 'text/plain', userMetadata: { values: { project: 'x' } } }
    const fileIds = [...(await Promise.all(['a', 'b', 'f'].map(idOf))), only, 12345]
    const files = fileIds.map((fileId) => ({ fileId, ...report }))
    const before = commands()
    expect(await fixture.service.reportMetadata({ files }, call)).toEqual({ changed: 3 })
    expect([commands() - before, await shown()]).toEqual([1, text])
    expect(await fixture.service.reportMetadata({ files }, call)).toEqual({ changed: 0 })
    expect(commands() - before).toBe(1)
    expect(await fixture.stat('/ns/only-here')).not.toHaveProperty('contentType')
    await fixture.restart()
    expect(await shown()).toEqual(text)
  })

  it('of an object that an atomic load puts aside is known after the swap', async () => {
    store.put('f')
    const staged = { path: '/ns', cursor: '', limit: 0, stagingId: '/ns', stagingExpiresMs: 1e13 }
    const { files, stagingId = '' } = await fixture.service.syncPage(staged, call)
    const [file] = files
    await fixture.service.reportMetadata({ files: [{ fileId: file?.fileId ?? 0, contentType: 'text/css' }] }, call)
    await fixture.service.commitStaging({ stagingId }, call)
    expect([(await fixture.stat(path)).fileId, await shown()]).toEqual([file?.fileId, { contentType: 'text/css' }])
  })

  it('changes with the object, and in place', async () => {
    store.put('f', { metadata: text })
    await look()
    store.put('f', { metadata: { contentType: 'text/html' } })
    await look()
    expect(await shown()).toEqual({ contentType: 'text/html' })
    store.put('f', { metadata: {} })
    await look()
    expect(await shown()).toEqual({})
    store.put('f', { etag: 'v2', metadata: text })
    await look()
    expect(await shown()).toEqual(text)
    store.put('f', { etag: 'v3', metadata: text })
    await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    expect(await shown()).toEqual({})
  })

  it('stays where the store keeps none', async () => {
    const given = { contentType: 'text/plain', userMetadata: { values: { project: 'x' } } }
    const { fileId } = await fixture.lifecycle.createFile({ path, blockSizeBytes: 0, requestKey: '', ...given }, call)
    await fixture.worker('w')
    await fixture.lifecycle.completeFile({ fileId, length: 0 }, call)
    await fixture.lifecycle.persist({ path }, call)
    expect(fixture.persists).toMatchObject([{ key: 'f', ...given }])
    await look()
    expect(await shown()).toEqual(text)
  })

  it('that a user gave as a default type is not in conflict with the store', async () => {
    const given = { contentType: 'application/octet-stream' }
    const { fileId } = await fixture.lifecycle.createFile({ path, blockSizeBytes: 0, requestKey: '', ...given }, call)
    await fixture.worker('w')
    await fixture.lifecycle.completeFile({ fileId, length: 0 }, call)
    await fixture.lifecycle.persist({ path }, call)
    store.put('f', { ...store.objects.get('f'), metadata: {} })
    const before = commands()
    await look()
    expect([await shown(), commands() - before]).toEqual([given, 0])
  })

  it('is not asked for of a file that has none to persist', async () => {
    await fixture.write(path, 2)
    await fixture.lifecycle.persist({ path }, call)
    expect(fixture.persists[0]).not.toHaveProperty('contentType')
    expect(fixture.persists[0]).not.toHaveProperty('userMetadata')
  })
})
