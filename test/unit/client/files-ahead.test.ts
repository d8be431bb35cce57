// Files that are opened ahead: later opens are answered, and their blocks of this host are read.
import { beforeEach, expect, test } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { OpenedAhead, smallFileBytesMax } from '../../../src/client/open/files-ahead.ts'
import { OpenedFiles } from '../../../src/client/open/opened-files.ts'
import type { NearBlock } from '../../../src/client/read/near-block.ts'
import { FileInfo, type OpenedFile, type OpenNextFilesRequest, WorkerInfo } from '../../../src/wire/generated/master.ts'
import { ManualClock } from './support/manual-clock.ts'

const never = new AbortController().signal
let clock: ManualClock
let opened: OpenedFiles
let files: OpenedFile[]
let requests: OpenNextFilesRequest[]
let read: NearBlock[]
let ahead: OpenedAhead

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
  ahead = new OpenedAhead({
    master: {
      openNextFiles: async (request) => {
        requests.push(request)
        return { files, workers }
      },
    },
    opened,
    near: { readAhead: (blocks) => void read.push(...blocks) },
    hostname: 'here',
    syncIntervalMs: 5,
  })
})

test('later opens and looks are answered by what came for all', async () => {
  files = [file(1, 10, ['near', 'far']), file(2, 20, ['far']), file(3, 0)]
  expect(await ahead.open('/ns/d', 'f0', 16, never)).toEqual(['f1', 'f2', 'f3'])
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
  await ahead.open('/ns/d', '', 16, never)
  expect(read).toHaveLength(1)
  expect(read[0]).toMatchObject({ worker: workers[0], blockId: blockIdOf(fileIdOf(1), 0), length: 10 })
  expect(read[0]?.expected).toMatchObject({ etag: 'v1', key: 'd/f1', offset: 0 })
})

test('no more bytes are read than fit', async () => {
  files = Array.from({ length: 100 }, (_, index) => file(index + 1, 100_000, ['near']))
  await ahead.open('/ns/d', '', 128, never)
  expect(read).toHaveLength(83)
})
