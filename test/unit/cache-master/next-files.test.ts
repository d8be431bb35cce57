// Files that are opened ahead of a reader: as OpenFile gives them, and no store is asked.
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { OpenNextFilesRequest } from '../../../src/wire/generated/master.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

const next = (request: Partial<OpenNextFilesRequest> = {}) =>
  fixture.service.openNextFiles({ directory: '/ns/d', startAfter: '', limit: 100, lengthMax: 100, ...request }, call)

const names = async (request: Partial<OpenNextFilesRequest> = {}): Promise<string[]> =>
  (await next(request)).files.map(({ file }) => file?.name ?? '')

it('gives each file as OpenFile does, in the order of their names', async () => {
  await fixture.create('ns', 's3://bucket', { writePolicy: 'MUST_CACHE' })
  for (const name of ['b', 'a', 'c/below', 'a-large', 'd', 'empty'])
    await fixture.write(`/ns/d/${name}`, name === 'a-large' ? 101 : name === 'empty' ? 0 : 6)
  const { files, workers } = await next()
  expect(files.map(({ file }) => file?.name)).toEqual(['a', 'b', 'd', 'empty'])
  for (const { file, blocks } of files) {
    const opened = await fixture.service.openFile({ path: file?.path ?? '' }, call)
    expect({ file, blocks }).toEqual({ file: opened.file, blocks: opened.blocks })
    for (const worker of opened.workers) expect(workers).toContainEqual(worker)
  }
  expect(workers).toHaveLength(3)
  expect(await names({ startAfter: 'a' })).toEqual(['b', 'd', 'empty'])
  expect(await names({ startAfter: 'aa', limit: 1 })).toEqual(['b'])
  expect(await names({ startAfter: 'empty' })).toEqual([])
  expect(await names({ directory: '/ns/d/' })).toHaveLength(4)
})

it('asks no store: what it would have to be asked for is left out', async () => {
  const store = await fixture.create()
  for (const key of ['d/a', 'd/b']) store.put(key)
  // The directory is not known yet.
  expect(await names()).toEqual([])
  await fixture.service.listStatus({ path: '/ns/d', recursive: false, pageToken: '', limit: 0 }, call)
  const asked = (): number => store.lists + store.stats
  const before = asked()
  expect(await names()).toEqual(['a', 'b'])
  fixture.clock.now += 10_000
  expect(await names({ syncIntervalMs: 20_000 })).toEqual(['a', 'b'])
  expect(await names({ syncIntervalMs: 5000 })).toEqual([])
  expect(asked()).toBe(before)
  // A file, and paths that are none.
  expect(await names({ directory: '/ns/d/a' })).toEqual([])
  await expect(next({ directory: '/none/d' })).rejects.toMatchObject({ code: 'not_found' })
  await expect(next({ limit: 501 })).rejects.toMatchObject({ code: 'invalid_argument' })
})

it('leaves out files of many blocks, whatever length is asked for', async () => {
  await fixture.create('ns', 's3://bucket', { writePolicy: 'MUST_CACHE' })
  await fixture.write('/ns/d/many', 16 * 4 + 1)
  await fixture.write('/ns/d/some', 16 * 4)
  expect(await names({ lengthMax: Number.MAX_SAFE_INTEGER })).toEqual(['some'])
})

it('a look opens a file, or says that there is a directory', async () => {
  await fixture.create('ns', 's3://bucket', { writePolicy: 'MUST_CACHE' })
  await fixture.write('/ns/d/a', 9)
  const look = (path: string, lookBlocksMax = 3) => fixture.service.openFile({ path, lookBlocksMax }, call)
  expect(await look('/ns/d/a')).toEqual(await fixture.service.openFile({ path: '/ns/d/a' }, call))
  const { file } = await look('/ns/d/a')
  expect(await look('/ns/d/a', 2)).toEqual({ file, blocks: [], workers: [], untold: true })
  for (const path of ['/', '/ns', '/ns/d', '/ns/d/'])
    expect(await look(path)).toEqual({ file: await fixture.stat(path), blocks: [], workers: [] })
  await expect(look('/ns/none')).rejects.toMatchObject({ code: 'not_found' })
})
