import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

const load = (path: string, recursive = true) => fixture.lifecycle.loadMetadata({ path, recursive }, call)
const check = (path: string, repair = false) => fixture.lifecycle.checkConsistency({ path, repair }, call)

/** What is cached of `changed` goes with its version; `same` is left alone. */
async function changedStore(): Promise<{ blocks: number[] }> {
  for (const key of ['d/changed', 'd/gone', 'd/same']) store.put(key, { length: 4 })
  await fixture.keys()
  const ids = await Promise.all(['/ns/d/changed', '/ns/d/same'].map(async (path) => (await fixture.stat(path)).fileId))
  const blocks = ids.map((id) => blockIdOf(id, 0))
  await fixture.worker('w', blocks)
  store.put('d/changed', { length: 4, etag: 'v2' })
  store.objects.delete('d/gone')
  store.put('d/new')
  return { blocks }
}

describe('loadMetadata', () => {
  it('makes known what changed, with its blocks gone in the same step', async () => {
    await changedStore()
    expect(await load('/ns')).toEqual({ added: 1, changed: 1, removed: 1, unchanged: 1 })
    expect(await fixture.keys()).toEqual(['d/', 'd/changed', 'd/new', 'd/same'])
    expect(await fixture.stat('/ns/d/changed')).toMatchObject({ etag: 'v2', cachedBytes: 0 })
    expect(await fixture.stat('/ns/d/same')).toMatchObject({ cachedBytes: 4 })
    const entries = fixture.journal.entries.length
    expect(await load('/')).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 3 })
    expect(fixture.journal.entries.length).toBeLessThanOrEqual(entries + 1)
  })

  it('stays in one directory unless it is recursive', async () => {
    for (const key of ['a', 'd/x']) store.put(key)
    expect(await load('/ns', false)).toEqual({ added: 1, changed: 0, removed: 0, unchanged: 0 })
    expect(await load('/ns/d/x', false)).toEqual({ added: 1, changed: 0, removed: 0, unchanged: 0 })
    expect(await load('/ns/d/x', false)).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 1 })
    await expect(load('/ns/none')).rejects.toMatchObject({ code: 'not_found' })
    await expect(load('/none')).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('checkConsistency', () => {
  it('names what is at no store and has blocks on no live worker, also without asking the store', async () => {
    const lost = await fixture.write('/ns/d/lost', 3)
    await fixture.write('/ns/d/kept', 3)
    await fixture.write('/ns/empty', 0)
    // Its worker comes back with an empty disk.
    await fixture.worker(`w-${lost}`)
    store.put('d/x')
    await fixture.keys()
    const unreadable = { paths: ['/ns/d/lost'], total: 1 }
    for (const path of ['/', '/ns', '/ns/d', '/ns/d/lost']) {
      expect(await check(path), path).toEqual({ inconsistent: [], total: 0, repaired: false, unreadable })
      const lists = store.lists
      expect(await fixture.lifecycle.checkConsistency({ path, repair: false, cachedOnly: true }, call)).toMatchObject({
        total: 0,
        unreadable,
      })
      expect(store.lists).toBe(lists)
    }
    expect((await check('/ns/d/kept')).unreadable).toBeUndefined()
    fixture.clock.now += 3_600_000
    expect((await check('/ns')).unreadable).toEqual({ paths: ['/ns/d/kept', '/ns/d/lost'], total: 2 })
  })

  it('names what differs and changes nothing, or repairs it', async () => {
    await changedStore()
    const found = { inconsistent: ['/ns/d/changed', '/ns/d/new', '/ns/d/gone'], total: 3 }
    expect(await check('/ns')).toEqual({ ...found, repaired: false })
    expect(await fixture.stat('/ns/d/changed')).toMatchObject({ etag: 'v1', cachedBytes: 4 })
    expect(await check('/ns/d', true)).toEqual({ ...found, repaired: true })
    expect(await fixture.stat('/ns/d/changed')).toMatchObject({ etag: 'v2', cachedBytes: 0 })
    expect(await check('/')).toEqual({ inconsistent: [], total: 0, repaired: false })
  })

  it('looks at one file alone', async () => {
    await changedStore()
    expect(await check('/ns/d/changed')).toEqual({ inconsistent: ['/ns/d/changed'], total: 1, repaired: false })
    expect(await check('/ns/d/same')).toEqual({ inconsistent: [], total: 0, repaired: false })
    expect(await check('/ns/d/gone', true)).toEqual({ inconsistent: ['/ns/d/gone'], total: 1, repaired: true })
    await expect(fixture.stat('/ns/d/gone')).rejects.toMatchObject({ code: 'not_found' })
    await expect(check('/ns/none')).rejects.toMatchObject({ code: 'not_found' })
  })

  it('goes through a large tree in pages and names at most 1000 paths', async () => {
    for (let i = 0; i < 2500; i += 1) store.put(`d/${i}`)
    const found = await check('/ns')
    expect(found.total).toBe(2500)
    expect(found.inconsistent).toHaveLength(1000)
    expect(await check('/ns', true)).toMatchObject({ total: 2500 })
    expect((await check('/ns')).inconsistent).toEqual([])
  })
})

describe('the interval of metadata', () => {
  async function withInterval(ms: number, run: (other: MasterFixture, its: FakeStore) => Promise<void>): Promise<void> {
    const other = await MasterFixture.open({ metadataSyncIntervalMs: ms })
    try {
      await run(other, await other.create())
    } finally {
      await other.close()
    }
  }

  it('of 0 asks the store at each stat, open and ls', () =>
    withInterval(0, async (other, its) => {
      its.put('d/f')
      await other.stat('/ns/d/f')
      its.put('d/f', { etag: 'v2' })
      expect((await other.service.openFile({ path: '/ns/d/f' }, call)).file?.etag).toBe('v2')
      its.objects.clear()
      await expect(other.stat('/ns/d')).rejects.toMatchObject({ code: 'not_found' })
      await expect(other.service.openFile({ path: '/ns/d/f' }, call)).rejects.toMatchObject({ code: 'not_found' })
    }))

  it('of some time asks when that has passed; -1 never', () =>
    withInterval(1000, async (other, its) => {
      its.put('d/f')
      await other.keys('/ns/d')
      its.put('d/f', { etag: 'v2' })
      other.clock.now += 999
      expect((await other.stat('/ns/d/f')).etag).toBe('v1')
      other.clock.now += 1
      expect((await other.stat('/ns/d/f')).etag).toBe('v2')
      store.put('x')
      await fixture.stat('/ns/x')
      store.put('x', { etag: 'v2' })
      fixture.clock.now += 1e9
      expect((await fixture.stat('/ns/x')).etag).toBe('v1')
    }))

  it('keeps a directory that was made here, and a file that is only here', () =>
    withInterval(0, async (other) => {
      await other.lifecycle.makeDirectory({ path: '/ns/made' }, call)
      await other.write('/ns/d/f', 2)
      expect(await other.stat('/ns/made')).toMatchObject({ folder: true })
      expect(await other.stat('/ns/d')).toMatchObject({ folder: true })
      expect(await other.stat('/ns/d/f')).toMatchObject({ length: 2 })
      expect(await other.keys()).toEqual(['d/', 'd/f', 'made/'])
    }))
})
