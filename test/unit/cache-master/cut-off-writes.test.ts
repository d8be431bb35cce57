// Why: a write to the store whose worker, caller or master went away may still arrive there, when
// its file was moved or removed long ago. How: the worker's answer is lost, and what it sent
// arrives before, during or after the next change of the path.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { expectSame, turns } from './support/held-writes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

const windowMs = 1000
let fixture: MasterFixture
let store: FakeStore
let land: () => void

beforeEach(async () => {
  fixture = await MasterFixture.open({ cutOffWriteMs: windowMs })
  store = await fixture.create()
})
afterEach(() => fixture.close())

/** A file of 6 bytes, whose write to the store is cut off: it arrives when the test says so. */
async function cutOff(path: string): Promise<number> {
  const fileId = await fixture.write(path, 6)
  const write = fixture.persist.bind(fixture)
  fixture.persist = async (_on, request) => {
    land = () => store.put(request.key, { length: request.length, etag: `p-${request.key}`, modifiedMs: 77 })
    throw new SkeinError('unavailable', 'the worker is gone')
  }
  expect((await fixture.lifecycle.persist({ path }, call)).failures).toHaveLength(1)
  fixture.persist = write
  return fileId
}
/** The worker of a file comes back, and has its two blocks. */
const comeBack = (fileId: number) =>
  fixture.worker(
    `w-${fileId}`,
    [0, 1].map((index) => blockIdOf(fileId, index)),
  )
const move = (from: string, to: string, waitMs?: number) => fixture.lifecycle.rename({ from, to, waitMs }, call)
const remove = (path: string, waitMs?: number) =>
  fixture.lifecycle.delete({ path, recursive: true, cacheOnly: false, waitMs }, call)

/** What is asked for goes on until the write cannot arrive any more. */
async function within(change: () => Promise<unknown>, meanwhile: () => void): Promise<void> {
  let isDone = false
  const done = change().then(() => (isDone = true))
  await turns(50)
  expect(isDone).toBe(false)
  meanwhile()
  fixture.clock.now += windowMs + 1
  await done
}

it('a move waits for it, and moves what has arrived', async () => {
  await cutOff('/ns/d/a')
  await within(
    () => move('/ns/d/a', '/ns/d/b'),
    () => land(),
  )
  expect([...store.objects.keys()]).toEqual(['d/b'])
  await expectSame(fixture, store)
})

it('a removal of the directory above it waits for it, and removes what has arrived', async () => {
  await cutOff('/ns/d/a')
  await within(
    () => remove('/ns/d'),
    () => land(),
  )
  expect([...store.objects.keys()]).toEqual([])
})

it('a move that finds nothing arrived moves what only the cache has', async () => {
  await cutOff('/ns/d/a')
  await within(
    () => move('/ns/d', '/ns/e'),
    () => undefined,
  )
  expect([...store.objects.keys()]).toEqual([])
  expect(await fixture.stat('/ns/e/a')).toMatchObject({ persistenceState: 'NOT_PERSISTED' })
})

it('a restart in between forgets nothing', async () => {
  await cutOff('/ns/d/a')
  await fixture.restart()
  await within(
    () => remove('/ns/d/a'),
    () => store.put('d/other'),
  )
  expect([...store.objects.keys()]).toEqual(['d/other'])
  // Once only.
  await fixture.restart()
  await remove('/ns/d')
})

it('who will not wait hears what is in the way', async () => {
  await cutOff('/ns/d/a')
  await expect(remove('/ns/d/a', 0)).rejects.toMatchObject({
    reason: 'path_busy',
    message: expect.stringMatching(/^\/ns\/d\/a was being written .* may arrive there for 1 s more; try again$/),
  })
  await expect(move('/ns/d', '/ns/e', 0)).rejects.toMatchObject({ reason: 'path_busy' })
})

it('what somebody else put there in the meantime stays', async () => {
  await cutOff('/ns/d/a')
  const write = fixture.persist.bind(fixture)
  await within(
    () => move('/ns/d/a', '/ns/d/b'),
    () => {
      store.put('d/a', { length: 6, etag: 'theirs' })
      fixture.persist = async () => Promise.reject(new SkeinError('already_exists', 'another object is there'))
    },
  )
  fixture.persist = write
  expect(store.objects.get('d/a')?.etag).toBe('theirs')
  expect(await fixture.stat('/ns/d/b')).toMatchObject({ persistenceState: 'NOT_PERSISTED' })
})

it('what nobody asks for is made known by itself', async () => {
  await cutOff('/ns/d/a')
  land()
  fixture.clock.now += windowMs + 1
  const stop = new AbortController()
  fixture.master.start(stop.signal)
  await fixture.until(async () => (await fixture.stat('/ns/d/a')).persistenceState === 'PERSISTED')
  stop.abort()
  await expectSame(fixture, store)
})

it('a worker that said no holds up nobody', async () => {
  await fixture.write('/ns/d/a', 6)
  fixture.persistFailure = new SkeinError('permission_denied', 'no')
  expect((await fixture.lifecycle.persist({ path: '/ns/d/a' }, call)).failures).toHaveLength(1)
  await move('/ns/d/a', '/ns/d/b', 0)
  await remove('/ns/d/b', 0)
})

describe('a worker that has not come back when its master has', () => {
  let fileId: number

  beforeEach(async () => {
    fileId = await cutOff('/ns/d/a')
    land()
    await fixture.restart()
    fixture.clock.now += windowMs + 1
  })

  it.each(['removal', 'move', 'overwriting'])('is waited for by a %s', async (what) => {
    const next = what === 'overwriting' ? await fixture.begin('/ns/d/a', 7, true) : 0
    const change = (): Promise<unknown> => {
      if (what === 'removal') return remove('/ns/d/a')
      return what === 'move'
        ? move('/ns/d/a', '/ns/d/b')
        : fixture.lifecycle.completeFile({ fileId: next, length: 7 }, call)
    }
    let isDone = false
    const done = change().then(() => (isDone = true))
    await turns(50)
    expect(isDone).toBe(false)
    await comeBack(fileId)
    await done
    if (what === 'overwriting') {
      expect(await fixture.lifecycle.persist({ path: '/ns/d/a' }, call)).toMatchObject({ persisted: 1, failures: [] })
      expect(fixture.persists.at(-1)).toMatchObject({ fileId: next, replacedEtag: 'p-d/a' })
    } else expect([...store.objects.keys()]).toEqual(what === 'move' ? ['d/b'] : [])
    await expectSame(fixture, store)
  })

  it('is waited for no longer than it may be before it is lost, or than the caller has', async () => {
    await expect(move('/ns/d/a', '/ns/d/b', 0)).rejects.toMatchObject({ reason: 'path_busy' })
    let isDone = false
    const done = move('/ns/d/a', '/ns/d/b').then(() => (isDone = true))
    await turns(50)
    expect(isDone).toBe(false)
    fixture.clock.now += fixture.options.workerLostMs
    await done
    // Nobody could tell whose the object is.
    expect([...store.objects.keys()]).toEqual(['d/a'])
  })

  it('is found by the looks in the background however late it comes', async () => {
    fixture.clock.now += fixture.options.workerLostMs
    const { stats } = store
    await fixture.until(() => store.stats > stats)
    await turns()
    expect(await fixture.stat('/ns/d/a')).toMatchObject({ persistenceState: 'NOT_PERSISTED' })
    fixture.clock.now += 600_000
    await comeBack(fileId)
    await fixture.until(async () => (await fixture.stat('/ns/d/a')).persistenceState === 'PERSISTED')
    await expectSame(fixture, store)
  })
})
