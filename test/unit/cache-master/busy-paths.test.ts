// Why: a file may be moved or removed while it is being written to the store, and then the store
// and the metadata must say the same. How: the worker's write is held in the middle, before or
// after the object is there.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { expectSame, filesOf, type HeldWrites, holdWrites, turns } from './support/held-writes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create('ns', 's3://bucket', { writePolicy: 'ASYNC_THROUGH' })
})
afterEach(() => fixture.close())

const persist = (path: string) => fixture.lifecycle.persist({ path }, call)
const mv = (from: string, to: string, options: { signal?: AbortSignal; deadlineMs?: number } = {}) =>
  fixture.lifecycle.rename({ from, to }, { ...call, ...options })
const rm = (path: string, { recursive = false, cacheOnly = false } = {}) =>
  fixture.lifecycle.delete({ path, recursive, cacheOnly }, call)
const objects = (): string[] => [...store.objects.keys()].sort()
const files = (): Promise<string[]> => filesOf(fixture)
const stateOf = async (path: string): Promise<string> => (await fixture.stat(path)).persistenceState

describe.each(['before', 'after'] as const)(
  'while a file is written to the store, held %s its object is there,',
  (at) => {
    it('a move of it waits, and moves the object too', async () => {
      await fixture.write('/ns/p/x', 4)
      const writes = holdWrites(fixture, /x$/, at)
      const persisting = persist('/ns/p/x')
      await writes.reached
      const moving = mv('/ns/p/x', '/ns/p/y')
      await turns()
      writes.release()
      expect(await persisting).toEqual({ persisted: 1, already: 0, failures: [] })
      await moving
      expect(await stateOf('/ns/p/y')).toBe('PERSISTED')
      expect(objects()).toEqual(['p/y'])
      await expectSame(fixture, store)
    })

    it('a move of a directory above it waits, and moves the object too', async () => {
      for (const name of ['a', 'b/x', 'c']) await fixture.write(`/ns/p/${name}`, 4)
      const writes = holdWrites(fixture, /x$/, at)
      const persisting = persist('/ns/p')
      await writes.reached
      await turns()
      const moving = mv('/ns/p', '/ns/q')
      await turns()
      writes.release()
      await Promise.all([persisting, moving])
      expect(objects()).toEqual(['q/a', 'q/b/x', 'q/c'])
      await expectSame(fixture, store)
    })

    it.each(['/ns/p/x', '/ns/p'])('a removal of %s waits, and removes the object too', async (path) => {
      await fixture.write('/ns/p/x', 4)
      const writes = holdWrites(fixture, /x$/, at)
      const persisting = persist('/ns/p/x')
      await writes.reached
      const removing = rm(path, { recursive: true })
      await turns()
      writes.release()
      await persisting
      expect((await removing).files).toBe(1)
      expect(objects()).toEqual([])
      await expectSame(fixture, store)
    })

    it('a removal from the cache only waits, and keeps the object', async () => {
      await fixture.write('/ns/p/x', 4)
      const writes = holdWrites(fixture, /x$/, at)
      const persisting = persist('/ns/p/x')
      await writes.reached
      const removing = rm('/ns/p', { recursive: true, cacheOnly: true })
      await turns()
      writes.release()
      expect((await persisting).failures).toEqual([])
      await removing
      expect(await stateOf('/ns/p/x')).toBe('PERSISTED')
      await expectSame(fixture, store)
    })

    it.each(['/ns/p/x', '/ns/p'])('a TTL that deletes %s removes the object too', async (path) => {
      await fixture.write('/ns/p/x', 4)
      await fixture.lifecycle.setTtl({ path, ttlMs: 10, action: 'DELETE' }, call)
      const writes = holdWrites(fixture, /x$/, at)
      const persisting = persist('/ns/p/x')
      await writes.reached
      fixture.clock.now += 10
      const isGone = async (): Promise<boolean> => (await files()).length === 0
      let looks = 0
      await fixture.until(async () => {
        // The checker has come to it; then it may go on.
        if ((looks += 1) === 50) writes.release()
        return looks > 50 && (await isGone())
      })
      await persisting.catch(() => undefined)
      expect(objects()).toEqual([])
      await expectSame(fixture, store)
    })
  },
)

describe('while the first files of a directory are removed at the store,', () => {
  const removals = {
    'rm -R': () => rm('/ns/p', { recursive: true }),
    'a TTL': async () => {
      await fixture.lifecycle.setTtl({ path: '/ns/p', ttlMs: 0, action: 'DELETE' }, call)
      await fixture.until(async () => (await files()).length === 0)
    },
  }
  it.each(Object.keys(removals) as (keyof typeof removals)[])(
    'the end of the write of another brings nothing back (%s)',
    async (how) => {
      store.put('p/a')
      await fixture.stat('/ns/p/a')
      await fixture.write('/ns/p/x', 4)
      const writes = holdWrites(fixture, /x$/)
      const remove = store.delete.bind(store)
      const released = Promise.withResolvers<void>()
      store.delete = async (key, signal) => {
        await released.promise
        await remove(key, signal)
      }
      const persisting = persist('/ns/p/x')
      await writes.reached
      const removing = removals[how]()
      await turns()
      writes.release()
      expect((await persisting).failures).toEqual([])
      released.resolve()
      await removing
      expect(objects()).toEqual([])
      await expectSame(fixture, store)
    },
  )
})

describe('who waits for a path that is being written', () => {
  let writes: HeldWrites
  let persisting: Promise<unknown>

  beforeEach(async () => {
    await fixture.write('/ns/p/large', 4)
    await fixture.write('/ns/p/next', 4)
    writes = holdWrites(fixture, /large$/)
    persisting = persist('/ns/p/large')
    await writes.reached
  })

  it('is told so a moment before its deadline, and nothing has moved', async () => {
    for (const [from, to] of [
      ['/ns/p/large', '/ns/z'],
      ['/ns/p', '/ns/q'],
    ] as const) {
      const moving = mv(from, to, { deadlineMs: 20_000 })
      const refused = expect(moving).rejects.toMatchObject({
        code: 'deadline_exceeded',
        reason: 'path_busy',
        retryable: true,
        message: '/ns/p/large is being written to the store; try again',
      })
      await turns()
      fixture.clock.scheduled.get(18_500)?.()
      await refused
      expect(fixture.clock.scheduled.has(18_500)).toBe(false)
    }
    expect(await files()).toEqual(['p/large', 'p/next'])
    writes.release()
    await persisting
    await mv('/ns/p', '/ns/q')
    expect(objects()).toEqual(['q/large'])
    await expectSame(fixture, store)
  })

  it('may give up', async () => {
    const giving = new AbortController()
    const moving = mv('/ns/p', '/ns/q', { signal: giving.signal })
    await turns()
    giving.abort(new SkeinError('cancelled', 'enough'))
    await expect(moving).rejects.toMatchObject({ code: 'cancelled', message: 'enough' })
    expect(await persist('/ns/p/next')).toMatchObject({ persisted: 1 })
    writes.release()
    await persisting
    await expectSame(fixture, store)
  })

  it('holds up nothing elsewhere', async () => {
    const moving = mv('/ns/p', '/ns/q')
    await turns()
    await fixture.write('/ns/other/a', 4)
    await mv('/ns/other/a', '/ns/other/b')
    expect(await persist('/ns/other')).toMatchObject({ persisted: 1 })
    await fixture.write('/ns/other/c', 4)
    // Neither the waiting move nor the files below it hold up the others.
    await fixture.until(async () => (await stateOf('/ns/other/c')) === 'PERSISTED')
    await rm('/ns/other/b')
    store.put('gone')
    await fixture.stat('/ns/gone')
    await fixture.lifecycle.setTtl({ path: '/ns/gone', ttlMs: 0, action: 'DELETE' }, call)
    await fixture.until(() => !store.objects.has('gone'))
    expect(await files()).toEqual(['other/c', 'p/large', 'p/next'])
    writes.release()
    await Promise.all([persisting, moving])
    expect(await persist('/ns/q')).toMatchObject({ failures: [] })
    expect(objects()).toEqual(['other/c', 'q/large', 'q/next'])
    await expectSame(fixture, store)
  })

  it('as the check of the TTLs does, tries again later and goes on with the others', async () => {
    const setTtl = (path: string) => fixture.lifecycle.setTtl({ path, ttlMs: 0, action: 'DELETE' }, call)
    await setTtl('/ns/p/large')
    await fixture.until(() => {
      fixture.clock.scheduled.get(2000)?.()
      return fixture.logs.some(
        (line) => line.includes('it is tried again') && line.includes('/ns/p/large is being written to the store'),
      )
    })
    store.put('gone')
    await fixture.stat('/ns/gone')
    await setTtl('/ns/gone')
    await fixture.until(async () => {
      fixture.clock.scheduled.get(2000)?.()
      return (await files()).join() === 'p/large,p/next'
    })
    writes.release()
    await persisting
    await fixture.until(async () => !(await files()).includes('p/large'))
    expect(objects()).not.toContain('p/large')
  })

  it('finds what became of it meanwhile', async () => {
    const calls: Promise<unknown>[] = []
    // Each has come to the latch before the next one begins.
    for (const begin of [
      () => mv('/ns/p/large', '/ns/p/moved'),
      () => mv('/ns/p/large', '/ns/p/again'),
      () => mv('/ns/p/next', '/ns/p/moved'),
      () => rm('/ns/p/large'),
      () => persist('/ns/p/large'),
    ]) {
      calls.push(begin())
      await turns()
    }
    const settled = Promise.allSettled(calls)
    writes.release()
    await persisting
    expect((await settled).map((one) => (one.status === 'fulfilled' ? 'done' : one.reason.message))).toEqual([
      'done',
      '/ns/p/large does not exist any more',
      '/ns/p/moved exists already',
      'done',
      'done',
    ])
    expect(await files()).toEqual(['p/moved', 'p/next'])
    expect(objects()).toEqual(['p/moved'])
    await expectSame(fixture, store)
  })
})

it.each([
  ['/ns/d/a', '/ns/b'],
  ['/ns/d', '/ns/b'],
])('a file that gets its name while objects move from %s to %s stays, and they move back', async (from, to) => {
  store.put('d/a')
  await fixture.stat('/ns/d/a')
  const { fileId } = await fixture.lifecycle.createFile(
    { path: from === '/ns/d' ? '/ns/b/new' : '/ns/b', blockSizeBytes: 0, requestKey: '' },
    call,
  )
  const rename = store.rename.bind(store)
  store.rename = async (...args) => {
    const renamed = await rename(...args)
    await fixture.lifecycle.completeFile({ fileId, length: 0 }, call)
    return renamed
  }
  await expect(mv(from, to)).rejects.toMatchObject({
    code: 'already_exists',
    message: expect.stringMatching(/^\/ns\/b\/? exists already$/),
  })
  expect(objects()).toEqual(['d/a'])
  expect(await stateOf('/ns/d/a')).toBe('PERSISTED')
  expect((await files()).length).toBe(2)
  await expectSame(fixture, store)
})

it('a write that waited for a move holds the name that the file has by then', async () => {
  await fixture.write('/ns/x', 4)
  const first = holdWrites(fixture, /x$/, 'before')
  const second = holdWrites(fixture, /y$/, 'before')
  fixture.persistFailure = new SkeinError('unavailable', 'down')
  const failing = persist('/ns/x')
  await first.reached
  const moving = mv('/ns/x', '/ns/y')
  await turns()
  const waiting = persist('/ns/x')
  await turns()
  first.release()
  expect((await failing).failures).toEqual(['/ns/x: down'])
  await moving
  await second.reached
  fixture.persistFailure = undefined
  const movingAgain = mv('/ns/y', '/ns/z')
  await turns()
  second.release()
  expect(await waiting).toMatchObject({ persisted: 1 })
  await movingAgain
  expect(objects()).toEqual(['z'])
  await expectSame(fixture, store)
})

it('the same bytes, written again while their first write ends late, stay at the store', async () => {
  await fixture.write('/ns/q/x', 4)
  const writes = holdWrites(fixture, /x$/)
  const persisting = persist('/ns/q/x')
  await writes.reached
  // What a retry does: away with it, and once more.
  const again = (async () => {
    await rm('/ns/q/x')
    await fixture.write('/ns/q/x', 4)
    return persist('/ns/q/x')
  })()
  await turns()
  writes.release()
  await persisting
  expect(await again).toMatchObject({ persisted: 1 })
  expect(objects()).toEqual(['q/x'])
  await expectSame(fixture, store)
})
