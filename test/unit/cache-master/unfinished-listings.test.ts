// Pages of a directory that the store is still being listed for: they come as soon as their entries
// are known, show what the store has and nothing else, and callers share one listing.
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { compareKeys } from '../../../src/meta/edge-order.ts'
import type { ListStatusRequest, ListStatusResponse } from '../../../src/wire/generated/master.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore
/** Objects of a page of the store. */
let storePage = 10

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
  storePage = 10
  const list = store.list.bind(store)
  store.list = (request, signal) => list({ ...request, limit: Math.min(request.limit, storePage) }, signal)
})
afterEach(() => fixture.close())

const request = { path: '/ns', recursive: false, pageToken: '', limit: 10, brief: true }
const page = (more: Partial<ListStatusRequest> = {}): Promise<ListStatusResponse> =>
  fixture.service.listStatus({ ...request, ...more }, call)
const pathsOf = ({ listed }: ListStatusResponse): string[] => (listed?.entries ?? []).map(({ path }) => path)
const name = (index: number): string => `f${String(index).padStart(4, '0')}`

async function pathsOfAll(more: Partial<ListStatusRequest>): Promise<string[]> {
  const paths: string[] = []
  let pageToken = ''
  do {
    const answer = await page({ ...more, pageToken })
    paths.push(...pathsOf(answer))
    pageToken = answer.nextPageToken
  } while (pageToken !== '')
  return paths
}

/** What a listing of the store shows. */
function shownOf(keys: Iterable<string>, recursive: boolean): string[] {
  const shown = new Set<string>()
  for (const key of keys) {
    const slashes = [...key.matchAll(/\//g)].map(({ index }) => index + 1)
    for (const end of recursive ? slashes : slashes.slice(0, 1)) shown.add(key.slice(0, end))
    if (recursive || slashes.length === 0) shown.add(key)
  }
  return [...shown].toSorted(compareKeys)
}

/** Lets the store answer so many listings more; the next ones wait for the returned call. */
function stopBehind(listings: number): () => void {
  const open = Promise.withResolvers<void>()
  let left = listings
  store.afterList = async () => {
    left -= 1
    if (left < 0) await open.promise
  }
  return open.resolve
}

describe('a page of a directory that is listed at the store', () => {
  it('does not wait for the end of the listing', async () => {
    for (let index = 0; index < 95; index += 1) store.put(name(index))
    const goOn = stopBehind(3)
    const first = await page()
    expect(pathsOf(first)).toEqual(Array.from({ length: 10 }, (_, index) => name(index)))
    const second = await page({ pageToken: first.nextPageToken })
    expect(pathsOf(second)).toHaveLength(10)
    let isThere = false
    const fourth = page({ startAfter: name(29) }).finally(() => (isThere = true))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(isThere).toBe(false)
    goOn()
    expect(pathsOf(await fourth)[0]).toBe(name(30))
    expect(await pathsOfAll({ startAfter: name(19), pageToken: '' })).toHaveLength(75)
    // All of them were pages of one listing, and now it is known.
    expect(store.lists).toBe(10)
  })

  it('is not taken from a listing that is too old', async () => {
    for (let index = 0; index < 95; index += 1) store.put(name(index))
    const goOn = stopBehind(4)
    await page({ syncIntervalMs: 0 })
    store.objects.delete(name(0))
    fixture.clock.now += 1000
    expect(pathsOf(await page({ syncIntervalMs: 5000 }))[0]).toBe(name(0))
    const again = page({ syncIntervalMs: 1000 })
    goOn()
    expect(pathsOf(await again)[0]).toBe(name(1))
  })

  it('fails with the store, and comes when the store answers again', async () => {
    for (let index = 0; index < 95; index += 1) store.put(name(index))
    const { nextPageToken } = await page()
    store.failure = new SkeinError('unavailable', 'the store is down')
    await expect(pathsOfAll({ startAfter: name(60) })).rejects.toThrow('the store is down')
    store.failure = undefined
    store.put('f0009-new')
    expect(pathsOf(await page({ pageToken: nextPageToken, limit: 3 }))).toEqual(['f0009-new', name(10), name(11)])
  })

  it('ends with the only caller who waits for a silent store', async () => {
    store.put(name(0))
    store.silent = true
    const signals: AbortSignal[] = []
    const list = store.list.bind(store)
    store.list = (asked, signal) => {
      if (signal !== undefined) signals.push(signal)
      return list(asked, signal)
    }
    const caller = new AbortController()
    const waiting = fixture.service.listStatus(request, { signal: caller.signal })
    while (signals.length === 0) await new Promise((resolve) => setImmediate(resolve))
    caller.abort(new SkeinError('cancelled', 'the caller left'))
    await expect(waiting).rejects.toThrow('the caller left')
    expect(signals[0]?.aborted).toBe(true)
    store.silent = false
    expect(pathsOf(await page())).toEqual([name(0)])
  })

  it('names what cannot be used on the first page, or on the last one if it is not known before', async () => {
    for (let index = 0; index < 35; index += 1) store.put(name(index))
    store.put('z', { problem: 'the key is not UTF-8' })
    const goOn = stopBehind(2)
    const first = await page({ limit: 10 })
    expect(first.unusable).toBeUndefined()
    goOn()
    const second = await page({ pageToken: first.nextPageToken, limit: 1001 })
    expect(second.unusable?.total).toBe(1)
    expect((await page({ limit: 1001 })).unusable?.total).toBe(1)
  })

  it('does not show a directory that goes later in the same listing', async () => {
    storePage = 1000
    for (let index = 0; index < 5500; index += 1) store.put(`a/${name(index)}`)
    for (let index = 0; index < 3; index += 1) store.put(`b/${name(index)}`)
    await pathsOfAll({ recursive: true, limit: 1001 })
    for (const key of [...store.objects.keys()]) if (key.startsWith('a/')) store.objects.delete(key)
    fixture.clock.now += 1
    expect(await pathsOfAll({ recursive: true, limit: 1, syncIntervalMs: 0 })).toEqual(
      shownOf(store.objects.keys(), true),
    )
  })

  it('shows what the store has, whatever was known before, in pages of any size', async () => {
    const part = fc.constantFrom('a', 'b', 'b-', 'c', 'd0', 'e')
    const key = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
    const keys = fc.uniqueArray(key, { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(
        ...[fc.array(keys, { minLength: 1, maxLength: 4 }), fc.boolean()],
        ...[fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })],
        async (states, recursive, limit, objectsOfPage) => {
          storePage = objectsOfPage
          for (const state of states) {
            store.objects.clear()
            for (const one of state) store.put(one)
            fixture.clock.now += 1
            const paths = await pathsOfAll({ recursive, limit, syncIntervalMs: 0 })
            expect(paths).toEqual(shownOf(state, recursive))
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('pages of a store that changes meanwhile', () => {
  it('show all that was there all the time, and nothing that never was', async () => {
    const part = fc.constantFrom('a', 'b', 'b-', 'c', 'd0', 'e')
    const key = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
    const fate = fc.constantFrom('stays', 'goes', 'comes', 'is gone', 'never was')
    const objects = fc.uniqueArray(fc.tuple(key, fate), { maxLength: 30, selector: ([one]) => one })
    const lister = fc.record({
      ...{ recursive: fc.boolean(), limit: fc.integer({ min: 1, max: 6 }) },
      ...{ syncIntervalMs: fc.constantFrom(0, 1, 5), startAfter: fc.constantFrom('', 'b', 'b/b') },
    })
    await fc.assert(
      fc.asyncProperty(
        ...[objects, fc.array(lister, { minLength: 1, maxLength: 3 })],
        ...[fc.integer({ min: 1, max: 6 }), fc.array(fc.nat(29), { maxLength: 20 })],
        async (given, listers, objectsOfPage, changes) => {
          storePage = objectsOfPage
          const keysWith = (...fates: string[]): string[] =>
            given.filter(([, one]) => fates.includes(one)).map(([one]) => one)
          // Known before: what goes, and what is gone already.
          store.afterList = undefined
          store.objects.clear()
          for (const one of keysWith('stays', 'goes', 'is gone')) store.put(one)
          fixture.clock.now += 10
          await pathsOfAll({ recursive: true, syncIntervalMs: 0 })
          for (const one of keysWith('is gone')) store.objects.delete(one)
          fixture.clock.now += 10
          const left = [...changes]
          store.afterList = async () => {
            const [changed, fateOfIt] = given[left.pop() ?? given.length] ?? []
            if (fateOfIt === 'goes') store.objects.delete(changed ?? '')
            if (fateOfIt === 'comes') store.put(changed ?? '')
            fixture.clock.now += 1
            await new Promise((resolve) => setImmediate(resolve))
          }
          const listed = await Promise.all(listers.map((one) => pathsOfAll(one)))
          for (const [index, { recursive, startAfter }] of listers.entries()) {
            const isBehind = (path: string): boolean => startAfter === '' || compareKeys(path, startAfter) > 0
            const paths = listed[index] ?? []
            expect(paths).toEqual([...new Set(paths)].toSorted(compareKeys))
            expect(paths).toEqual(expect.arrayContaining(shownOf(keysWith('stays'), recursive).filter(isBehind)))
            const perhaps = shownOf(keysWith('stays', 'goes', 'comes'), recursive).filter(isBehind)
            expect(perhaps).toEqual(expect.arrayContaining(paths))
          }
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe('a directory that was seen at the store, and never looked into', () => {
  it('goes with what was in it', async () => {
    store.put('a/b/c')
    store.put('d/e')
    expect(await pathsOfAll({ recursive: false })).toEqual(['a/', 'd/'])
    expect(await pathsOfAll({ path: '/ns/a', recursive: false })).toEqual(['b/'])
    store.objects.delete('a/b/c')
    fixture.clock.now += 1
    await expect(fixture.service.getStatus({ path: '/ns/a/b', syncIntervalMs: 0 }, call)).rejects.toMatchObject({
      code: 'not_found',
    })
    expect(await pathsOfAll({ recursive: false, syncIntervalMs: 0 })).toEqual(['d/'])
    await fixture.lifecycle.makeDirectory({ path: '/ns/made/by/user' }, call)
    store.objects.clear()
    fixture.clock.now += 1
    const made = ['made/', 'made/by/', 'made/by/user/']
    expect(await pathsOfAll({ recursive: true, syncIntervalMs: 0 })).toEqual(made)
    expect(await pathsOfAll({ recursive: true, syncIntervalMs: -1 })).toEqual(made)
  })
})

describe('a directory without directories', () => {
  it('is known with all below it when its children are', async () => {
    for (let index = 0; index < 15; index += 1) store.put(name(index))
    await pathsOfAll({ recursive: false })
    const { lists } = store
    expect(await pathsOfAll({ recursive: true })).toHaveLength(15)
    expect(store.lists).toBe(lists)
    store.put('g/h')
    fixture.clock.now += 10
    expect(await pathsOfAll({ recursive: false, syncIntervalMs: 0 })).toHaveLength(16)
    expect(await pathsOfAll({ recursive: true, syncIntervalMs: 1 })).toContain('g/h')
  })
})
