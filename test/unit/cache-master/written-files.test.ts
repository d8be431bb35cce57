import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

const create = (path: string, requestKey = '') =>
  fixture.lifecycle.createFile({ path, blockSizeBytes: 0, requestKey }, call)
const complete = (fileId: number, length: number) => fixture.lifecycle.completeFile({ fileId, length }, call)
const place = (fileId: number, length = 4, excludedWorkerIds: string[] = [], blockIndex = 0) =>
  fixture.lifecycle.placeBlock({ fileId, blockIndex, length, excludedWorkerIds }, call)

describe('a file that is written here', () => {
  it('is seen once it is complete, over restarts, and no listing removes it', async () => {
    const { fileId, ...rest } = await create('/ns/d/f')
    expect(rest).toMatchObject({ key: 'd/f', blockSizeBytes: 4, writePolicy: 'MUST_CACHE' })
    await fixture.restart()
    expect(await fixture.keys()).toEqual([])
    const session = await fixture.worker('w', [blockIdOf(fileId, 0), blockIdOf(fileId, 2)])
    expect(await fixture.report('w', session, [blockIdOf(fileId, 1)])).toEqual([])
    await complete(fileId, 10)
    await complete(fileId, 10)
    expect(await fixture.stat('/ns/d/f')).toMatchObject({
      fileId,
      length: 10,
      cachedBytes: 10,
      persistenceState: 'NOT_PERSISTED',
    })
    await fixture.restart()
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    await fixture.lifecycle.loadMetadata({ path: '/ns/d', recursive: false }, call)
    await fixture.lifecycle.checkConsistency({ path: '/ns', repair: true }, call)
    await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    expect(await fixture.keys()).toEqual(['d/', 'd/f'])
    const again = await fixture.worker('w')
    expect(await fixture.report('w', again, [blockIdOf(fileId, 1), blockIdOf(fileId, 3)])).toEqual([
      blockIdOf(fileId, 3),
    ])
    expect(store.objects.size).toBe(0)
  })

  it('keeps its place when an object of its name appears at the store', async () => {
    const fileId = await fixture.write('/ns/f', 3)
    store.put('f', { etag: 'other' })
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: false }, call)
    expect(await fixture.stat('/ns/f')).toMatchObject({ fileId, length: 3 })
    const page = await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    expect(page.files).toMatchObject([{ key: 'f', fileId: 0, problem: expect.stringContaining('not persisted') }])
  })

  it('is not complete while a block is on no worker, and then can be', async () => {
    const { fileId } = await create('/ns/f')
    const session = await fixture.worker('w', [blockIdOf(fileId, 0)])
    await expect(complete(fileId, 8)).rejects.toMatchObject({ code: 'failed_precondition', reason: 'block_missing' })
    expect(await fixture.keys()).toEqual([])
    const completing = complete(fileId, 8)
    await fixture.report('w', session, [blockIdOf(fileId, 1)])
    await completing
    expect(await fixture.keys()).toEqual(['f'])
    await expect(complete(fileId, 9)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('costs no request to the store in a directory that was made here', async () => {
    await fixture.lifecycle.makeDirectory({ path: '/ns/made/deep' }, call)
    const { stats, lists } = store
    for (let i = 0; i < 5; i += 1) await create(`/ns/made/deep/${i}`)
    await fixture.write('/ns/made/deep/0', 1)
    await expect(create('/ns/made/deep/0')).rejects.toMatchObject({
      code: 'already_exists',
      message: expect.stringContaining('/ns/made/deep/0'),
    })
    await expect(create('/ns/made/deep')).rejects.toMatchObject({ code: 'already_exists' })
    expect([store.stats, store.lists]).toEqual([stats + 1, lists])
  })

  it('may be empty', async () => {
    const { fileId } = await create('/ns/empty')
    await complete(fileId, 0)
    expect(await fixture.stat('/ns/empty')).toMatchObject({ length: 0 })
  })

  it('is the same file for the same request key, over a restart', async () => {
    const { fileId } = await create('/ns/f', 'k1')
    await fixture.restart()
    expect((await create('/ns/f', 'k1')).fileId).toBe(fileId)
    expect((await create('/ns/f', 'k2')).fileId).not.toBe(fileId)
    await expect(create('/ns/g', 'k1')).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('is refused where its store can never have it, and is not moved there', async () => {
    await fixture.create('dir', 'file:///store')
    for (const path of ['/dir/a//b', '/dir//a', `/dir/${'x'.repeat(256)}`]) {
      const refusal = { code: 'invalid_argument', message: expect.stringContaining('the store of /dir cannot have it') }
      await expect(create(path)).rejects.toMatchObject(refusal)
      await expect(fixture.lifecycle.makeDirectory({ path }, call)).rejects.toMatchObject(refusal)
      await fixture.write('/dir/a', 4)
      await expect(fixture.lifecycle.rename({ from: '/dir/a', to: path }, call)).rejects.toMatchObject(refusal)
      await fixture.lifecycle.delete({ path: '/dir/a', recursive: false, cacheOnly: true }, call)
    }
    await fixture.write('/ns/a//b', 4)
    await fixture.write('/dir/.skein/a//b', 4)
  })

  it('is not given up while blocks of it are being begun', async () => {
    await fixture.worker('w')
    const { fileId } = await create('/ns/slow', 'slow')
    const silent = await create('/ns/silent', 'silent')
    for (let hour = 0; hour < 60; hour += 6) {
      await place(fileId, 4, [], hour / 6)
      fixture.clock.now += 6 * 3_600_000
      await fixture.until(async () => (await fixture.worker('w')) !== '')
    }
    const unfinished = (): string => fixture.metrics.prometheusText()
    await fixture.until(async () => /^skein_master_unfinished_files 1$/m.test(unfinished()))
    await expect(place(silent.fileId)).rejects.toMatchObject({ code: 'not_found' })
    await fixture.restart()
    await fixture.worker('w')
    await place(fileId, 4, [], 20)
  })

  it('leaves nothing when it is abandoned or waits too long', async () => {
    const first = await create('/ns/a')
    const second = await create('/ns/b')
    const blocks = [blockIdOf(first.fileId, 0), blockIdOf(second.fileId, 5)]
    await fixture.worker('w', blocks)
    await fixture.lifecycle.abandonFile({ fileId: first.fileId }, call)
    await fixture.lifecycle.abandonFile({ fileId: first.fileId }, call)
    await fixture.restart()
    fixture.clock.now += 86_400_000
    await fixture.until(async () => {
      const error = await place(second.fileId).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      return error instanceof SkeinError && error.code === 'not_found'
    })
    const session = await fixture.worker('w')
    expect(await fixture.report('w', session, blocks)).toEqual(blocks)
    await expect(complete(second.fileId, 0)).rejects.toMatchObject({ code: 'not_found' })
    expect(await fixture.keys()).toEqual([])
  })

  it('is refused where something has its name, and completes nothing when that came later', async () => {
    store.put('f')
    store.put('d/x')
    for (const path of ['/ns/f', '/ns/d']) await expect(create(path)).rejects.toMatchObject({ code: 'already_exists' })
    for (const path of ['/', '/ns', '/ns/d/'])
      await expect(create(path)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(create('/none/f')).rejects.toMatchObject({ code: 'not_found' })
    const { fileId } = await create('/ns/g')
    store.put('g')
    await fixture.stat('/ns/g')
    await expect(complete(fileId, 0)).rejects.toMatchObject({ code: 'already_exists' })
  })
})

describe('blocks are placed', () => {
  it('on live workers with room, more often where there is more, not where it was tried', async () => {
    const { fileId } = await create('/ns/f')
    await expect(place(fileId)).rejects.toMatchObject({ code: 'unavailable' })
    await fixture.worker('full', [], 98)
    await expect(place(fileId)).rejects.toMatchObject({ code: 'resource_exhausted', reason: 'no_capacity' })
    // Who does not know the length yet is sent to the roomiest worker, which decides.
    const open = { fileId, blockIndex: 0, length: 4, excludedWorkerIds: [], openEnded: true }
    expect(await fixture.lifecycle.placeBlock(open, call)).toMatchObject({ workerId: 'full' })
    await fixture.worker('half', [], 80)
    await fixture.worker('free', [], 0)
    const chosen = new Map<string, number>()
    for (let i = 0; i < 600; i += 1) {
      const { workerId } = await place(fileId)
      chosen.set(workerId, (chosen.get(workerId) ?? 0) + 1)
    }
    expect(chosen.get('full')).toBeUndefined()
    expect(chosen.get('half') ?? 0).toBeGreaterThan(30)
    expect(chosen.get('free') ?? 0).toBeGreaterThan(3 * (chosen.get('half') ?? 0))
    expect(await place(fileId, 4, ['free'])).toEqual({
      workerId: 'half',
      hostname: 'half',
      rpcAddress: 'half:1',
      dataAddress: 'half:2',
    })
    await expect(place(fileId, 5)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(place(12345)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('not on a worker that is taken out of service', async () => {
    const { fileId } = await create('/ns/f')
    await fixture.worker('a')
    await fixture.worker('b')
    await fixture.lifecycle.decommission({ worker: 'a', cancel: false }, call)
    for (let i = 0; i < 20; i += 1) expect((await place(fileId)).workerId).toBe('b')
  })
})

describe('persist', () => {
  const persist = (path: string) => fixture.lifecycle.persist({ path }, call)

  it('names the key that the blocks of a moved file carry, also after a restart and a second move', async () => {
    await fixture.write('/ns/d/a', 6)
    await fixture.lifecycle.rename({ from: '/ns/d/a', to: '/ns/d/b' }, call)
    await fixture.lifecycle.rename({ from: '/ns/d', to: '/ns/e' }, call)
    await fixture.restart()
    const { fileId } = await fixture.stat('/ns/e/b')
    await fixture.worker('holder', [blockIdOf(fileId, 0), blockIdOf(fileId, 1)])
    expect(await persist('/ns/e')).toEqual({ persisted: 1, already: 0, failures: [] })
    expect(fixture.persists).toMatchObject([{ key: 'e/b', blockKey: 'd/a' }])
  })

  it('has a worker that holds the blocks write each object, once', async () => {
    const fileId = await fixture.write('/ns/d/a', 6)
    await fixture.write('/ns/d/b', 4)
    store.put('d/c')
    await fixture.keys()
    expect(await persist('/ns/d')).toEqual({ persisted: 2, already: 1, failures: [] })
    expect(fixture.persists[0]).toEqual({
      on: `w-${fileId}:1`,
      namespaceId: expect.any(String),
      key: 'd/a',
      blockKey: 'd/a',
      fileId,
      length: 6,
      blockSizeBytes: 4,
      blocks: [{ dataAddresses: [`w-${fileId}:2`] }, { dataAddresses: [`w-${fileId}:2`] }],
      overwrite: false,
      namespaceVersion: 1,
    })
    await fixture.restart()
    const info = await fixture.stat('/ns/d/a')
    expect(info).toMatchObject({ persistenceState: 'PERSISTED', etag: 'p-d/a', fileId })
    expect(await persist('/ns/d')).toEqual({ persisted: 0, already: 3, failures: [] })
    expect(fixture.persists).toHaveLength(2)
    expect((await fixture.lifecycle.checkConsistency({ path: '/ns', repair: false }, call)).inconsistent).toEqual([])
    await fixture.lifecycle.delete({ path: '/ns/d/a', recursive: false, cacheOnly: false }, call)
    expect([...store.objects.keys()].sort()).toEqual(['d/b', 'd/c'])
  })

  it('names what failed and keeps it', async () => {
    await fixture.write('/ns/a', 4)
    fixture.persistFailure = new SkeinError('already_exists', 'the store has one')
    expect(await persist('/ns')).toEqual({ persisted: 0, already: 0, failures: ['/ns/a: the store has one'] })
    fixture.persistFailure = undefined
    fixture.clock.now += 20_000
    expect((await persist('/ns')).failures).toEqual([expect.stringContaining('/ns/a: block 0 is on no live worker')])
    expect(await fixture.stat('/ns/a')).toMatchObject({ persistenceState: 'NOT_PERSISTED' })
  })

  it('is refused for a read-only namespace, / and what is not there', async () => {
    await fixture.create('ro', 's3://other')
    await fixture.write('/ro/f', 3)
    const nothing = { secrets: {}, removedAttributes: [], ttlAction: '' }
    await fixture.service.updateNamespace({ name: 'ro', attributes: { readOnly: 'true' }, ...nothing }, call)
    await expect(persist('/ro/f')).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(persist('/')).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(persist('/ns/none')).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('the write policy ASYNC_THROUGH', () => {
  it('persists what is complete without being asked, over a restart and a store that is down', async () => {
    await fixture.create('later', 's3://later', { writePolicy: 'ASYNC_THROUGH' })
    const fileId = await fixture.write('/later/f', 4)
    await fixture.write('/later/gone', 4)
    await fixture.lifecycle.delete({ path: '/later/gone', recursive: false, cacheOnly: false }, call)
    await fixture.write('/ns/stays', 4)
    expect(await fixture.stat('/later/f')).toMatchObject({ persistenceState: 'TO_BE_PERSISTED' })
    const listed = async (path: string): Promise<readonly (string | undefined)[]> => {
      const page = { path, recursive: false, limit: 10, pageToken: '', withMetadata: true, brief: true }
      const { listed: brief } = await fixture.service.listStatus(page, call)
      return brief?.entries.map((entry) => `${entry.path} ${entry.persistenceState}`) ?? []
    }
    expect(await listed('/later')).toEqual(['f TO_BE_PERSISTED'])
    expect(await listed('/ns')).toContain('stays NOT_PERSISTED')
    await fixture.restart()
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    fixture.persistFailure = new SkeinError('unavailable', 'down')
    await fixture.until(() => fixture.persists.length > 1)
    fixture.persistFailure = undefined
    await fixture.until(async () => (await fixture.stat('/later/f')).persistenceState === 'PERSISTED')
    expect([...fixture.store('s3://later').objects.keys()]).toEqual(['f'])
    expect(await fixture.stat('/ns/stays')).toMatchObject({ persistenceState: 'NOT_PERSISTED' })
    expect(await listed('/later')).toEqual(['f '])
    expect(await listed('/ns')).toContain('stays NOT_PERSISTED')
  })
})

describe('the write policies that write at once', () => {
  it.each(['CACHE_THROUGH', 'THROUGH'])('%s persists what its writer has left behind', async (writePolicy) => {
    await fixture.create('now', 's3://now', { writePolicy })
    const fileId = await fixture.write('/now/f', 4)
    await fixture.restart()
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    await fixture.until(async () => (await fixture.stat('/now/f')).persistenceState === 'PERSISTED')
    expect([...fixture.store('s3://now').objects.keys()]).toEqual(['f'])
  })
})

describe('free', () => {
  it('frees nothing at all where a file is only here, forced or not', async () => {
    await fixture.write('/ns/d/here', 4)
    store.put('d/a', { length: 4 })
    const { fileId } = await fixture.stat('/ns/d/a')
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    for (const force of [false, true]) {
      await expect(fixture.service.free({ path: '/ns/d', force }, call)).rejects.toMatchObject({
        code: 'failed_precondition',
        message: expect.stringContaining('/ns/d/here is not persisted'),
      })
    }
    expect(await fixture.service.count({ path: '/ns' }, call)).toMatchObject({ cachedBytes: 8 })
  })
})

describe('files that are never finished', () => {
  const unfinished = (): number =>
    Number(/^skein_master_unfinished_files (\d+)$/m.exec(fixture.metrics.prometheusText())?.[1])
  const few = async (): Promise<void> => {
    await fixture.close()
    fixture = await MasterFixture.open({ unfinishedFilesMax: 3 })
    store = await fixture.create()
    await fixture.worker('w')
  }

  it('are refused above their limit, by its name, and make room when they end', async () => {
    await few()
    const ids = []
    for (const name of ['a', 'b', 'c']) ids.push((await create(`/ns/${name}`, `key-${name}`)).fileId)
    const refusal = {
      code: 'resource_exhausted',
      reason: 'too_many_unfinished',
      message: expect.stringMatching(/3 files.*unfinished\.files\.max.*1d00h/),
    }
    await expect(create('/ns/d')).rejects.toMatchObject(refusal)
    // What was begun can be asked for again.
    expect((await create('/ns/a', 'key-a')).fileId).toBe(ids[0])
    expect(unfinished()).toBe(3)
    await fixture.restart()
    await expect(create('/ns/d')).rejects.toMatchObject(refusal)
    await fixture.lifecycle.abandonFile({ fileId: ids[0] ?? 0 }, call)
    await fixture.lifecycle.abandonFile({ fileId: ids[0] ?? 0 }, call)
    await complete(ids[1] ?? 0, 0)
    expect(unfinished()).toBe(1)
    await create('/ns/d')
    await create('/ns/e')
    await expect(create('/ns/f')).rejects.toMatchObject(refusal)
    fixture.clock.now += 86_400_000
    await fixture.until(async () => unfinished() === 0)
    await create('/ns/f')
  })

  it('are refused where many are begun at once', async () => {
    await few()
    const begun = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => create(`/ns/${index}`)))
    expect(begun.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(unfinished()).toBe(3)
  })
})
