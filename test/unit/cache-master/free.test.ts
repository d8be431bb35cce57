// Why: what was freed is gone for whoever comes next, whatever is still under way, and nothing else
// goes with it. How: a master with workers that say what they hold.
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

const free = (path: string, force = false) => fixture.service.free({ path, force }, call)
const cached = async (path: string): Promise<number> => (await fixture.stat(path)).cachedBytes
const idOf = async (path: string): Promise<number> => (await fixture.stat(path)).fileId

/** A file of one block that a worker of its own has. @returns the block */
async function cachedFile(key: string, workerId = `w-${key}`): Promise<number> {
  store.put(key, { length: 4 })
  const blockId = blockIdOf(await idOf(`/ns/${key}`), 0)
  await fixture.report(workerId, await fixture.worker(workerId), [blockId])
  expect(await cached(`/ns/${key}`)).toBe(4)
  return blockId
}

describe('free', () => {
  it('is final for workers that have not heard of it, for late reports, and after a restart', async () => {
    const block = await cachedFile('f')
    const session = await fixture.worker('w2')
    await free('/ns/f')
    expect(await cached('/ns/f')).toBe(0)
    // A copy, a fill or a report that was under way.
    expect(await fixture.report('w2', session, [block])).toEqual([block])
    await fixture.restart()
    expect(await fixture.report('w-f', await fixture.worker('w-f'), [block])).toEqual([block])
    expect(await cached('/ns/f')).toBe(0)
  })

  it('orders to delete nothing that is loaded after it', async () => {
    const before = await cachedFile('f')
    await free('/ns/f')
    const after = blockIdOf(await idOf('/ns/f'), 0)
    expect(after).not.toBe(before)
    const session = await fixture.worker('w-f')
    await fixture.report('w-f', session, [after])
    for (let told = 0; told < 5; told += 1) {
      const { freeBlocks } = await fixture.service.workerHeartbeat(
        { workerId: 'w-f', session, directories: [], counters: {} },
        call,
      )
      expect(freeBlocks).not.toContain(after)
    }
    expect(await cached('/ns/f')).toBe(4)
  })

  it('keeps what was set on the file, and tells how much went', async () => {
    await cachedFile('f')
    await fixture.lifecycle.setTtl({ path: '/ns/f', ttlMs: 100_000, action: 'DELETE' }, call)
    await fixture.lifecycle.setPathReplication({ path: '/ns/f', recursive: false, min: 1, max: 2 }, call)
    const before = await fixture.stat('/ns/f')
    expect(await free('/ns/f')).toEqual({ paths: ['/ns/f'], freedBytes: 4 })
    const after = await fixture.stat('/ns/f')
    expect({ ...after, fileId: 0 }).toEqual({ ...before, fileId: 0, cachedBytes: 0, inMemoryBytes: 0, replicas: 0 })
    expect(await free('/ns/f')).toEqual({ paths: ['/ns/f'], freedBytes: 0 })
    expect(await idOf('/ns/f')).toBe(after.fileId)
  })

  it('takes pinned files with force only, and nothing at all where one may not go', async () => {
    await cachedFile('d/a')
    await cachedFile('d/b')
    await fixture.lifecycle.setPinned({ path: '/ns/d/b', pinned: true }, call)
    await expect(free('/ns/d')).rejects.toMatchObject({ code: 'failed_precondition', message: /^\/ns\/d\/b is pinned/ })
    expect(await cached('/ns/d/a')).toBe(4)
    expect((await free('/ns/d', true)).freedBytes).toBe(8)
    expect(await fixture.stat('/ns/d/b')).toMatchObject({ cachedBytes: 0, pinned: true })
  })

  it('of blocks of a worker that is away is final, too', async () => {
    const block = await cachedFile('f')
    fixture.clock.now += 20_000
    expect(await cached('/ns/f')).toBe(0)
    await free('/ns/f')
    expect(await fixture.report('w-f', await fixture.worker('w-f'), [block])).toEqual([block])
  })
})

describe('a path that is the name of an object and of a directory', () => {
  const both = async (): Promise<void> => {
    await cachedFile('out')
    await cachedFile('out/x')
  }

  it.each([
    ['free', () => free('/ns/out'), (file: { cachedBytes: number }) => file.cachedBytes === 0],
    [
      'setTtl',
      () => fixture.lifecycle.setTtl({ path: '/ns/out', ttlMs: 100_000, action: 'FREE' }, call),
      (file: { ttlMs: number }) => file.ttlMs === 100_000,
    ],
    [
      'pin',
      () => fixture.lifecycle.setPinned({ path: '/ns/out', pinned: true }, call),
      (file: { pinned: boolean }) => file.pinned,
    ],
    [
      'setReplication',
      () => fixture.lifecycle.setPathReplication({ path: '/ns/out', recursive: true, min: 2 }, call),
      (file: { replicationMin: number }) => file.replicationMin === 2,
    ],
  ])('is the object for %s', async (_name, act, isDone) => {
    await both()
    await act()
    expect(isDone(await fixture.stat('/ns/out'))).toBe(true)
    expect(isDone(await fixture.stat('/ns/out/x'))).toBe(false)
  })

  it('is the object for count and for a load, and the directory with a slash at its end', async () => {
    await both()
    expect(await fixture.service.count({ path: '/ns/out' }, call)).toMatchObject({ files: 1, folders: 0 })
    expect(await fixture.service.count({ path: '/ns/out/' }, call)).toMatchObject({ files: 1, folders: 1 })
    const keys = async (path: string): Promise<string[]> =>
      (await fixture.service.syncPage({ path, cursor: '', limit: 0 }, call)).files.map(({ key }) => key)
    expect(await keys('/ns/out')).toEqual(['out'])
    expect(await keys('/ns/out/')).toEqual(['out/x'])
    expect((await free('/ns/out/')).paths).toEqual(['/ns/out/x'])
    expect(await cached('/ns/out')).toBe(4)
  })
})

describe('a maximum of 0 replicas', () => {
  it('is not cached, also where a load has left a minimum; no order meets what is loaded after it', async () => {
    const block = await cachedFile('f')
    await fixture.service.setReplication({ fileIds: [await idOf('/ns/f')], min: 2, max: -1 }, call)
    await fixture.lifecycle.setPathReplication({ path: '/ns/f', recursive: false, max: 0 }, call)
    expect(await fixture.stat('/ns/f')).toMatchObject({ replicationMin: 0, replicationMax: 0, cachedBytes: 0 })
    expect(blockIdOf(await idOf('/ns/f'), 0)).not.toBe(block)
    const set = fixture.lifecycle.setPathReplication({ path: '/ns/f', recursive: false, min: 1, max: 0 }, call)
    await expect(set).rejects.toMatchObject({ code: 'invalid_argument' })
  })
})
