import { status } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../../src/base/block-id.ts'
import { systemClock } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import { BlockWorkerDefinition as Worker } from '../../../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import { nativeBlockId } from '../../../../src/goosefs-rpc/ids/native-ids.ts'
import type { BlockWritesParts } from '../../../../src/goosefs-rpc/worker/block-writes.ts'
import { bytesOf } from '../../../conformance/support/block-store-fixture.ts'
import { until } from '../../../support/until.ts'
import {
  blockSizeBytes,
  fileId,
  finish,
  flush,
  mebibyte,
  quotaBytes,
  sendBytes,
  WritingWorker,
} from './support/writing-worker.ts'

let worker: WritingWorker
const open = async (changed?: Partial<BlockWritesParts>): Promise<WritingWorker> =>
  (worker = await WritingWorker.open(changed))
afterEach(() => worker.close())

const failsWith = (code: number) => ({ code })
const id = (index: number): number => blockIdOf(fileId, index)

/** Nothing is reserved any more, and nothing was noted. */
async function leavesNothing(): Promise<void> {
  await until(
    async () => worker.store.reservedBytes,
    (bytes) => bytes === 0,
  )
  expect(worker.noted).toEqual([])
  expect(worker.store.blockCount).toBe(0)
}

describe('a block', () => {
  it.each([
    ['of one byte', 1, mebibyte],
    ['that is small', 5000, 100],
    ['of several chunks', 3 * mebibyte + 17, mebibyte],
    ['of odd chunks', 2 * mebibyte + 1, 70_001],
    ['in small pieces', mebibyte + 300, 999],
    ['that is full', blockSizeBytes, mebibyte],
  ])('%s is here, and the master knows its length', async (_what, length, chunkBytes) => {
    await open()
    const bytes = bytesOf(length, 1)
    const stream = worker.begin(2)
    sendBytes(stream, bytes, chunkBytes)
    expect(await flush(stream)).toBe(length)
    expect(worker.noted).toEqual([])
    await finish(stream)
    expect(worker.noted).toEqual([{ fileId, blockIndex: 2, length }])
    expect((await worker.bytes(id(2))).equals(bytes)).toBe(true)
    const [kept] = worker.store.list()
    expect(kept).toMatchObject({ blockId: id(2), length, durable: true })
    expect(worker.store.reservedBytes).toBe(0)
    expect(worker.placed).toEqual([])
  })

  it('needs no flush', async () => {
    await open()
    const stream = worker.begin(0)
    sendBytes(stream, bytesOf(10, 2))
    await finish(stream)
    expect(worker.noted).toEqual([{ fileId, blockIndex: 0, length: 10 }])
  })

  it('goes to another worker when there is no room', async () => {
    await open()
    for (const index of [0, 1]) {
      const stream = worker.begin(index)
      sendBytes(stream, bytesOf(blockSizeBytes, index))
      await finish(stream)
    }
    expect(quotaBytes).toBeLessThan(3 * blockSizeBytes)
    const bytes = bytesOf(blockSizeBytes, 9)
    const stream = worker.begin(2)
    sendBytes(stream, bytes)
    await finish(stream)
    expect(worker.other.blocks.get(id(2))?.bytes.equals(bytes)).toBe(true)
    expect(worker.placed).toMatchObject([{ fileId, blockIndex: 2, openEnded: true, excludedWorkerIds: ['own'] }])
    expect(worker.noted.length).toBe(3)
  })

  it('says that there is no room when no other has any', async () => {
    await open()
    worker.other.before = () => {
      throw new SkeinError('unavailable', 'it is ill')
    }
    for (const index of [0, 1]) {
      const stream = worker.begin(index)
      sendBytes(stream, bytesOf(blockSizeBytes, index))
      await finish(stream)
    }
    const stream = worker.begin(2)
    sendBytes(stream, bytesOf(blockSizeBytes, 1))
    await expect(finish(stream)).rejects.toMatchObject(failsWith(status.RESOURCE_EXHAUSTED))
    expect(worker.noted.length).toBe(2)
  })

  it('is not written when the master does not take its length', async () => {
    let refusals = 0
    await open()
    const { lifecycle } = await refusing(() => (refusals += 1))
    await worker.close()
    await open({ lifecycle })
    const stream = worker.begin(0)
    sendBytes(stream, bytesOf(10, 1))
    await expect(finish(stream)).rejects.toMatchObject(failsWith(status.NOT_FOUND))
    expect(refusals).toBe(1)
  })
})

/** A master that gave the file up while the block was written. */
async function refusing(noted: () => void): Promise<Pick<BlockWritesParts, 'lifecycle'>> {
  return {
    lifecycle: {
      getUnfinishedFile: async () => ({
        ...{ fileId, namespaceId: 'ns-1', key: 'a/b', path: '/ns/a/b', blockSizeBytes, writePolicy: 'MUST_CACHE' },
      }),
      placeBlock: () => Promise.reject(new SkeinError('unavailable', 'none')),
      noteWrittenBlock: () => {
        noted()
        return Promise.reject(new SkeinError('not_found', 'the file is not being written'))
      },
    },
  }
}

describe('refuses', () => {
  it('a second stream of a block, without harm to the first, and a block that is there', async () => {
    await open()
    const bytes = bytesOf(2 * mebibyte, 1)
    const first = worker.begin(0)
    sendBytes(first, bytes)
    await flush(first)
    for (const again of [worker.begin(0), worker.begin(0, { type: 2 })])
      await expect(again.next()).rejects.toMatchObject(failsWith(status.ALREADY_EXISTS))
    await finish(first)
    expect((await worker.bytes(id(0))).equals(bytes)).toBe(true)
    await expect(worker.begin(0).next()).rejects.toMatchObject(failsWith(status.ALREADY_EXISTS))
    expect(worker.noted.length).toBe(1)
  })

  it.each([
    ['another offset', { offset: 1n }, status.INVALID_ARGUMENT],
    ['no id', { id: undefined }, status.INVALID_ARGUMENT],
    ['a negative id', { id: -1n }, status.INVALID_ARGUMENT],
    ['the id of a file', { id: (7n << 24n) | 0xff_ffffn }, status.INVALID_ARGUMENT],
    ['an id above all', { id: 2n ** 62n }, status.INVALID_ARGUMENT],
    ['a file that nobody writes', { id: nativeBlockId(fileId, 0) + (1n << 24n) }, status.NOT_FOUND],
    ['another type', { type: 5 }, status.INVALID_ARGUMENT],
    ['an object, where none is written', { type: 1, id: -1n }, status.UNIMPLEMENTED],
  ])('%s', async (_what, command, code) => {
    await open()
    await expect(worker.begin(0, command).next()).rejects.toMatchObject(failsWith(code))
    await leavesNothing()
  })

  it('more bytes than a block has, and none at all', async () => {
    await open()
    const long = worker.begin(0)
    sendBytes(long, bytesOf(blockSizeBytes + 1, 1))
    await expect(finish(long)).rejects.toMatchObject(failsWith(status.INVALID_ARGUMENT))
    await expect(finish(worker.begin(1))).rejects.toMatchObject(failsWith(status.INVALID_ARGUMENT))
    await leavesNothing()
  })

  it('bytes before the command, a second command, an empty message, an end at once', async () => {
    await open()
    const bytesFirst = worker.client.open(Worker, 'writeBlock')
    sendBytes(bytesFirst, bytesOf(3, 1))
    await expect(bytesFirst.next()).rejects.toMatchObject(failsWith(status.INVALID_ARGUMENT))
    const twice = worker.begin(0)
    twice.send({ value: { $case: 'command', command: { type: 0, id: 1n } } })
    await expect(twice.next()).rejects.toMatchObject(failsWith(status.INVALID_ARGUMENT))
    const empty = worker.begin(0)
    empty.send({ value: undefined })
    await expect(empty.next()).rejects.toMatchObject(failsWith(status.INVALID_ARGUMENT))
    await expect(finish(worker.client.open(Worker, 'writeBlock'))).rejects.toMatchObject(
      failsWith(status.INVALID_ARGUMENT),
    )
    await leavesNothing()
  })

  it('more streams than there may be, and one again when one has ended', async () => {
    await open()
    const three = [0, 1, 2].map((index) => worker.begin(index))
    for (const stream of three) {
      sendBytes(stream, bytesOf(5, 1))
      await flush(stream)
    }
    await expect(worker.begin(3).next()).rejects.toMatchObject(failsWith(status.RESOURCE_EXHAUSTED))
    await Promise.all(three.map(finish))
    const again = worker.begin(3)
    sendBytes(again, bytesOf(5, 1))
    await finish(again)
    expect(worker.noted.length).toBe(4)
  })
})

async function written(bytes: Uint8Array): Promise<boolean> {
  const stream = worker.begin(0)
  sendBytes(stream, bytes)
  try {
    await finish(stream)
    return true
  } catch {
    return false
  }
}

describe('a stream that ends early', () => {
  it.each([
    ['with few bytes', 10],
    ['with many', 3 * mebibyte],
  ])('leaves nothing, %s, and the block can be written again', async (_what, length) => {
    await open()
    const cancelled = worker.begin(0)
    sendBytes(cancelled, bytesOf(length, 1))
    await flush(cancelled)
    cancelled.cancel()
    await expect(cancelled.next()).rejects.toMatchObject(failsWith(status.CANCELLED))
    await leavesNothing()
    // Until the end of the first has been seen.
    await until(
      () => written(bytesOf(length, 2)),
      (isWritten) => isWritten,
    )
    expect(worker.noted).toEqual([{ fileId, blockIndex: 0, length }])
  })

  it('is given up when its client sends nothing any more', async () => {
    const waits: (() => void)[] = []
    const clock = {
      ...systemClock,
      schedule: (ms: number, task: () => void) => {
        if (ms !== 12_345) return systemClock.schedule(ms, task)
        waits.push(task)
        return () => void waits.splice(waits.indexOf(task), 1)
      },
    }
    worker = await WritingWorker.open({ clock, idleMs: 12_345 })
    const idle = worker.begin(0)
    sendBytes(idle, bytesOf(2 * mebibyte, 1))
    await flush(idle)
    await until(
      async () => waits.length,
      (count) => count === 1,
    )
    waits[0]?.()
    await expect(idle.next()).rejects.toMatchObject(failsWith(status.DEADLINE_EXCEEDED))
    await leavesNothing()
  })
})
