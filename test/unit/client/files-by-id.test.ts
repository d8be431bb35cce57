import { beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { FilesById } from '../../../src/client/open/files-by-id.ts'
import { type FileInfo, OpenFileResponse } from '../../../src/wire/generated/master.ts'
import { ManualClock } from './support/manual-clock.ts'

const never = new AbortController().signal

let clock: ManualClock
let byId: Map<number, OpenFileResponse>
let byPath: Map<string, OpenFileResponse>
let asked: (number | string)[]
let refreshed: number
let failure: SkeinError | undefined

function opened(fileId: number, fields: Partial<FileInfo> = {}, blocks = 1): OpenFileResponse {
  const file = { fileId, path: `/f${fileId}`, etag: `v${fileId}`, length: blocks * 10, blockSizeBytes: 10, ...fields }
  return OpenFileResponse.fromPartial({
    file,
    blocks: Array.from({ length: blocks }, () => ({ workerIds: ['a'] })),
    workers: [{ workerId: 'a' }],
  })
}

function files(more: { filesMax?: number; blocksMax?: number } = {}): FilesById {
  return new FilesById({
    clock,
    master: {
      openFile: async ({ path, fileId }) => {
        asked.push(fileId ?? path)
        if (failure !== undefined) throw failure
        const answer = fileId === undefined ? byPath.get(path) : byId.get(fileId)
        if (answer === undefined) throw new SkeinError('not_found', 'gone')
        return answer
      },
      refreshFile: async () => ((refreshed += 1), { file: undefined }),
    },
    reader: {
      readFromFile: async () => false,
      isInFile: () => false,
      keptBytes: () => undefined,
      // Each byte is the id under which it is read.
      readOpened: async function* readOpened(answer, _signal, how) {
        if (answer.file?.etag === 'changed') throw new SkeinError('aborted', 'changed', { reason: 'object_changed' })
        yield new Uint8Array(how?.range?.length ?? 0).fill(answer.file?.fileId ?? 0)
      },
    },
    ...more,
  })
}

beforeEach(() => {
  clock = new ManualClock()
  byId = new Map([1, 2, 3].map((id) => [id, opened(id)]))
  byPath = new Map()
  asked = []
  refreshed = 0
  failure = undefined
})

describe('files by id', () => {
  it('asks once a second for a file, and once for all that want it', async () => {
    const known = files()
    await Promise.all([known.open(1, never), known.open(1, never), known.open(1, never)])
    clock.passMs(999)
    const version = await known.open(1, never)
    expect(asked).toEqual([1])
    clock.passMs(1)
    expect(await known.open(1, never)).toBe(version)
    expect(asked).toEqual([1, 1])
  })

  it('whoever leaves does not keep the others from the answer', async () => {
    const known = files()
    const left = new AbortController()
    const first = known.open(1, left.signal)
    const second = known.open(1, never)
    left.abort(new SkeinError('cancelled', 'left'))
    await expect(first).rejects.toMatchObject({ code: 'cancelled' })
    expect((await second).file.fileId).toBe(1)
  })

  it('keeps as many files and blocks as are allowed, and the last used ones', async () => {
    const known = files({ filesMax: 2 })
    for (const id of [1, 2, 1, 3, 1, 2]) await known.open(id, never)
    expect(asked).toEqual([1, 2, 3, 2])
    byId.set(9, opened(9, {}, 5))
    asked = []
    const small = files({ blocksMax: 6 })
    for (const id of [1, 2, 9, 1, 9]) await small.open(id, never)
    expect(asked).toEqual([1, 2, 9, 1])
  })

  it('an id of no file, and a master that does not answer', async () => {
    const known = files()
    await expect(known.open(8, never)).rejects.toMatchObject({ code: 'not_found' })
    await known.open(1, never)
    clock.passMs(2000)
    failure = new SkeinError('unavailable', 'no master')
    await expect(known.open(1, never)).rejects.toMatchObject({ code: 'unavailable' })
    failure = undefined
    expect((await known.open(1, never)).file.fileId).toBe(1)
  })

  it('a file that was freed is read on under its new id', async () => {
    const known = files()
    await known.open(1, never)
    byId.delete(1)
    byPath.set('/f1', opened(5, { path: '/f1', etag: 'v1' }))
    clock.passMs(2000)
    const version = await known.open(1, never)
    expect(version.file.fileId).toBe(1)
    expect([...(await version.bytes({ offset: 0, length: 2 }, never))]).toEqual([5, 5])
    clock.passMs(100_000)
    expect((await known.open(1, never)).file.fileId).toBe(1)
  })

  it.each([
    ['another version', { etag: 'v2' }],
    ['another length', { etag: 'v1', length: 11 }],
    ['other blocks', { etag: 'v1', blockSizeBytes: 5 }],
    ['a directory', { etag: 'v1', folder: true }],
  ])('it is not found when its path is %s now', async (_name, fields) => {
    const known = files()
    await known.open(1, never)
    byId.delete(1)
    byPath.set('/f1', opened(5, { path: '/f1', ...fields }))
    clock.passMs(2000)
    await expect(known.open(1, never)).rejects.toMatchObject({ code: 'not_found' })
    // It is forgotten, too.
    byPath.set('/f1', opened(5, { path: '/f1', etag: 'v1' }))
    await expect(known.open(1, never)).rejects.toMatchObject({ code: 'not_found' })
  })

  it('the master hears that the store has another version', async () => {
    byId.set(1, opened(1, { etag: 'changed' }))
    const known = files()
    const version = await known.open(1, never)
    await expect(version.bytes({ offset: 0, length: 1 }, never)).rejects.toMatchObject({ reason: 'object_changed' })
    expect(refreshed).toBe(1)
    await known.open(1, never)
    expect(asked).toEqual([1, 1])
  })
})
