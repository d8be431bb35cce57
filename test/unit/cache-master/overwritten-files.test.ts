// A file that takes the place of another one: in one step, without losing what somebody else wrote
// at the store, and without the old version coming back.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { expectSame, filesOf, holdWrites, turns } from './support/held-writes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
  store.put('d/f', { etag: 'old', length: 10 })
  await fixture.stat('/ns/d/f')
})
afterEach(() => fixture.close())

const complete = (fileId: number, length: number, options: { deadlineMs?: number } = {}) =>
  fixture.lifecycle.completeFile({ fileId, length }, { ...call, ...options })
const persist = (path = '/ns/d/f') => fixture.lifecycle.persist({ path }, call)
const move = (from: string, to: string) => fixture.lifecycle.rename({ from, to }, call)
const remove = (path: string) => fixture.lifecycle.delete({ path, recursive: true, cacheOnly: false }, call)
const lookEverywhere = async (): Promise<void> => {
  await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
  await fixture.lifecycle.loadMetadata({ path: '/ns/d', recursive: false }, call)
  await fixture.lifecycle.loadMetadata({ path: '/ns/d/f', recursive: false }, call)
  await fixture.lifecycle.checkConsistency({ path: '/ns', repair: true }, call)
  await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
}

describe('a file that overwrites another', () => {
  it('is seen at once when it is complete, and no listing brings the old one back', async () => {
    const old = await fixture.stat('/ns/d/f')
    const fileId = await fixture.begin('/ns/d/f', 6, true)
    expect(await fixture.stat('/ns/d/f')).toEqual(old)
    const { file } = await complete(fileId, 6)
    expect(file).toMatchObject({ path: '/ns/d/f', fileId, length: 6, etag: '', persistenceState: 'NOT_PERSISTED' })
    await complete(fileId, 6)
    await lookEverywhere()
    await fixture.restart()
    await lookEverywhere()
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ fileId, length: 6, persistenceState: 'NOT_PERSISTED' })
    expect(await filesOf(fixture)).toEqual(['d/f'])
    expect(store.objects.get('d/f')?.etag).toBe('old')
  })

  it('replaces exactly the object that it has overwritten when it is persisted', async () => {
    const fileId = await fixture.write('/ns/d/f', 6, true)
    expect(await persist()).toMatchObject({ persisted: 1, failures: [] })
    expect(fixture.persists).toMatchObject([{ fileId, overwrite: true, replacedEtag: 'old' }])
    expect(await fixture.stat('/ns/d/f')).toMatchObject({
      fileId,
      etag: `p-d/f-${fileId}`,
      persistenceState: 'PERSISTED',
    })
    await expectSame(fixture, store)
    const next = await fixture.write('/ns/d/f', 7, true)
    await persist()
    expect(fixture.persists.at(-1)).toMatchObject({ fileId: next, replacedEtag: `p-d/f-${fileId}` })
    await expectSame(fixture, store)
  })

  it('replaces what the store has when it overwrites one that never got there', async () => {
    await fixture.write('/ns/d/f', 6, true)
    await fixture.restart()
    const fileId = await fixture.write('/ns/d/f', 7, true)
    await persist()
    expect(fixture.persists).toMatchObject([{ fileId, overwrite: true, replacedEtag: 'old' }])
    const created = await fixture.write('/ns/new', 5)
    await fixture.write('/ns/new', 6, true)
    await persist('/ns/new')
    expect(fixture.persists.at(-1)).toMatchObject({ overwrite: false, length: 6 })
    expect(created).toBeGreaterThan(0)
  })

  it('replaces what the store has by then where it is written at once, listed before or not', async () => {
    const through = await fixture.create('now', 's3://now', { writePolicy: 'CACHE_THROUGH' })
    through.put('changed', { etag: 'old', length: 10 })
    await fixture.service.listStatus({ path: '/now', recursive: false, pageToken: '', limit: 0 }, call)
    through.put('changed', { etag: 'new', length: 11 })
    through.put('created', { etag: 'one', length: 12 })
    for (const name of ['changed', 'created']) await fixture.write(`/now/${name}`, 6, true)
    expect(await persist('/now')).toMatchObject({ persisted: 2, failures: [] })
    expect(new Set(fixture.persists.map(({ replacedEtag }) => replacedEtag))).toEqual(new Set(['new', 'one']))
    await expect(fixture.begin('/now/created', 6)).rejects.toMatchObject({ code: 'already_exists' })
  })

  it('is created where there is nothing', async () => {
    const fileId = await fixture.write('/ns/d/new', 6, true)
    expect(await fixture.stat('/ns/d/new')).toMatchObject({ fileId })
    await persist('/ns/d/new')
    expect(fixture.persists).toMatchObject([{ overwrite: false }])
  })

  it('keeps what was set on the path', async () => {
    const minute = 60_000
    await fixture.lifecycle.setPinned({ path: '/ns/d/f', pinned: true }, call)
    await fixture.lifecycle.setTtl({ path: '/ns/d/f', ttlMs: minute, action: 'DELETE' }, call)
    await fixture.lifecycle.setPathReplication({ path: '/ns/d/f', recursive: false, min: 2, max: 3 }, call)
    await fixture.lifecycle.setPathOwnership({ path: '/ns/d/f', recursive: false, owner: 'alice', mode: 0o600 }, call)
    await fixture.write('/ns/d/f', 6, true)
    const kept = { pinned: true, ttlMs: minute, ttlAction: 'DELETE', replicationMin: 2, replicationMax: 3 }
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ ...kept, owner: 'alice', mode: 0o600 })
    const request = { path: '/ns/d/f', blockSizeBytes: 0, requestKey: '', overwrite: true, owner: 'skein' }
    const { fileId } = await fixture.lifecycle.createFile(request, call)
    await complete(fileId, 0)
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ ...kept, owner: 'skein', mode: 0o600 })
  })

  it('is wanted in place of the old blocks, a minute later for those who read them', async () => {
    const first = await fixture.write('/ns/g', 4)
    const blockId = blockIdOf(first, 0)
    await fixture.write('/ns/g', 4, true)
    expect(await fixture.report('w', await fixture.worker('w'), [blockId])).toEqual([])
    fixture.clock.scheduled.get(60_000)?.()
    await fixture.restart()
    expect(await fixture.report('w', await fixture.worker('w'), [blockId])).toEqual([blockId])
  })

  it('is refused where a directory has its name, also when that came later', async () => {
    await expect(fixture.begin('/ns/d', 4, true)).rejects.toMatchObject({ code: 'already_exists' })
    const fileId = await fixture.begin('/ns/e', 4, true)
    await fixture.lifecycle.makeDirectory({ path: '/ns/e' }, call)
    await expect(complete(fileId, 4)).rejects.toMatchObject({ code: 'already_exists' })
    expect(await fixture.stat('/ns/e')).toMatchObject({ folder: true })
  })
})

describe('a file that overwrites one version', () => {
  const createOver = (ifFileId: number) => {
    const request = { path: '/ns/d/f', blockSizeBytes: 0, requestKey: '', overwrite: true, ifFileId }
    return fixture.lifecycle.createFile(request, call)
  }

  it('is refused, at its end too, when another one is there', async () => {
    const { fileId: first } = await fixture.stat('/ns/d/f')
    const refusal = { code: 'aborted', reason: 'file_changed', retryable: false }
    const [early, late] = [await createOver(first), await createOver(first)]
    await fixture.restart()
    await complete(early.fileId, 0)
    await expect(complete(late.fileId, 0)).rejects.toMatchObject(refusal)
    await expect(createOver(first)).rejects.toMatchObject(refusal)
    await remove('/ns/d/f')
    await expect(createOver(early.fileId)).rejects.toMatchObject(refusal)
  })

  it('has the TTL and the metadata that its writer says, also at the end', async () => {
    const begun = { contentType: 'text/plain', userMetadata: { values: { a: 'b' } } }
    const ttl = { ttlMs: 5000, ttlAction: 'DELETE' }
    const request = { path: '/ns/d/f', blockSizeBytes: 0, requestKey: '', overwrite: true }
    const first = await fixture.lifecycle.createFile({ ...request, ...begun, ...ttl }, call)
    await fixture.restart()
    expect((await complete(first.fileId, 0)).file).toMatchObject({ ...begun, ...ttl })
    const second = await fixture.lifecycle.createFile({ ...request, ...begun }, call)
    const ended = { fileId: second.fileId, length: 0, contentType: 'text/html' }
    const { file } = await fixture.lifecycle.completeFile(ended, call)
    expect(file).toMatchObject({ ...begun, ...ttl, contentType: 'text/html' })
    const wrong = fixture.lifecycle.createFile({ ...request, ttlMs: 5, ttlAction: 'KEEP' }, call)
    await expect(wrong).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})

describe('writers of one path at the same time', () => {
  it('replace each other in the order of their ends, and none is mixed', async () => {
    const ids = [await fixture.begin('/ns/d/f', 4, true), await fixture.begin('/ns/d/f', 8, true)]
    await complete(ids[1]!, 8)
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ fileId: ids[1], length: 8 })
    await complete(ids[0]!, 4)
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ fileId: ids[0], length: 4 })
    await expect(complete(ids[1]!, 8)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('of two that must not overwrite the first one wins', async () => {
    const ids = [await fixture.begin('/ns/x', 4), await fixture.begin('/ns/x', 8)]
    await complete(ids[1]!, 8)
    await expect(complete(ids[0]!, 4)).rejects.toMatchObject({ code: 'already_exists' })
    const third = await fixture.begin('/ns/x', 5, true)
    await complete(third, 5)
    expect(await fixture.stat('/ns/x')).toMatchObject({ fileId: third })
  })

  it('wait while the old file is being written to the store', async () => {
    await fixture.write('/ns/g', 6)
    const held = holdWrites(fixture, /g/)
    const persisting = persist('/ns/g')
    await held.reached
    const fileId = await fixture.begin('/ns/g', 7, true)
    const impatient = expect(complete(fileId, 7, { deadlineMs: 5000 })).rejects.toMatchObject({ reason: 'path_busy' })
    await turns(50)
    for (const run of fixture.clock.scheduled.values()) run()
    await impatient
    let isDone = false
    const completing = complete(fileId, 7).then(() => (isDone = true))
    await turns(50)
    expect(isDone).toBe(false)
    held.release()
    await Promise.all([persisting, completing])
    expect(await persist('/ns/g')).toMatchObject({ persisted: 1, failures: [] })
    expect(fixture.persists.at(-1)).toMatchObject({ fileId, replacedEtag: 'p-g' })
    await expectSame(fixture, store)
  })

  it('who waits for the store gets it when another one has overwritten the file meanwhile', async () => {
    const held = holdWrites(fixture, /^d\/f/)
    await fixture.write('/ns/d/f', 6, true)
    const first = persist()
    await held.reached
    const fileId = await fixture.begin('/ns/d/f', 7, true)
    const completing = complete(fileId, 7)
    const second = persist()
    await turns(50)
    held.release()
    await completing
    expect([await first, await second]).toMatchObject([{ failures: [] }, { failures: [] }])
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ fileId, persistenceState: 'PERSISTED' })
    await expectSame(fixture, store)
  })
})

describe('what somebody else writes at the store', () => {
  beforeEach(async () => {
    await fixture.write('/ns/d/f', 6, true)
    store.put('d/f', { etag: 'theirs', length: 20 })
  })

  it('is not overwritten, and who persists is told', async () => {
    expect((await persist()).failures).toEqual([expect.stringContaining('/ns/d/f')])
    await lookEverywhere()
    expect(store.objects.get('d/f')?.etag).toBe('theirs')
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ length: 6, persistenceState: 'NOT_PERSISTED' })
  })

  it.each(['/ns/d/g', '/ns/e'])('stays when the file is moved away: %s', async (to) => {
    await move(to === '/ns/e' ? '/ns/d' : '/ns/d/f', to)
    await lookEverywhere().catch(() => undefined)
    expect(store.objects.get('d/f')?.etag).toBe('theirs')
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ length: 20, etag: 'theirs' })
    const moved = to === '/ns/e' ? '/ns/e/f' : to
    expect(await persist(moved)).toMatchObject({ persisted: 1, failures: [] })
    await expectSame(fixture, store)
  })

  it('stays when the file is removed', async () => {
    await remove('/ns/d/f')
    expect(store.objects.get('d/f')?.etag).toBe('theirs')
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ length: 20, etag: 'theirs' })
  })

  it('is gone: the file is a new one', async () => {
    store.objects.delete('d/f')
    expect(await persist()).toMatchObject({ persisted: 1, failures: [] })
    await expectSame(fixture, store)
  })
})

describe('the overwritten object', () => {
  beforeEach(async () => {
    await fixture.write('/ns/d/f', 6, true)
  })

  it.each([
    ['/ns/d/f', '/ns/d/g'],
    ['/ns/d', '/ns/e'],
  ])('does not come back when %s is moved to %s', async (from, to) => {
    await move(from, to)
    expect([...store.objects.keys()]).toEqual([])
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    const [key] = await filesOf(fixture)
    expect(await filesOf(fixture)).toEqual([to === '/ns/e' ? 'e/f' : 'd/g'])
    expect(await persist(`/ns/${key}`)).toMatchObject({ persisted: 1, failures: [] })
    await expectSame(fixture, store)
  })

  it.each(['/ns/d/f', '/ns/d'])('does not come back when %s is removed', async (path) => {
    await remove(path)
    expect([...store.objects.keys()]).toEqual([])
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await filesOf(fixture)).toEqual([])
  })

  it('is the file again when only the cache’s copy is removed', async () => {
    await fixture.lifecycle.delete({ path: '/ns/d/f', recursive: false, cacheOnly: true }, call)
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ etag: 'old', length: 10 })
  })

  it('stays, and the file too, while the store refuses', async () => {
    store.failure = new SkeinError('permission_denied', 'denied')
    await expect(move('/ns/d/f', '/ns/d/g')).rejects.toMatchObject({ code: 'permission_denied' })
    await expect(remove('/ns/d/f')).rejects.toMatchObject({ code: 'permission_denied' })
    store.failure = undefined
    expect(await filesOf(fixture)).toEqual(['d/f'])
    expect(store.objects.get('d/f')?.etag).toBe('old')
  })
})

describe('a write to the store that was cut off', () => {
  const cutOff = async (isThere: boolean): Promise<number> => {
    const fileId = await fixture.write('/ns/d/f', 10, true)
    const write = fixture.persist.bind(fixture)
    fixture.persist = async (on, request) => {
      if (isThere) await write(on, request)
      throw new SkeinError('unavailable', 'the worker is gone')
    }
    expect((await persist()).failures).toHaveLength(1)
    fixture.persist = write
    return fileId
  }

  it.each([true, false])('and has arrived (%s) is known before the next one takes its place', async (isThere) => {
    const first = await cutOff(isThere)
    await fixture.restart()
    const blocks = [0, 1, 2].map((index) => blockIdOf(first, index))
    await fixture.worker('again', blocks)
    const fileId = await fixture.write('/ns/d/f', 7, true)
    expect(await persist()).toMatchObject({ persisted: 1, failures: [] })
    const replacedEtag = isThere ? `p-d/f-${first}` : 'old'
    expect(fixture.persists.at(-1)).toMatchObject({ fileId, overwrite: true, replacedEtag })
    await expectSame(fixture, store)
  })
})
