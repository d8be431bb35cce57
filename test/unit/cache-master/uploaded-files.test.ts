// Why: files whose bytes a worker has sent to the store: complete means that their object is there,
// and one that is not complete leaves no object.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create()
  await fixture.worker('w')
})
afterEach(() => fixture.close())

const create = async (path: string, more: { overwrite?: boolean; writePolicy?: string } = {}): Promise<number> => {
  const request = { path, blockSizeBytes: 0, requestKey: `${path} ${more.overwrite}`, writePolicy: 'THROUGH', ...more }
  return (await fixture.lifecycle.createFile(request, call)).fileId
}
const note = (fileId: number, length: number, workerId = 'w') =>
  fixture.lifecycle.noteUpload({ fileId, workerId, length }, call)
const complete = (fileId: number, length: number) =>
  fixture.lifecycle.completeFile({ fileId, length, asNoted: true }, call)

it('are complete and persisted at once, without a block', async () => {
  const fileId = await create('/ns/d/f')
  await note(fileId, 12)
  await note(fileId, 12)
  expect(await fixture.lifecycle.getUnfinishedFile({ fileId }, call)).toMatchObject({ uploadedBytes: 12 })
  const { file } = await complete(fileId, 12)
  expect(file).toMatchObject({ path: '/ns/d/f', length: 12, persistenceState: 'PERSISTED', etag: 'uploaded' })
  expect(fixture.finishes).toMatchObject([{ on: 'w:1', key: 'd/f', length: 12, overwrite: false, fileId }])
  expect(await complete(fileId, 12)).toMatchObject({ file: { fileId: file?.fileId } })
  expect(fixture.finishes.length).toBe(1)
  await fixture.restart()
  expect(await fixture.stat('/ns/d/f')).toMatchObject({ persistenceState: 'PERSISTED', fileId: file?.fileId })
  expect(fixture.persists).toEqual([])
})

it('are complete when their worker has registered, with a master that was started again', async () => {
  const fileId = await create('/ns/f')
  await fixture.restart()
  await note(fileId, 12)
  const completed = complete(fileId, 12)
  await fixture.worker('w')
  await fixture.until(() => fixture.finishes.length === 1)
  expect((await completed).file).toMatchObject({ length: 12, persistenceState: 'PERSISTED' })
})

it('may be empty, and have some of their blocks', async () => {
  const empty = await create('/ns/empty')
  await note(empty, 0)
  expect((await complete(empty, 0)).file).toMatchObject({ length: 0, persistenceState: 'PERSISTED' })
  const partly = await create('/ns/partly', { writePolicy: 'CACHE_THROUGH' })
  const { blockSizeBytes } = await fixture.lifecycle.getUnfinishedFile({ fileId: partly }, call)
  await fixture.worker('v', [blockIdOf(partly, 0)])
  await fixture.lifecycle.noteWrittenBlock({ fileId: partly, blockIndex: 0, length: blockSizeBytes }, call)
  await note(partly, blockSizeBytes + 5)
  expect((await complete(partly, blockSizeBytes + 5)).file).toMatchObject({ persistenceState: 'PERSISTED' })
})

it('are not complete with another length, or with blocks that differ', async () => {
  const fileId = await create('/ns/f', { writePolicy: 'CACHE_THROUGH' })
  await note(fileId, 12)
  await expect(complete(fileId, 11)).rejects.toMatchObject({ code: 'failed_precondition', reason: 'blocks_differ' })
  await fixture.lifecycle.noteWrittenBlock({ fileId, blockIndex: 0, length: 3 }, call)
  await expect(complete(fileId, 12)).rejects.toMatchObject({ code: 'failed_precondition', reason: 'blocks_differ' })
  expect(fixture.finishes).toEqual([])
})

it('are noted only where somebody writes an object, once', async () => {
  const cached = await create('/ns/cached', { writePolicy: 'MUST_CACHE' })
  await expect(note(cached, 1)).rejects.toMatchObject({ code: 'invalid_argument' })
  await expect(note(987_654, 1)).rejects.toMatchObject({ code: 'not_found' })
  const fileId = await create('/ns/f')
  await note(fileId, 1)
  await expect(note(fileId, 2)).rejects.toMatchObject({ code: 'already_exists' })
  await expect(note(fileId, 1, 'v')).rejects.toMatchObject({ code: 'already_exists' })
})

it('replace exactly the version that was there', async () => {
  store.put('f', { etag: 'old', length: 3 })
  await fixture.stat('/ns/f')
  const fileId = await create('/ns/f', { overwrite: true })
  await note(fileId, 4)
  await complete(fileId, 4)
  expect(fixture.finishes).toMatchObject([{ overwrite: true, replacedEtag: 'old' }])
  expect(await fixture.stat('/ns/f')).toMatchObject({ length: 4, persistenceState: 'PERSISTED' })
})

it('are asked for no object when their name is taken, and taken back when it is by then', async () => {
  const fileId = await create('/ns/f')
  await note(fileId, 4)
  const other = await create('/ns/f', { writePolicy: 'MUST_CACHE', overwrite: true })
  const finish = fixture.finishUpload
  fixture.finishUpload = async (request) => {
    const finished = await finish(request)
    await fixture.lifecycle.abandonFile({ fileId }, call)
    return finished
  }
  await expect(complete(fileId, 4)).rejects.toMatchObject({ code: 'not_found' })
  expect([...store.objects.keys()]).toEqual([])
  const second = await create('/ns/f')
  await note(second, 4)
  await fixture.lifecycle.completeFile({ fileId: other, length: 0 }, call)
  await expect(complete(second, 4)).rejects.toMatchObject({ code: 'already_exists' })
  expect(fixture.finishes.length).toBe(1)
})

it('stay unfinished when the store refuses, and can be tried again', async () => {
  const fileId = await create('/ns/f')
  await note(fileId, 4)
  const finish = fixture.finishUpload
  fixture.finishUpload = () => Promise.reject(new SkeinError('permission_denied', 'the store says no'))
  await expect(complete(fileId, 4)).rejects.toMatchObject({ code: 'permission_denied' })
  await expect(fixture.stat('/ns/f')).rejects.toMatchObject({ code: 'not_found' })
  fixture.finishUpload = finish
  expect((await complete(fileId, 4)).file).toMatchObject({ persistenceState: 'PERSISTED' })
})

it('are given up with their file, and forgotten by a master that starts anew', async () => {
  const abandoned = await create('/ns/f')
  await note(abandoned, 4)
  await fixture.lifecycle.abandonFile({ fileId: abandoned }, call)
  await vi.waitFor(() => expect(fixture.abandonedUploads).toEqual([abandoned]))
  const fileId = await create('/ns/g')
  await note(fileId, 4)
  await fixture.restart()
  await expect(complete(fileId, 4)).rejects.toMatchObject({
    code: 'failed_precondition',
    message: expect.stringMatching(/write the file again/),
  })
  expect(fixture.finishes).toEqual([])
})
