// Blocks read as files: exact bytes whatever happens to the block meanwhile, and the data port
// wherever the file is not what it should be. Against a real store and its real service; the data
// port is the store itself, as a worker has it.
import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, open, readdir, rename, rm, symlink, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { BlockStore } from '../../../src/block/block-store.ts'
import { openBlockStore } from '../../../src/block/assembly/multi-directory-store.ts'
import { createWorkerService } from '../../../src/cache-worker/block-calls.ts'
import { type ReadTarget, targetOf } from '../../../src/client/read/read-target.ts'
import { ShortCircuitReader } from '../../../src/client/read/short-circuit-reader.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { WorkerInfo } from '../../../src/wire/generated/master.ts'
import type { ExpectedBlock } from '../../../src/base/expected-block.ts'
import type { LocateBlockRequest, LocateBlockResponse } from '../../../src/wire/generated/worker.ts'
import {
  bytesOf,
  headerOf,
  mebibyte,
  never,
  noEviction,
  type StoreDependencies,
  storeDependencies,
  temporaryFolder,
} from '../../conformance/support/block-store-fixture.ts'

/** In a file of its own, and in a segment. */
const large = { id: 70, length: 5 * mebibyte + 13 }
const small = { id: 71, length: 700_001 }
const worker = WorkerInfo.fromPartial({
  workerId: 'w1',
  hostname: 'here',
  rpcAddress: 'rpc',
  dataAddress: 'data',
  live: true,
})

let root: string
let store: BlockStore
let deps: StoreDependencies
let cleanups: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  const folder = await temporaryFolder()
  root = join(folder.path, 'directory')
  deps = storeDependencies()
  store = await openBlockStore({
    directories: [{ path: root, tier: 'SSD', mediumType: 'SSD', quotaBytes: 64 * mebibyte }],
    workerId: 'w1',
    segments: { blockBytesMax: mebibyte },
    ...deps,
  })
  worker.directories = [{ path: root, tier: 'SSD', mediumType: 'SSD', quotaBytes: 1, usedBytes: 0 }]
  cleanups = [folder.remove, () => store.close()]
  for (const { id, length } of [large, small]) await store.put(headerOf(id, length), bytesOf(length, id))
})
afterEach(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup()
})

const blockOf = ({ id, length }: typeof large) => ({
  ...{ worker, blockId: id, length },
  expected: { ...headerOf(id, length), keyMoved: false },
})

type Locate = (request: LocateBlockRequest) => Promise<LocateBlockResponse>

function nearReader(around: (locate: Locate) => Locate = (locate) => locate) {
  const { service } = createWorkerService({
    workerId: 'w1',
    hostname: 'here',
    home: root,
    store,
    eviction: noEviction,
    clock: deps.clock,
    metrics: deps.metrics,
  })
  const overPort: [number, number][] = []
  let asked = 0
  const locate = around((request) => service.locateBlock(request, { signal: never }))
  const near = new ShortCircuitReader({
    connectWorker: () => ({
      service: {
        locateBlock: (request) => {
          asked += 1
          return locate(request)
        },
        locateBlocks: (request) => {
          asked += 1
          return service.locateBlocks(request, { signal: never })
        },
      },
      close: () => undefined,
    }),
    data: {
      async *read(_address, blockId, { offset, length }, signal) {
        overPort.push([offset, length])
        const reader = await store.open(blockId)
        try {
          yield await reader.read(offset, length, signal)
        } finally {
          await reader.close()
        }
      },
    },
    // Nothing is forgotten because the test is slow.
    clock: { ...systemClock, monotonicMs: () => deps.clock.monotonicMs(), schedule: () => () => undefined },
    logger: silentLogger,
  })
  return { near, overPort, asked: () => asked }
}

async function readPart(
  near: ShortCircuitReader,
  { id, length }: typeof large,
  from = 0,
  to = length,
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  const block = blockOf({ id, length })
  for await (const chunk of near.read(block, { offset: from, length: to - from }, never)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const isRight = (bytes: Buffer, { id, length }: typeof large, from = 0, to = length): boolean =>
  bytes.equals(bytesOf(length, id).subarray(from, to))

/** The only block file. */
async function blockFile(): Promise<string> {
  for (const folder of await readdir(join(root, 'blocks'))) {
    const [name] = await readdir(join(root, 'blocks', folder))
    if (name !== undefined) return join(root, 'blocks', folder, name)
  }
  throw new Error('there is no block file')
}

const makePipe = (command: string, path: string): void => expect(spawnSync(command, [path]).status).toBe(0)

async function flipByte(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, at)
  byte[0] = (byte[0] ?? 0) ^ 1
  await file.write(byte, 0, 1, at)
  await file.close()
}

describe('ShortCircuitReader', () => {
  test('reads any part of a block file or segment without the data port, and the worker counts it', async () => {
    let bytes = 0
    for (const block of [large, small]) {
      for (const [from, to] of [
        [0, block.length],
        [1, 300_002],
        [block.length - 262_144, block.length],
        [123_457, block.length - 1],
      ] as const) {
        const { near, overPort } = nearReader()
        expect(isRight(await readPart(near, block, from, to), block, from, to)).toBe(true)
        expect(overPort).toEqual([])
        near.close()
        bytes += to - from
      }
    }
    expect(deps.metrics.get('skein_worker_read_bytes_total', { source: 'local' })).toBe(bytes)
  })

  test('an open file is read on without a question, and the worker hears of all reads later', async () => {
    const { near, overPort, asked } = nearReader()
    const parts = [
      [0, mebibyte],
      [mebibyte, 2 * mebibyte],
      [3, 14],
      [mebibyte, large.length],
    ] as const
    for (const [from, to] of parts) expect(isRight(await readPart(near, large, from, to), large, from, to)).toBe(true)
    expect([overPort, asked()]).toEqual([[], 1 + 1])
    const counted = mebibyte + large.length
    await expect
      .poll(() => deps.metrics.get('skein_worker_read_bytes_total', { source: 'local' }), { interval: 5 })
      .toBe(counted)
    near.close()
  })

  test('reads into the memory of the caller, also parts of pages, in memory of several pieces', async () => {
    const { near } = nearReader()
    for (const block of [large, small])
      for (const [from, to, pieceBytes] of [
        [0, block.length, block.length],
        [mebibyte / 2, block.length - 1, block.length],
        [1000, 700_000, 300_000],
        [1, block.length, mebibyte],
      ] as const) {
        const into = Buffer.alloc(to - from)
        const target: ReadTarget = {
          at: (offset) => into.subarray(offset - from, Math.min(into.length, offset - from + pieceBytes)),
        }
        let at = from
        for await (const piece of near.read(blockOf(block), { offset: from, length: to - from }, never, { target })) {
          expect([piece.buffer === into.buffer, piece.byteOffset - into.byteOffset]).toEqual([true, at - from])
          at += piece.length
        }
        expect(isRight(into, block, from, to)).toBe(true)
      }
  })

  test('a page of which a part was read is not read again for its other parts', async () => {
    const { near, overPort } = nearReader()
    const into = Buffer.alloc(300_000)
    const readAt = async (from: number): Promise<void> => {
      const range = { offset: from, length: into.length }
      for await (const _ of near.read(blockOf(large), range, never, { target: targetOf(into, from) }));
      expect(into.equals(bytesOf(large.length, large.id).subarray(from, from + into.length))).toBe(true)
    }
    await readAt(1.5 * mebibyte)
    // What the disk has now would be found out, if it were read.
    await flipByte(await blockFile(), mebibyte + 5)
    await readAt(mebibyte)
    expect(overPort).toEqual([])
    near.close()
  })

  test('small blocks that were read ahead take no call', async () => {
    const { near, overPort, asked } = nearReader()
    const few = { id: 72, length: 5000 }
    await store.put(headerOf(few.id, few.length), bytesOf(few.length, few.id))
    const read: number[] = []
    const onRead = (block: { blockId: number }, bytes: Uint8Array): void => void read.push(block.blockId, bytes.length)
    near.readAhead([blockOf(few), blockOf({ id: 12_345, length: 10 })], onRead)
    await expect.poll(() => deps.metrics.get('skein_worker_read_bytes_total', { source: 'local' })).toBe(few.length)
    await expect.poll(async () => (await readPart(near, few), overPort.length), { interval: 5 }).toBe(overPort.length)
    const before = overPort.length
    for (const [from, to] of [
      [0, few.length],
      [7, 4000],
    ] as const)
      expect(isRight(await readPart(near, few, from, to), few, from, to)).toBe(true)
    expect([overPort.length, asked()]).toEqual([before, 1])
    near.readAhead([blockOf(few)], onRead)
    await expect.poll(() => read).toEqual([few.id, few.length, few.id, few.length])
    expect(asked()).toBe(1)
    near.close()
  })

  test('an open block is read in fewer steps, and left to the others when it cannot be', async () => {
    const { near, overPort, asked } = nearReader()
    const readAt = async (from: number, to: number): Promise<boolean> => {
      const into = Buffer.alloc(to - from)
      if (!(await near.readOpened(blockOf(large), from, into, never))) return false
      expect(isRight(into, large, from, to)).toBe(true)
      return true
    }
    expect(await readAt(0, mebibyte)).toBe(false)
    await readPart(near, large, 0, mebibyte)
    for (const [from, to] of [
      [0, large.length],
      [5, mebibyte + 7],
      [mebibyte, 2 * mebibyte],
      [0.75 * mebibyte, 3.5 * mebibyte],
      [large.length - 9, large.length],
    ] as const)
      expect(await readAt(from, to)).toBe(true)
    expect([overPort, asked()]).toEqual([[], 1 + 1])
    await flipByte(await blockFile(), 4 * mebibyte + 5)
    expect([await readAt(0, 4 * mebibyte), await readAt(0, large.length), await readAt(0, 1)]).toEqual([
      true,
      false,
      false,
    ])
    const stopped = AbortSignal.abort(new SkeinError('cancelled', 'stopped'))
    await readPart(near, large, 0, mebibyte)
    const stop = near.readOpened(blockOf(large), 0, Buffer.alloc(10), stopped)
    await expect(stop).rejects.toMatchObject({ code: 'cancelled' })
    near.close()
  })

  test('small parts come over the data port without a question', async () => {
    const { near, overPort, asked } = nearReader()
    expect(isRight(await readPart(near, large, 1000, 2000), large, 1000, 2000)).toBe(true)
    expect([overPort, asked()]).toEqual([[[1000, 1000]], 0])
    for (let from = 2000; from < 302_000; from += 100_000)
      expect(isRight(await readPart(near, large, from, from + 100_000), large, from, from + 100_000)).toBe(true)
    expect(isRight(await readPart(near, large, 5, 9), large, 5, 9)).toBe(true)
    // As many bytes as a part for which the file is opened at once.
    expect([overPort.length, asked()]).toEqual([1 + 2, 1])
  })

  test.each([large, small])(
    'a block that is freed while it is read is read to its end ($length bytes)',
    async (block) => {
      const { near, overPort } = nearReader()
      // Nothing of it is read before the first piece is asked for: the place is known by then, the
      // rest is not read yet.
      const reading = near.read(blockOf(block), { offset: 0, length: block.length }, never)
      const chunks: Uint8Array[] = []
      for await (const chunk of reading) {
        if (chunks.length === 0) expect(await store.free(block.id)).toBe(true)
        chunks.push(chunk)
      }
      expect(isRight(Buffer.concat(chunks), block)).toBe(true)
      expect(overPort).toEqual([])
    },
  )

  test('gives no byte of a rotten page; the data port is asked for the rest, the worker drops the block', async () => {
    const { near, overPort } = nearReader()
    await flipByte(await blockFile(), 4 * mebibyte + 5)
    const chunks: Uint8Array[] = []
    const reading = near.read(blockOf(large), { offset: 0, length: large.length }, never)
    const all = (async () => {
      for await (const chunk of reading) chunks.push(chunk)
    })()
    await expect(all).rejects.toMatchObject({ code: 'data_loss' })
    const got = Buffer.concat(chunks)
    expect(isRight(got, large, 0, got.length)).toBe(true)
    expect(overPort).toEqual([[got.length, large.length - got.length]])
    expect(got.length).toBe(4 * mebibyte)
    expect(store.has(large.id)).toBe(false)
    expect(deps.events.lines).toContain(`-${large.id} corrupt`)
  })

  const reuses: Record<string, (path: string, other: string) => Promise<unknown>> = {
    'another block of the same length': (path, other) => rename(other, path),
    'another version of the block': async (path) => {
      await store.free(large.id)
      await store.put({ ...headerOf(large.id, large.length), etag: 'new' }, bytesOf(large.length, 9))
      expect(await blockFile()).toBe(path)
    },
    'a shorter file': (path) => truncate(path, large.length - 7),
    'a longer file': (path) => truncate(path, large.length + 5000),
    'a link': async (path, other) => {
      await rm(path)
      await symlink(other, path)
    },
    'a folder': async (path) => {
      await rm(path)
      await mkdir(path)
    },
    'a pipe': async (path) => {
      await rm(path)
      makePipe('mkfifo', path)
    },
    nothing: (path) => rm(path),
  }
  test.each(Object.keys(reuses))('%s at the place by the time that it is opened is not read', async (what) => {
    const path = await blockFile()
    const other = join(root, 'other')
    const elsewhere = await openBlockStore({
      directories: [{ path: other, tier: 'SSD', mediumType: 'SSD', quotaBytes: 64 * mebibyte }],
      workerId: 'w1',
      ...storeDependencies(),
    })
    cleanups.push(() => elsewhere.close())
    await elsewhere.put(headerOf(99, large.length), bytesOf(large.length, 99))
    const otherFile = (await readdir(join(other, 'blocks'), { recursive: true })).find((name) => name.includes('/'))
    const kept = join(root, 'kept')
    await copyFile(path, kept)
    const { near, overPort } = nearReader((locate) => async (request) => {
      const located = await locate(request)
      await reuses[what]?.(path, join(other, 'blocks', otherFile ?? ''))
      return located
    })
    const chunks: Uint8Array[] = []
    await (async () => {
      for await (const chunk of near.read(blockOf(large), { offset: 0, length: large.length }, never))
        chunks.push(chunk)
    })().catch(() => undefined)
    // All of it was left to the data port, which says what is there.
    expect(overPort).toEqual([[0, large.length]])
    if (what !== 'another version of the block') expect(chunks).toEqual([])
  })

  test('a file outside of the directories that the worker registered is not opened, whatever it says', async () => {
    worker.directories = [
      { path: join(root, 'elsewhere'), tier: 'SSD', mediumType: 'SSD', quotaBytes: 1, usedBytes: 0 },
    ]
    const { near, overPort } = nearReader()
    expect(isRight(await readPart(near, large), large)).toBe(true)
    expect(overPort).toEqual([[0, large.length]])
  })

  test('a block of another version is left to the data port, which is told what is wanted', async () => {
    const expected: ExpectedBlock = { ...headerOf(large.id, large.length), keyMoved: false }
    for (const wrong of [{ key: 'other' }, { etag: 'other' }, { namespaceId: 'other' }, { offset: 9 }]) {
      const { near, overPort } = nearReader()
      const block = { worker, blockId: large.id, length: large.length, expected: { ...expected, ...wrong } }
      for await (const _ of near.read(block, { offset: 0, length: large.length }, never)) break
      expect(overPort).toHaveLength(1)
    }
    const { near, overPort } = nearReader()
    const moved = {
      worker,
      blockId: large.id,
      length: large.length,
      expected: { ...expected, key: 'moved', keyMoved: true },
    }
    for await (const _ of near.read(moved, { offset: 0, length: large.length }, never)) break
    expect(overPort).toEqual([])
  })

  test('a worker that does not know the call, or is silent, is not asked again for a while', async () => {
    const { near, overPort, asked } = nearReader(() => () => Promise.reject(new SkeinError('unimplemented', 'old')))
    for (let n = 0; n < 3; n += 1) expect(isRight(await readPart(near, large), large)).toBe(true)
    expect(asked()).toBe(1)
    deps.clock.passMs(30_000)
    expect(isRight(await readPart(near, large), large)).toBe(true)
    expect([asked(), overPort.length]).toEqual([2, 4])
  })

  test('files that cannot be opened go over the data port; after three the worker is spared for a while', async () => {
    const { near, overPort, asked } = nearReader((locate) => async (request) => ({
      ...(await locate(request)),
      path: join(root, 'none'),
    }))
    for (let n = 0; n < 5; n += 1) expect(isRight(await readPart(near, large), large)).toBe(true)
    expect([asked(), overPort.length]).toEqual([3, 5])
    // So reading ahead is worth it again, until a file can be opened.
    expect([near.readsFilesOf(worker), nearReader().near.readsFilesOf(worker)]).toEqual([false, true])
    deps.clock.passMs(30_000)
    expect(isRight(await readPart(near, large), large)).toBe(true)
    expect(asked()).toBe(4)
  })

  test('a block of another length, and one that is not there, are left to the data port', async () => {
    const { near, overPort } = nearReader()
    expect(isRight(await readPart(near, { ...large, length: large.length - 1 }, 0, mebibyte), large, 0, mebibyte)).toBe(
      true,
    )
    await expect(readPart(near, { id: 12_345, length: mebibyte })).rejects.toMatchObject({ code: 'not_found' })
    expect(overPort).toEqual([
      [0, mebibyte],
      [0, mebibyte],
    ])
    // It is asked again all the same.
    expect(isRight(await readPart(near, large), large)).toBe(true)
    expect(overPort.length).toBe(2)
  })

  test('a reader that stops in the middle leaves no descriptor open', async () => {
    const { near } = nearReader()
    const before = (await readdir('/proc/self/fd').catch(() => [])).length
    for (let n = 0; n < 40; n += 1) {
      for await (const _ of near.read(blockOf(large), { offset: 0, length: large.length }, never)) break
    }
    expect((await readdir('/proc/self/fd').catch(() => [])).length).toBeLessThan(before + 20)
  })
})
