// Why: the answer to a rename may be lost, and so may the master that was doing it. How: the caller
// names what it moves; the call that is made again finds the work done, or ends it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { expectSame, filesOf } from './support/held-writes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

const rename = (from: string, to: string, more: { overwrite?: boolean; fileId?: number } = {}) =>
  fixture.lifecycle.rename({ from, to, ...more }, call)

/** What the target is before, by the words of a test. */
const targets = {
  nothing: async () => undefined,
  'a file of the store': async () => {
    store.put('d/f', { etag: 'old', length: 10 })
    await fixture.stat('/ns/d/f')
  },
  'a file that only the cache has': async () => void (await fixture.write('/ns/d/f', 6)),
  'a file of the cache over an object': async () => {
    store.put('d/f', { etag: 'old', length: 10 })
    await fixture.stat('/ns/d/f')
    await fixture.write('/ns/d/f', 6, true)
  },
} as const
const names = Object.keys(targets) as (keyof typeof targets)[]
const copies = { 'with its ETag': 'new', 'in parts': 'new-3' } as const
const cases = names.flatMap((name) => Object.entries(copies).map(([how, etag]) => [name, how, etag] as const))

/** The store moves as it does, and gives the object this ETag. @param after what then happens */
function moving(etag: string, after: () => void): void {
  const [plain, replacing] = [store.rename.bind(store), store.renameOver.bind(store)]
  const moved = (to: string): void => {
    store.put(to, { ...store.objects.get(to), etag })
    store.rename = plain
    store.renameOver = replacing
    after()
  }
  store.rename = async (...asked) => {
    const answer = await plain(...asked)
    moved(asked[1])
    return answer
  }
  store.renameOver = async (...asked) => {
    const answer = await replacing(...asked)
    moved(asked[1])
    return answer
  }
}

describe('a rename that is made again', () => {
  it.each(names)('after its end, over %s, has done its work', async (name) => {
    await targets[name]()
    store.put('d/new', { etag: 'new', length: 4 })
    const { fileId } = await fixture.stat('/ns/d/new')
    const asked = { overwrite: true, fileId }
    await rename('/ns/d/new', '/ns/d/f', asked)
    await rename('/ns/d/new', '/ns/d/f', asked)
    await fixture.restart()
    await rename('/ns/d/new', '/ns/d/f', asked)
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ fileId, length: 4 })
    await expect(rename('/ns/d/new', '/ns/d/f', { overwrite: true })).rejects.toMatchObject({ code: 'not_found' })
    await expectSame(fixture, store)
  })

  it('while the first one is under way waits for its end', async () => {
    const fileId = await fixture.write('/ns/a', 6)
    const asked = { overwrite: true, fileId }
    await Promise.all([rename('/ns/a', '/ns/b', asked), rename('/ns/a', '/ns/b', asked)])
    await Promise.all([rename('/ns/b', '/ns/c', { fileId }), rename('/ns/b', '/ns/c', { fileId })])
    expect(await filesOf(fixture)).toEqual(['c'])
  })

  it('leaves alone what has come to the old name', async () => {
    const fileId = await fixture.write('/ns/a', 6)
    await rename('/ns/a', '/ns/b', { fileId })
    const later = await fixture.write('/ns/a', 7)
    await rename('/ns/a', '/ns/b', { overwrite: true, fileId })
    expect([(await fixture.stat('/ns/a')).fileId, (await fixture.stat('/ns/b')).fileId]).toEqual([later, fileId])
  })

  it('of a directory has done its work, too', async () => {
    await fixture.write('/ns/d/a', 6)
    const { fileId } = await fixture.stat('/ns/d')
    await rename('/ns/d', '/ns/e', { fileId })
    await rename('/ns/d', '/ns/e', { fileId })
    expect(await filesOf(fixture)).toEqual(['e/a'])
  })

  it('moves another file than the one that it names, where that is at neither name', async () => {
    const fileId = await fixture.write('/ns/a', 6)
    await fixture.lifecycle.delete({ path: '/ns/a', recursive: false, cacheOnly: false }, call)
    await fixture.write('/ns/a', 7)
    await rename('/ns/a', '/ns/b', { fileId })
    expect(await fixture.stat('/ns/b')).toMatchObject({ length: 7 })
  })
})

describe('a rename whose answer from the store is lost', () => {
  it.each(cases)('over %s, copied %s, succeeds', async (name, _how, etag) => {
    await targets[name]()
    store.put('d/new', { etag: 'new', length: 4 })
    const { fileId } = await fixture.stat('/ns/d/new')
    moving(etag, () => {
      throw new SkeinError('unavailable', 'the answer was lost')
    })
    await rename('/ns/d/new', '/ns/d/f', { overwrite: true })
    const moved = await fixture.stat('/ns/d/f')
    expect(moved).toMatchObject({ length: 4, etag, persistenceState: 'PERSISTED' })
    // Nobody can prove that a copy in parts is the file whose blocks are cached.
    expect(moved.fileId === fileId).toBe(etag === 'new')
    await expectSame(fixture, store)
  })

  it('fails where the store has not moved it, and where nobody can tell', async () => {
    store.put('d/new', { etag: 'new', length: 4 })
    await fixture.stat('/ns/d/new')
    const plain = store.rename.bind(store)
    store.rename = () => Promise.reject(new SkeinError('unavailable', 'not done'))
    await expect(rename('/ns/d/new', '/ns/d/f')).rejects.toMatchObject({ code: 'unavailable' })
    expect(await filesOf(fixture)).toEqual(['d/new'])
    store.rename = plain
    moving('new', () => {
      store.failure = new SkeinError('unavailable', 'away')
      throw store.failure
    })
    const { fileId } = await fixture.stat('/ns/d/new')
    await expect(rename('/ns/d/new', '/ns/d/f', { fileId })).rejects.toMatchObject({ code: 'unavailable' })
    store.failure = undefined
    await rename('/ns/d/new', '/ns/d/f', { fileId })
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ fileId, etag: 'new' })
    await expectSame(fixture, store)
  })

  it('does not take the object of another client for the one that it moves', async () => {
    await targets['a file that only the cache has']()
    store.put('d/new', { etag: 'new', length: 4 })
    const { fileId } = await fixture.stat('/ns/d/new')
    store.objects.delete('d/new')
    store.put('d/f', { etag: 'theirs', length: 4 })
    await expect(rename('/ns/d/new', '/ns/d/f', { overwrite: true, fileId })).rejects.toMatchObject({
      code: 'not_found',
    })
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ length: 6, persistenceState: 'NOT_PERSISTED' })
  })
})

describe('a rename whose master ended after the store had moved the object', () => {
  it.each(cases.filter(([name]) => name !== 'nothing'))('over %s, copied %s, is ended', async (name, _how, etag) => {
    await targets[name]()
    store.put('d/new', { etag: 'new', length: 4 })
    const { fileId } = await fixture.stat('/ns/d/new')
    store.objects.delete('d/new')
    store.put('d/f', { etag, length: 4 })
    await fixture.restart()
    await rename('/ns/d/new', '/ns/d/f', { overwrite: true, fileId })
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ length: 4, etag, persistenceState: 'PERSISTED' })
    expect(await filesOf(fixture)).toEqual(['d/f'])
    await expectSame(fixture, store)
  })
})
