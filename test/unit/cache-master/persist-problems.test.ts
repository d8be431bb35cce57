// Files that cannot get to the store since another client's object is there: everybody can see it,
// the others are not held up, and overwriting the file again ends it.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { PersistProblems } from '../../../src/cache-master/state/persist-problems.ts'
import type { FakeStore } from './support/fakes.ts'
import { expectSame, turns } from './support/held-writes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create('ns', 's3://bucket', { writePolicy: 'ASYNC_THROUGH' })
})
afterEach(() => fixture.close())

const attempts = (key: string): number => fixture.persists.filter((one) => one.key === key).length
const summary = async () => (await fixture.service.getClusterSummary({}, call)).unwritten

/** A file that overwrites an object, which another client overwrites meanwhile. */
async function conflict(): Promise<void> {
  store.put('f', { etag: 'old' })
  await fixture.stat('/ns/f')
  const fileId = await fixture.begin('/ns/f', 4, true)
  store.put('f', { etag: 'foreign' })
  await fixture.lifecycle.completeFile({ fileId, length: 4 }, call)
  await fixture.until(async () => (await fixture.stat('/ns/f')).persistProblem !== undefined)
}

it('a conflict is told of the file and of the cluster, and tried less and less often', async () => {
  await conflict()
  expect(await fixture.stat('/ns/f')).toMatchObject({
    persistenceState: 'TO_BE_PERSISTED',
    persistProblem: expect.stringContaining('another version'),
  })
  expect(await summary()).toEqual({
    files: [{ path: '/ns/f', problem: expect.stringContaining('another version') }],
    total: 1,
  })
  const { fileId } = await fixture.stat('/ns/f')
  // The clock of the fixture stands still.
  expect(attempts('f')).toBe(1)
  await fixture.write('/ns/other', 4)
  await fixture.until(() => attempts('other') > 0)
  await turns()
  expect([attempts('f'), store.objects.get('other')?.etag]).toEqual([1, 'p-other'])
  for (const [passMs, expected] of [
    [9999, 1],
    [1, 2],
    [19_999, 2],
    [1, 3],
  ] as const) {
    fixture.clock.now += passMs
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    await fixture.until(() => attempts('f') >= expected)
    await turns()
    expect(attempts('f')).toBe(expected)
  }
  expect(store.objects.get('f')?.etag).toBe('foreign')
})

it.each(['while the other version is there', 'when it is gone'])(
  'ends by overwriting the file again, %s',
  async (when) => {
    await conflict()
    if (when === 'when it is gone') store.objects.delete('f')
    const fileId = await fixture.begin('/ns/f', 5, true)
    await fixture.restart()
    await fixture.worker('w', [blockIdOf(fileId, 0), blockIdOf(fileId, 1)])
    await fixture.lifecycle.completeFile({ fileId, length: 5 }, call)
    await fixture.until(() => store.objects.get('f')?.length === 5)
    await fixture.until(async () => (await fixture.stat('/ns/f')).persistenceState === 'PERSISTED')
    expect((await fixture.stat('/ns/f')).persistProblem).toBeUndefined()
    expect(await summary()).toBeUndefined()
    await expectSame(fixture, store)
  },
)

it('a version that comes after the file was overwritten again stays', async () => {
  await conflict()
  const fileId = await fixture.begin('/ns/f', 5, true)
  store.put('f', { etag: 'newer' })
  await fixture.lifecycle.completeFile({ fileId, length: 5 }, call)
  await fixture.until(async () => (await fixture.stat('/ns/f')).persistProblem !== undefined)
  expect(store.objects.get('f')?.etag).toBe('newer')
})

it('is gone with the file, and tried at once when the namespace is changed', async () => {
  fixture.persistFailure = new SkeinError('permission_denied', 'denied')
  await fixture.write('/ns/f', 4)
  await fixture.until(async () => (await summary())?.total === 1)
  fixture.persistFailure = undefined
  const change = { attributes: { readPolicy: 'NO_CACHE' }, removedAttributes: [], secrets: {}, ttlAction: '' }
  await fixture.service.updateNamespace({ name: 'ns', ...change }, call)
  await fixture.until(() => store.objects.has('f'))
  await turns()
  expect(await summary()).toBeUndefined()
  await conflict().catch(() => undefined)
  await fixture.lifecycle.delete({ path: '/ns/f', recursive: false, cacheOnly: true }, call)
  expect(await summary()).toBeUndefined()
})

it.each([
  ['a file', '/ns/d/f', '/ns/g'],
  ['a file that takes the place of another one', '/ns/d/f', '/ns/e/old'],
  ['its directory', '/ns/d', '/ns/g'],
])('is gone at another name, where the next version replaces nothing of others: %s', async (_what, from, to) => {
  store.put('d/f', { etag: 'old' })
  store.put('e/old', { etag: 'old' })
  await fixture.stat('/ns/d/f')
  const fileId = await fixture.begin('/ns/d/f', 4, true)
  store.put('d/f', { etag: 'foreign' })
  await fixture.lifecycle.completeFile({ fileId, length: 4 }, call)
  await fixture.until(async () => (await fixture.stat('/ns/d/f')).persistProblem !== undefined)
  await fixture.service.updateNamespace(
    { name: 'ns', attributes: { writePolicy: 'MUST_CACHE' }, removedAttributes: [], secrets: {}, ttlAction: '' },
    call,
  )
  await fixture.lifecycle.rename({ from, to, overwrite: from !== '/ns/d' }, call)
  const path = from === '/ns/d' ? `${to}/f` : to
  const key = path.slice('/ns/'.length)
  expect(await fixture.stat(path)).not.toHaveProperty('persistProblem')
  store.put(key, { etag: 'theirs', length: 99 })
  await fixture.write(path, 5, true)
  expect((await fixture.lifecycle.persist({ path }, call)).failures).toHaveLength(1)
  expect(store.objects.get(key)?.etag).toBe('theirs')
})

it('keeps a bounded number of files in mind', () => {
  const problems = new PersistProblems({ monotonicMs: () => 0 })
  for (let id = 0; id < 10_050; id += 1) problems.note(id, new SkeinError('aborted', 'x'))
  expect(problems.all()).toHaveLength(10_000)
  expect([problems.of(49), problems.of(50)?.message]).toEqual([undefined, 'x'])
})
