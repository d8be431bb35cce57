// Why: files of clients of other protocols: their own write policy, and blocks whose lengths only
// workers know.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

const create = async (path: string, writePolicy?: string): Promise<number> =>
  (
    await fixture.lifecycle.createFile(
      { path, blockSizeBytes: 0, requestKey: `key of ${path}`, ...(writePolicy !== undefined && { writePolicy }) },
      call,
    )
  ).fileId
const note = (fileId: number, blockIndex: number, length: number) =>
  fixture.lifecycle.noteWrittenBlock({ fileId, blockIndex, length }, call)
const complete = (fileId: number, length: number) =>
  fixture.lifecycle.completeFile({ fileId, length, asNoted: true }, call)
const unfinished = (fileId: number) => fixture.lifecycle.getUnfinishedFile({ fileId }, call)
const refused = { code: 'failed_precondition', reason: 'blocks_differ' }

describe('a write policy of its own', () => {
  it.each([
    ['MUST_CACHE', 'ASYNC_THROUGH', 'TO_BE_PERSISTED'],
    ['ASYNC_THROUGH', 'MUST_CACHE', 'NOT_PERSISTED'],
    ['ASYNC_THROUGH', undefined, 'TO_BE_PERSISTED'],
  ])('in a namespace with %s, a file with %s is %s', async (ofNamespace, own, state) => {
    await fixture.create('ns', 's3://bucket', { writePolicy: ofNamespace })
    const fileId = await create('/ns/f', own)
    await fixture.restart()
    expect(await unfinished(fileId)).toMatchObject({ writePolicy: own ?? ofNamespace, path: '/ns/f' })
    await fixture.lifecycle.completeFile({ fileId, length: 0 }, call)
    expect(await fixture.stat('/ns/f')).toMatchObject({ persistenceState: state })
  })

  it('must be one', async () => {
    await fixture.create()
    await expect(create('/ns/f', 'SOMETIMES')).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('does not make a read-only namespace writable', async () => {
    await fixture.create('ns', 's3://bucket', { readOnly: 'true' })
    await expect(create('/ns/f', 'MUST_CACHE')).rejects.toMatchObject({ code: 'failed_precondition' })
  })
})

describe('noted blocks', () => {
  beforeEach(async () => void (await fixture.create()))

  it('make a file of their lengths, and of no other', async () => {
    const fileId = await create('/ns/f')
    await fixture.worker(
      'w',
      [0, 1, 2].map((index) => blockIdOf(fileId, index)),
    )
    expect(await unfinished(fileId)).not.toHaveProperty('notedBytes')
    await note(fileId, 1, 4)
    await note(fileId, 0, 4)
    await note(fileId, 2, 3)
    await note(fileId, 2, 3)
    expect(await unfinished(fileId)).toMatchObject({ notedBytes: 11 })
    for (const length of [0, 4, 8, 10, 12, 13]) await expect(complete(fileId, length)).rejects.toMatchObject(refused)
    await complete(fileId, 11)
    await complete(fileId, 11)
    expect(await fixture.stat('/ns/f')).toMatchObject({ length: 11 })
  })

  it('with a short one in the middle, or a gap, make no file', async () => {
    const short = await create('/ns/short')
    await note(short, 0, 3)
    await note(short, 1, 4)
    await expect(complete(short, 7)).rejects.toMatchObject(refused)
    const gap = await create('/ns/gap')
    await note(gap, 0, 4)
    await note(gap, 2, 4)
    await expect(complete(gap, 8)).rejects.toMatchObject(refused)
  })

  it('are checked', async () => {
    const fileId = await create('/ns/f')
    for (const [index, length] of [
      [0, 0],
      [0, 5],
      [2 ** 20, 1],
    ] as const)
      await expect(note(fileId, index, length)).rejects.toMatchObject({ code: 'invalid_argument' })
    await note(fileId, 0, 4)
    await expect(note(fileId, 0, 3)).rejects.toMatchObject({ code: 'already_exists' })
    await expect(note(fileId + 2 ** 20, 0, 4)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('are forgotten with the file, and at a start, which is said', async () => {
    const gone = await create('/ns/gone')
    await note(gone, 0, 4)
    await fixture.lifecycle.abandonFile({ fileId: gone }, call)
    await expect(note(gone, 0, 4)).rejects.toMatchObject({ code: 'not_found' })
    const fileId = await create('/ns/f')
    await note(fileId, 0, 4)
    await fixture.restart()
    await fixture.worker('w', [blockIdOf(fileId, 0)])
    await expect(complete(fileId, 4)).rejects.toThrow(/the master was started anew/)
    expect(await fixture.keys()).toEqual([])
  })
})
