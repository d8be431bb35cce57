import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockCount, blockIdOf, blockLength, fileIdOf } from '../../../src/base/block-id.ts'
import { seededRandom, systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { FileWriter, type FileWriterOptions } from '../../../src/client/write/file-writer.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import type { CreateFileRequest, PlaceBlockRequest } from '../../../src/wire/generated/lifecycle.ts'
import { bytesOf } from '../../conformance/support/block-store-fixture.ts'
import { FakeTarget } from '../job-worker/support/fakes.ts'

const mebibyte = 1024 * 1024
const blockSizeBytes = 3 * mebibyte
const fileId = fileIdOf(5)
const signal = new AbortController().signal

describe('writing a file', () => {
  let workers: FakeTarget[]
  let calls: string[]
  let created: CreateFileRequest[]
  let placed: PlaceBlockRequest[]
  let writePolicy: string
  let lifecycle: { -readonly [M in keyof FileWriterOptions['lifecycle']]: FileWriterOptions['lifecycle'][M] }
  let writer: FileWriter

  beforeEach(() => {
    workers = ['w0', 'w1', 'w2'].map((id) => new FakeTarget(id))
    calls = []
    created = []
    placed = []
    writePolicy = 'MUST_CACHE'
    lifecycle = {
      createFile: async (request) => {
        created.push(request)
        return { fileId, namespaceId: 'ns-1', key: 'a/b', blockSizeBytes, writePolicy }
      },
      placeBlock: async (request) => {
        placed.push(request)
        const left = workers.filter(({ workerId }) => !request.excludedWorkerIds.includes(workerId))
        const worker = left[request.blockIndex % Math.max(1, left.length)]
        if (worker === undefined) throw new SkeinError('unavailable', 'no worker can store the block')
        return { workerId: worker.workerId, hostname: 'h', rpcAddress: 'r', dataAddress: 'd' }
      },
      completeFile: async ({ length }) => {
        calls.push(`complete ${length}`)
        return {}
      },
      abandonFile: async () => {
        calls.push('abandon')
        return {}
      },
      persist: async ({ path }) => {
        calls.push(`persist ${path}`)
        return { persisted: 1, already: 0, failures: [] }
      },
    }
    writer = new FileWriter({
      lifecycle,
      master: {
        free: async ({ path, force }) => {
          calls.push(`free ${path} ${force}`)
          return { paths: [path], freedBytes: 0 }
        },
      },
      targets: {
        targetFor: ({ workerId }) => {
          const found = workers.find((worker) => worker.workerId === workerId)
          if (found === undefined) throw new Error(`no worker ${workerId}`)
          return found
        },
      },
      uniqueId: () => `unique-${created.length}`,
      clock: systemClock,
      random: () => 0,
      logger: silentLogger,
      retry: { attemptsMax: 5, initialMs: 1, maxMs: 2 },
    })
  })
  afterEach(() => {
    for (const { openSinks } of workers) expect(openSinks).toBe(0)
  })

  let closed = false
  async function* stream(bytes: Buffer, seed = 1): AsyncGenerator<Uint8Array> {
    closed = false
    const random = seededRandom(seed)
    try {
      for (let at = 0; at < bytes.length;) {
        const end = at + Math.floor(random() * 900_000)
        yield bytes.subarray(at, end)
        at = Math.min(end, bytes.length)
      }
    } finally {
      closed = true
    }
  }
  const write = (bytes: Buffer, announced = bytes.length) => writer.write('/ns/a/b', announced, stream(bytes), signal)
  const expectBlocks = (bytes: Buffer): void => {
    for (let index = 0; index < blockCount(bytes.length, blockSizeBytes); index += 1) {
      const length = blockLength(bytes.length, blockSizeBytes, index)
      const offset = index * blockSizeBytes
      const blockId = blockIdOf(fileId, index)
      const block = workers.map(({ blocks }) => blocks.get(blockId)).find((found) => found !== undefined)
      expect(block?.header).toEqual({
        blockId,
        length,
        namespaceId: 'ns-1',
        key: 'a/b',
        etag: '',
        offset,
        durable: true,
      })
      expect(block?.bytes.equals(bytes.subarray(offset, offset + length)), `block ${index}`).toBe(true)
    }
  }

  it.each([0, 1, 1000, 3 * mebibyte, 3 * mebibyte + 1, 11 * mebibyte + 7])(
    'sends %i bytes as durable blocks',
    async (length) => {
      const bytes = bytesOf(length, 1)
      expect(await write(bytes)).toEqual({ fileId, length, writePolicy: 'MUST_CACHE', persisted: false })
      expectBlocks(bytes)
      expect(calls).toEqual([`complete ${length}`])
      expect(created).toEqual([{ path: '/ns/a/b', blockSizeBytes: 0, requestKey: 'unique-0' }])
      expect(placed.map((request) => request.blockIndex)).toEqual(
        Array.from({ length: Math.ceil(length / blockSizeBytes) }, (_, n) => n),
      )
    },
  )

  it.each(['open', 'write', 'commit'] as const)(
    'sends a block to another worker when one fails at %s',
    async (failing) => {
      const bytes = bytesOf(8 * mebibyte, 2)
      let failures = 0
      for (const worker of workers.slice(0, 2))
        worker.before = (step, _header, offset) => {
          if (step !== failing || (step === 'write' && offset < 1_000_000)) return
          failures += 1
          throw new SkeinError(failures % 2 === 0 ? 'unavailable' : 'resource_exhausted', 'the worker is not well')
        }
      await write(bytes)
      expectBlocks(bytes)
      expect(failures).toBeGreaterThan(0)
      expect(placed.some(({ excludedWorkerIds }) => excludedWorkerIds.length > 0)).toBe(true)
      expect(calls).toEqual([`complete ${bytes.length}`])
    },
  )

  it('sends a small block to another worker too', async () => {
    const bytes = bytesOf(5000, 3)
    workers[0]!.before = () => {
      throw new SkeinError('unavailable', 'down')
    }
    await write(bytes)
    expectBlocks(bytes)
  })

  it('comes back to workers that failed when nobody else is left', async () => {
    const bytes = bytesOf(4 * mebibyte, 4)
    let down = 3
    for (const worker of workers)
      worker.before = (step) => {
        if (step === 'commit' && down-- > 0) throw new SkeinError('unavailable', 'restarting')
      }
    await write(bytes)
    expectBlocks(bytes)
  })

  it('gives up after its attempts, and abandons the file', async () => {
    for (const worker of workers)
      worker.before = () => {
        throw new SkeinError('resource_exhausted', 'full', { reason: 'no_capacity' })
      }
    await expect(write(bytesOf(2 * mebibyte, 5))).rejects.toMatchObject({ code: 'resource_exhausted' })
    expect(calls).toEqual(['abandon'])
    expect(placed.length).toBe(5)
    expect(closed).toBe(true)
  })

  it('does not try for ever what the master refuses', async () => {
    lifecycle.placeBlock = () => Promise.reject(new SkeinError('not_found', 'the file is not being written'))
    await expect(write(bytesOf(10, 6))).rejects.toMatchObject({ code: 'not_found' })
    expect(calls).toEqual(['abandon'])
    lifecycle.createFile = () => Promise.reject(new SkeinError('already_exists', 'exists'))
    await expect(write(bytesOf(10, 6))).rejects.toMatchObject({ code: 'already_exists' })
    expect(calls).toEqual(['abandon'])
  })

  it('abandons a file whose stream breaks or has another length, and blames no worker', async () => {
    const bytes = bytesOf(7 * mebibyte, 7)
    await expect(write(bytes, bytes.length + 1)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(write(bytes, bytes.length - 1)).rejects.toMatchObject({ code: 'invalid_argument' })
    const breaking = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 4 * mebibyte)
      throw new SkeinError('data_loss', 'the disk broke')
    }
    await expect(writer.write('/ns/a/b', bytes.length, breaking(), signal)).rejects.toMatchObject({ code: 'data_loss' })
    expect(calls).toEqual(['abandon', 'abandon', 'abandon'])
    expect(placed.every(({ excludedWorkerIds }) => excludedWorkerIds.length === 0)).toBe(true)
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
    workers[0]!.blocks.set(first.blockId, { header: first, bytes: bytes.subarray(0, blockSizeBytes) })
    await write(bytes)
    expectBlocks(bytes)
  })

  it('stops when it is told to', async () => {
    const stop = new AbortController()
    workers[1]!.before = () => stop.abort(new SkeinError('cancelled', 'stop'))
    const writing = writer.write('/ns/a/b', 9 * mebibyte, stream(bytesOf(9 * mebibyte, 9)), stop.signal)
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' })
    expect(calls).toEqual(['abandon'])
    expect(closed).toBe(true)
  })

  it.each([
    ['MUST_CACHE', []],
    ['ASYNC_THROUGH', []],
    ['CACHE_THROUGH', ['persist /ns/a/b']],
    ['THROUGH', ['persist /ns/a/b', 'free /ns/a/b false']],
  ] as const)('follows the write policy %s', async (policy, more) => {
    writePolicy = policy
    expect((await write(bytesOf(10, 1))).persisted).toBe(more.length > 0)
    expect(calls).toEqual(['complete 10', ...more])
  })

  it('says that the file is complete when only persisting it failed, and keeps it', async () => {
    writePolicy = 'THROUGH'
    lifecycle.persist = async () => ({ persisted: 0, already: 0, failures: ['/ns/a/b: the store is not well'] })
    await expect(write(bytesOf(10, 1))).rejects.toMatchObject({ code: 'unavailable', reason: 'not_persisted' })
    lifecycle.persist = () => Promise.reject(new SkeinError('permission_denied', 'denied'))
    await expect(write(bytesOf(10, 1))).rejects.toMatchObject({ code: 'unavailable', reason: 'not_persisted' })
    expect(calls).toEqual(['complete 10', 'complete 10'])
  })
})
