import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
})
afterEach(() => fixture.close())

const open = (fileId: number) => fixture.service.openFile({ path: '', fileId }, call)

describe('a file that is opened by its id', () => {
  it('is that file, wherever it is, and no store is asked', async () => {
    store.put('d/f', { length: 9, etag: 'e1' })
    const byPath = await fixture.service.openFile({ path: '/ns/d/f' }, call)
    const { stats, lists } = store
    const fileId = byPath.file?.fileId ?? 0
    expect(await open(fileId)).toEqual(byPath)
    expect([store.stats, store.lists]).toEqual([stats, lists])
    await fixture.lifecycle.rename({ from: '/ns/d/f', to: '/ns/g' }, call)
    expect((await open(fileId)).file).toMatchObject({ path: '/ns/g', length: 9 })
  })

  it('is not found when it was removed, freed, or never was', async () => {
    store.put('f', { length: 9, etag: 'e1' })
    const { file } = await fixture.service.openFile({ path: '/ns/f' }, call)
    const fileId = file?.fileId ?? 0
    for (const none of [0, 1, fileId + 1, 2 ** 53 - 1])
      await expect(open(none)).rejects.toMatchObject({ code: 'not_found' })
    const directory = await fixture.service.getStatus({ path: '/ns' }, call)
    await expect(open(directory.fileId)).rejects.toMatchObject({ code: 'not_found' })
    const begun = await fixture.lifecycle.createFile({ path: '/ns/begun', blockSizeBytes: 0, requestKey: '' }, call)
    await expect(open(begun.fileId)).rejects.toMatchObject({ code: 'not_found' })
    await fixture.lifecycle.delete({ path: '/ns/f', recursive: false, cacheOnly: false }, call)
    await expect(open(fileId)).rejects.toMatchObject({ code: 'not_found' })
  })
})
