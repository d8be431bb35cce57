import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../src/base/block-id.ts'
import { seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { bytesOf } from '../../conformance/support/block-store-fixture.ts'
import { blockSizeBytes, fileId, mebibyte, signal, WriteFixture } from './support/write-fixture.ts'

describe('writing a file', () => {
  let at: WriteFixture
  beforeEach(() => {
    at = new WriteFixture()
  })
  afterEach(() => at.expectNothingOpen())

  let closed = false
  async function* stream(bytes: Buffer, seed = 1): AsyncGenerator<Uint8Array> {
    closed = false
    const random = seededRandom(seed)
    try {
      for (let from = 0; from < bytes.length;) {
        const end = from + Math.floor(random() * 900_000)
        yield bytes.subarray(from, end)
        from = Math.min(end, bytes.length)
      }
    } finally {
      closed = true
    }
  }
  const write = (bytes: Buffer, announced = bytes.length) => at.write(announced, stream(bytes), signal)
  it.each([0, 1, 1000, 3 * mebibyte, 3 * mebibyte + 1, 11 * mebibyte + 7])(
    'sends %i bytes as durable blocks',
    async (length) => {
      const bytes = bytesOf(length, 1)
      expect(await write(bytes)).toEqual({
        fileId,
        length,
        writePolicy: 'MUST_CACHE',
        persisted: false,
        info: undefined,
      })
      at.expectBlocks(bytes)
      expect(at.calls).toEqual([`complete ${length}`])
      expect(at.created).toEqual([{ path: '/ns/a/b', blockSizeBytes: 0, requestKey: 'unique-0' }])
      expect(at.placed.map((request) => request.blockIndex)).toEqual(
        Array.from({ length: Math.ceil(length / blockSizeBytes) }, (_, n) => n),
      )
    },
  )

  it.each(['open', 'write', 'commit'] as const)(
    'sends a block to another worker when one fails at %s',
    async (failing) => {
      const bytes = bytesOf(8 * mebibyte, 2)
      let failures = 0
      for (const worker of at.workers.slice(0, 2))
        worker.before = (step, _header, offset) => {
          if (step !== failing || (step === 'write' && offset < 1_000_000)) return
          failures += 1
          throw new SkeinError(failures % 2 === 0 ? 'unavailable' : 'resource_exhausted', 'the worker is not well')
        }
      await write(bytes)
      at.expectBlocks(bytes)
      expect(failures).toBeGreaterThan(0)
      expect(at.placed.some(({ excludedWorkerIds }) => excludedWorkerIds.length > 0)).toBe(true)
      expect(at.calls).toEqual([`complete ${bytes.length}`])
    },
  )

  it('sends a small block to another worker too', async () => {
    const bytes = bytesOf(5000, 3)
    at.workers[0]!.before = () => {
      throw new SkeinError('unavailable', 'down')
    }
    await write(bytes)
    at.expectBlocks(bytes)
  })

  it('comes back to workers that failed when nobody else is left', async () => {
    const bytes = bytesOf(4 * mebibyte, 4)
    let down = 3
    for (const worker of at.workers)
      worker.before = (step) => {
        if (step === 'commit' && down-- > 0) throw new SkeinError('unavailable', 'restarting')
      }
    await write(bytes)
    at.expectBlocks(bytes)
  })

  it('gives up after its attempts, and abandons the file', async () => {
    for (const worker of at.workers)
      worker.before = () => {
        throw new SkeinError('resource_exhausted', 'full', { reason: 'no_capacity' })
      }
    await expect(write(bytesOf(2 * mebibyte, 5))).rejects.toMatchObject({ code: 'resource_exhausted' })
    expect(at.calls).toEqual(['abandon'])
    expect(at.placed.length).toBe(5)
    expect(closed).toBe(true)
  })

  it('does not try for ever what the master refuses', async () => {
    at.lifecycle.placeBlock = () => Promise.reject(new SkeinError('not_found', 'the file is not being written'))
    await expect(write(bytesOf(10, 6))).rejects.toMatchObject({ code: 'not_found' })
    expect(at.calls).toEqual(['abandon'])
    at.lifecycle.createFile = () => Promise.reject(new SkeinError('already_exists', 'exists'))
    await expect(write(bytesOf(10, 6))).rejects.toMatchObject({ code: 'already_exists' })
    expect(at.calls).toEqual(['abandon'])
  })

  it('abandons a file whose stream breaks or has another length, and blames no worker', async () => {
    const bytes = bytesOf(7 * mebibyte, 7)
    await expect(write(bytes, bytes.length + 1)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(write(bytes, bytes.length - 1)).rejects.toMatchObject({ code: 'invalid_argument' })
    const breaking = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 4 * mebibyte)
      throw new SkeinError('data_loss', 'the disk broke')
    }
    await expect(at.write(bytes.length, breaking(), signal)).rejects.toMatchObject({
      code: 'data_loss',
    })
    expect(at.calls).toEqual(['abandon', 'abandon', 'abandon'])
    expect(at.placed.every(({ excludedWorkerIds }) => excludedWorkerIds.length === 0)).toBe(true)
  })

  it('passes over blocks that a worker has already', async () => {
    const bytes = bytesOf(7 * mebibyte, 8)
    const first = {
      blockId: blockIdOf(fileId, 0),
      length: blockSizeBytes,
      namespaceId: 'ns-1',
      key: 'a/b',
      etag: '',
      offset: 0,
      durable: true,
    }
    at.workers[0]!.blocks.set(first.blockId, { header: first, bytes: bytes.subarray(0, blockSizeBytes) })
    await write(bytes)
    at.expectBlocks(bytes)
  })

  it('stops when it is told to', async () => {
    const stop = new AbortController()
    at.workers[1]!.before = () => stop.abort(new SkeinError('cancelled', 'stop'))
    const writing = at.write(9 * mebibyte, stream(bytesOf(9 * mebibyte, 9)), stop.signal)
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' })
    expect(at.calls).toEqual(['abandon'])
    expect(closed).toBe(true)
  })

  it.each([
    ['MUST_CACHE', []],
    ['ASYNC_THROUGH', []],
    ['CACHE_THROUGH', ['persist /ns/a/b']],
    ['THROUGH', ['persist /ns/a/b', 'free /ns/a/b false']],
  ] as const)('follows the write policy %s', async (policy, more) => {
    at.writePolicy = policy
    expect((await write(bytesOf(10, 1))).persisted).toBe(more.length > 0)
    expect(at.calls).toEqual(['complete 10', ...more])
  })

  it('says that the file is complete when only persisting it failed, and keeps it', async () => {
    at.writePolicy = 'THROUGH'
    at.lifecycle.persist = async () => ({ persisted: 0, already: 0, failures: ['/ns/a/b: the store is not well'] })
    await expect(write(bytesOf(10, 1))).rejects.toMatchObject({ code: 'unavailable', reason: 'not_persisted' })
    at.lifecycle.persist = () => Promise.reject(new SkeinError('permission_denied', 'denied'))
    await expect(write(bytesOf(10, 1))).rejects.toMatchObject({ code: 'unavailable', reason: 'not_persisted' })
    expect(at.calls).toEqual(['complete 10', 'complete 10'])
  })
})
