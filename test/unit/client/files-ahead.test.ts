// Files that are opened ahead: later opens are answered, and their blocks of this host are read.
import { beforeEach, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { type ContentAhead, OpenedAhead, smallFileBytesMax } from '../../../src/client/open/files-ahead.ts'
import { OpenedFiles } from '../../../src/client/open/opened-files.ts'
import type { NearBlock } from '../../../src/client/read/near-block.ts'
import {
  FileInfo,
  type OpenedFile,
  type OpenFileRequest,
  type OpenFileResponse,
  type OpenNextFilesRequest,
  WorkerInfo,
} from '../../../src/wire/generated/master.ts'
import { ManualClock } from './support/manual-clock.ts'

const never = new AbortController().signal
let clock: ManualClock
let opened: OpenedFiles
let files: OpenedFile[]
let requests: OpenNextFilesRequest[]
let read: NearBlock[]
let looks: OpenFileRequest[]
let answer: (path: string) => OpenFileResponse
let ahead: OpenedAhead
let contents: [string, number, string][]
let unwanted: string
const content: ContentAhead = {
  isWanted: ({ name }) => name !== unwanted,
  onContent: ({ name, length }, bytes) => void contents.push([name, length, Buffer.from(bytes).toString()]),
}

const worker = (workerId: string, hostname: string, live = true): WorkerInfo =>
  WorkerInfo.fromPartial({ workerId, hostname, live })
const workers = [worker('near', 'here'), worker('far', 'there'), worker('gone', 'here', false)]

function file(number: number, length: number, ...blocks: string[][]): OpenedFile {
  const path = `/ns/d/f${number}`
  const version = { fileId: fileIdOf(number), etag: `v${number}`, namespaceId: 'n', key: `d/f${number}` }
  return {
    file: FileInfo.fromPartial({ path, name: `f${number}`, length, blockSizeBytes: 100_000, ...version }),
    blocks: blocks.map((workerIds) => ({ workerIds })),
  }
}

beforeEach(() => {
  clock = new ManualClock()
  opened = new OpenedFiles({ clock, keepMs: 1000 })
  files = []
  requests = []
  read = []
  looks = []
  contents = []
  unwanted = ''
  ahead = new OpenedAhead({
    master: {
      openNextFiles: async (request) => {
        requests.push(request)
        return { files, workers }
      },
      openFile: async (request) => {
        looks.push(request)
        return answer(request.path)
      },
      getStatus: async ({ path }) => FileInfo.fromPartial({ path, folder: true }),
    },
    opened,
    near: {
      readAhead: (blocks, onRead) => {
        read.push(...blocks)
        for (const block of blocks) onRead(block, Buffer.from(`bytes of ${block.blockId}`))
      },
    },
    hostname: 'here',
    syncIntervalMs: 5,
  })
})

test('later opens and looks are answered by what came for all', async () => {
  files = [file(1, 10, ['near', 'far']), file(2, 20, ['far']), file(3, 0)]
  expect(await ahead.open({ directory: '/ns/d', startAfter: 'f0', limit: 16 }, content, never)).toEqual([
    'f1',
    'f2',
    'f3',
  ])
  const request = { directory: '/ns/d', startAfter: 'f0', limit: 16, lengthMax: smallFileBytesMax, syncIntervalMs: 5 }
  expect(requests).toEqual([request])
  clock.passMs(200)
  const ask = (): never => expect.fail('it is known')
  const first = await opened.open('/ns/d/f1', false, ask)
  expect(first).toEqual({ ...files[0], workers: [workers[0], workers[1]] })
  expect((await opened.open('/ns/d/f3', false, ask)).workers).toEqual([])
  expect(ahead.seen('/ns/d/f2')).toMatchObject({ ageMs: 200, status: { length: 20, kind: 'file', etag: 'v2' } })
  expect(ahead.seen('/ns/d/f4')).toBeUndefined()
  clock.passMs(800)
  expect(ahead.seen('/ns/d/f2')).toBeUndefined()
})

test('the blocks that a live worker of this host has are read', async () => {
  files = [
    file(1, 10, ['far', 'near']),
    file(2, 10, ['far']),
    file(3, 10, ['gone']),
    file(4, 150_000, ['near'], ['near']),
  ]
  await ahead.open({ directory: '/ns/d', startAfter: '', limit: 16 }, content, never)
  expect(read).toHaveLength(1)
  expect(read[0]).toMatchObject({ worker: workers[0], blockId: blockIdOf(fileIdOf(1), 0), length: 10 })
  expect(read[0]?.expected).toMatchObject({ etag: 'v1', key: 'd/f1', offset: 0 })
  expect(contents).toEqual([['f1', 10, `bytes of ${blockIdOf(fileIdOf(1), 0)}`]])
})

test('what is not wanted is not read, and opened all the same', async () => {
  files = [file(1, 10, ['near']), file(2, 10, ['near'])]
  unwanted = 'f1'
  expect(await ahead.open({ directory: '/ns/d', startAfter: '', limit: 16 }, content, never)).toEqual(['f1', 'f2'])
  expect(contents.map(([name]) => name)).toEqual(['f2'])
  expect(ahead.seen('/ns/d/f1')).toBeDefined()
})

test('no more bytes are read than fit', async () => {
  files = Array.from({ length: 100 }, (_, index) => file(index + 1, 100_000, ['near']))
  await ahead.open({ directory: '/ns/d', startAfter: '', limit: 128 }, content, never)
  expect(read).toHaveLength(83)
})

test('a look at a file serves the next open of it; one at a directory or at many blocks does not', async () => {
  const { blocks, file: info } = file(1, 10, ['near'])
  answer = () => ({ file: info, blocks, workers })
  expect(await ahead.look('/ns/d/f1', never)).toMatchObject({ kind: 'file', length: 10 })
  expect(looks).toEqual([{ path: '/ns/d/f1', lookBlocksMax: 16, syncIntervalMs: 5 }])
  const known = await opened.open('/ns/d/f1', false, () => expect.fail('it is known'))
  expect(known.blocks).toEqual(blocks)
  const path = '/ns/d/other'
  const others: OpenFileResponse[] = [
    { file: FileInfo.fromPartial({ path, folder: true }), blocks: [], workers: [] },
    { file: FileInfo.fromPartial({ path, length: 1e9 }), blocks: [], workers: [], untold: true },
  ]
  for (const other of others) {
    answer = () => other
    expect((await ahead.look(path, never)).path).toBe(path)
    expect(opened.kept(path)).toBeUndefined()
  }
  // A master that knows no looks.
  answer = () => {
    throw new SkeinError('failed_precondition', `${path} is a directory; give a file`)
  }
  expect((await ahead.look(path, never)).kind).toBe('directory')
  answer = () => {
    throw new SkeinError('not_found', `${path} does not exist`)
  }
  await expect(ahead.look(path, never)).rejects.toMatchObject({ code: 'not_found' })
})
