// A file that is moved to the place of another one: here and at the store, without losing what
// another client wrote there.
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

const over = (from: string, to: string) => fixture.lifecycle.rename({ from, to, overwrite: true }, call)
const move = (from: string, to: string) => fixture.lifecycle.rename({ from, to }, call)
const persist = (path: string) => fixture.lifecycle.persist({ path }, call)
const objects = (): Record<string, string> =>
  Object.fromEntries([...store.objects].map(([key, { etag }]) => [key, etag]))

describe('a file that only the cache has', () => {
  it('takes the place of a file of the store in one command, and of its object when it is persisted', async () => {
    const fileId = await fixture.write('/ns/d/f.tmp', 6)
    const before = fixture.journal.entries.length
    await over('/ns/d/f.tmp', '/ns/d/f')
    expect(fixture.journal.entries.length - before).toBe(1)
    expect(await filesOf(fixture)).toEqual(['d/f'])
    await fixture.restart()
    await fixture.worker(
      `w-${fileId}`,
      [0, 1].map((index) => blockIdOf(fileId, index)),
    )
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ fileId, length: 6, persistenceState: 'NOT_PERSISTED' })
    expect(objects()).toEqual({ 'd/f': 'old' })
    expect(await persist('/ns/d/f')).toMatchObject({ persisted: 1, failures: [] })
    expect(fixture.persists).toMatchObject([{ fileId, overwrite: true, replacedEtag: 'old' }])
    await expectSame(fixture, store)
  })

  it('takes the place of one that the store has in another version by now, and replaces that', async () => {
    store.put('d/f', { etag: 'newer', length: 11 })
    await fixture.write('/ns/t', 6)
    await over('/ns/t', '/ns/d/f')
    expect(await persist('/ns/d/f')).toMatchObject({ persisted: 1, failures: [] })
    expect(fixture.persists).toMatchObject([{ replacedEtag: 'newer' }])
  })

  it('takes the place of one that could not get to the store, and replaces what is there', async () => {
    await fixture.write('/ns/d/f', 6, true)
    store.put('d/f', { etag: 'theirs', length: 20 })
    expect((await persist('/ns/d/f')).failures).toHaveLength(1)
    await fixture.write('/ns/t', 7)
    await over('/ns/t', '/ns/d/f')
    expect(await persist('/ns/d/f')).toMatchObject({ persisted: 1, failures: [] })
    expect(fixture.persists.at(-1)).toMatchObject({ replacedEtag: 'theirs', length: 7 })
    await expectSame(fixture, store)
  })

  it('leaves no object at its old name that it had overwritten there', async () => {
    await fixture.write('/ns/d/f', 6, true)
    store.put('d/g', { etag: 'other', length: 3 })
    await over('/ns/d/f', '/ns/d/g')
    expect(objects()).toEqual({ 'd/g': 'other' })
    await persist('/ns/d/g')
    await expectSame(fixture, store)
  })

  it('waits while the file that it replaces is being written to the store', async () => {
    await fixture.write('/ns/g', 6)
    const held = holdWrites(fixture, /^g/)
    const persisting = persist('/ns/g')
    await held.reached
    await fixture.write('/ns/t', 7)
    let isDone = false
    const moving = over('/ns/t', '/ns/g').then(() => (isDone = true))
    await turns(50)
    expect(isDone).toBe(false)
    held.release()
    await Promise.all([persisting, moving])
    expect(await persist('/ns/g')).toMatchObject({ persisted: 1, failures: [] })
    expect(fixture.persists.at(-1)).toMatchObject({ replacedEtag: 'p-g', length: 7 })
    await expectSame(fixture, store)
  })
})

describe('a file that the store has', () => {
  beforeEach(() => {
    store.put('d/new', { etag: 'new', length: 4 })
  })

  it('moves at the store over the old object, and keeps its blocks', async () => {
    const { fileId } = await fixture.stat('/ns/d/new')
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    await over('/ns/d/new', '/ns/d/f')
    expect(objects()).toEqual({ 'd/f': 'new' })
    await fixture.restart()
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ fileId, etag: 'new', cachedBytes: 4 })
    await expectSame(fixture, store)
  })

  it.each(['d/new', 'd/f'])('moves as the store has them when another client changes %s meanwhile', async (key) => {
    await fixture.keys()
    const renameOver = store.renameOver.bind(store)
    let isFirst = true
    store.renameOver = async (from, to, versions) => {
      if (isFirst) store.put(key, { etag: 'later', length: 9 })
      isFirst = false
      return renameOver(from, to, versions)
    }
    await over('/ns/d/new', '/ns/d/f')
    expect(objects()).toEqual({ 'd/f': key === 'd/new' ? 'later' : 'new' })
    await expectSame(fixture, store)
  })

  it('replaces nothing that another client wrote in place of a file that the store has not', async () => {
    await fixture.write('/ns/d/f', 6, true)
    store.put('d/f', { etag: 'theirs', length: 20 })
    const moving = over('/ns/d/new', '/ns/d/f')
    await expect(moving).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    expect(objects()).toEqual({ 'd/f': 'theirs', 'd/new': 'new' })
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ length: 6, persistenceState: 'NOT_PERSISTED' })
    await over('/ns/d/new', '/ns/d/f')
    expect(objects()).toEqual({ 'd/f': 'new' })
    await expectSame(fixture, store)
  })

  it('creates the object where only the cache has the old file', async () => {
    await fixture.write('/ns/g', 6)
    await over('/ns/d/new', '/ns/g')
    expect(objects()).toEqual({ 'd/f': 'old', g: 'new' })
    await expectSame(fixture, store)
  })

  it('stays, and the old one too, while the store refuses', async () => {
    await fixture.keys()
    const renameOver = store.renameOver.bind(store)
    store.renameOver = () => Promise.reject(new SkeinError('permission_denied', 'denied'))
    await expect(over('/ns/d/new', '/ns/d/f')).rejects.toMatchObject({ code: 'permission_denied' })
    expect(await filesOf(fixture)).toEqual(['d/f', 'd/new'])
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ etag: 'old' })
    store.renameOver = renameOver
    await over('/ns/d/new', '/ns/d/f')
    await expectSame(fixture, store)
  })

  it('keeps what comes with it when it is freed meanwhile', async () => {
    await fixture.stat('/ns/d/new')
    const owned = { owner: 'alice', group: 'staff', mode: 0o640 }
    await fixture.lifecycle.setPathOwnership({ path: '/ns/d/new', recursive: false, ...owned }, call)
    const { fileId } = await fixture.stat('/ns/d/new')
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    const renameOver = store.renameOver.bind(store)
    store.renameOver = async (...asked) => {
      const answer = await renameOver(...asked)
      await fixture.service.free({ path: '/ns/d/new', force: false }, call)
      return answer
    }
    await over('/ns/d/new', '/ns/d/f')
    const moved = await fixture.stat('/ns/d/f')
    expect(moved).toMatchObject({ ...owned, etag: 'new', cachedBytes: 0 })
    expect(moved.fileId).not.toBe(fileId)
    await expectSame(fixture, store)
  })

  it('is found at its new name when somebody looked for it at the old one meanwhile', async () => {
    const renameOver = store.renameOver.bind(store)
    store.renameOver = async (...asked) => {
      const answer = await renameOver(...asked)
      await fixture.service.getStatus({ path: '/ns/d/new', syncIntervalMs: 0 }, call).catch(() => undefined)
      return answer
    }
    await over('/ns/d/new', '/ns/d/f')
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ etag: 'new' })
    await expectSame(fixture, store)
  })
})

describe('what another client puts at the old name while the store moves the object', () => {
  it.each([
    ['to a free name', '/ns/d/free'],
    ['over a file', '/ns/d/f'],
  ])('stays there, and does not move here: %s', async (_how, to) => {
    store.put('d/x', { etag: 'moved', length: 4 })
    await fixture.keys()
    const { fileId } = await fixture.stat('/ns/d/x')
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    const [rename, renameOver] = [store.rename.bind(store), store.renameOver.bind(store)]
    const seen: number[] = []
    const meanwhile = async <T>(answer: T): Promise<T> => {
      store.put('d/x', { etag: 'theirs', length: 4 })
      seen.push((await fixture.service.getStatus({ path: '/ns/d/x', syncIntervalMs: 0 }, call)).fileId)
      return answer
    }
    store.rename = async (...asked) => meanwhile(await rename(...asked))
    store.renameOver = async (...asked) => meanwhile(await renameOver(...asked))
    await over('/ns/d/x', to)
    const key = to.slice('/ns/'.length)
    expect(objects()).toMatchObject({ [key]: 'moved', 'd/x': 'theirs' })
    const [moved, theirs] = [await fixture.stat(to), await fixture.stat('/ns/d/x')]
    expect([moved.etag, theirs.etag]).toEqual(['moved', 'theirs'])
    // Blocks of the one are never read as those of the other.
    expect(seen).not.toContain(moved.fileId)
    await expectSame(fixture, store)
  })

  it('and what it puts at one of the names in a directory is known as the store has it', async () => {
    store.put('e/x', { etag: 'moved', length: 4 })
    store.put('e/y', { etag: 'y', length: 4 })
    await fixture.keys()
    const rename = store.rename.bind(store)
    store.rename = async (from, to, etag) => {
      const answer = await rename(from, to, etag)
      if (from !== 'e/x') return answer
      store.put('e/x', { etag: 'theirs', length: 4 })
      await fixture.service.getStatus({ path: '/ns/e/x', syncIntervalMs: 0 }, call)
      return answer
    }
    await move('/ns/e', '/ns/g')
    expect(objects()).toEqual({ 'd/f': 'old', 'e/x': 'theirs', 'g/x': 'moved', 'g/y': 'y' })
    await expectSame(fixture, store)
  })
})

describe('names', () => {
  it('are exact: only who asks for it moves into a directory', async () => {
    await fixture.write('/ns/a', 4)
    await fixture.write('/ns/e/y', 4)
    for (const [from, to] of [
      ['/ns/a', '/ns/d'],
      ['/ns/e', '/ns/d'],
      ['/ns/a', '/ns'],
      ['/ns/a', '/ns/d/f'],
    ] as const)
      await expect(move(from, to)).rejects.toMatchObject({ code: 'already_exists' })
    for (const [from, to] of [
      ['/ns/a', '/ns/d'],
      ['/ns/e', '/ns/d'],
      ['/ns/e', '/ns/d/f'],
    ] as const)
      await expect(over(from, to)).rejects.toMatchObject({ code: 'already_exists' })
    await expect(over('/ns/a', '/ns/new/')).rejects.toMatchObject({ code: 'invalid_argument' })
    await over('/ns/a', '/ns/a')
    await fixture.lifecycle.rename({ from: '/ns/a', to: '/ns/d', intoDirectory: true }, call)
    await fixture.lifecycle.rename({ from: '/ns/e', to: '/ns/d', intoDirectory: true }, call)
    await fixture.lifecycle.rename({ from: '/ns/d/a', to: '/ns/b', intoDirectory: true }, call)
    expect(await filesOf(fixture)).toEqual(['b', 'd/e/y', 'd/f'])
  })

  it('of a read-only namespace stay', async () => {
    await fixture.write('/ns/a', 4)
    const nothing = { secrets: {}, removedAttributes: [], ttlAction: '' }
    await fixture.service.updateNamespace({ name: 'ns', attributes: { readOnly: 'true' }, ...nothing }, call)
    await expect(over('/ns/a', '/ns/d/f')).rejects.toMatchObject({ reason: 'read_only' })
  })
})
