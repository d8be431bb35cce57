import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { seededRandom } from '../../../src/base/clock.ts'
import { BlockWorkerDefinition, type ReadRequest } from '../../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import { nativeBlockId } from '../../../src/goosefs-rpc/ids/native-ids.ts'
import type { BlockReadsOptions } from '../../../src/goosefs-rpc/worker/block-reads.ts'
import { NativeClient } from '../../support/native-client.ts'
import { until } from '../../support/until.ts'
import { ServedFiles, serveReads } from './support/served-files.ts'

const mebibyte = 1024 ** 2
const blockBytes = 5 * mebibyte
const random = seededRandom(3)
const bytes = Buffer.alloc(2 * blockBytes + 12_345)
for (let at = 0; at < bytes.length; at += 1) bytes[at] = Math.floor(random() * 256)
const container = 77

let files: ServedFiles
const cleanups: (() => Promise<void> | void)[] = []

beforeEach(() => {
  files = new ServedFiles()
  files.put(container, bytes, blockBytes)
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function serve(options: Partial<BlockReadsOptions> = {}) {
  const { server, reads } = await serveReads(files, options)
  cleanups.push(() => server.close(0))
  const client = new NativeClient(server.address)
  cleanups.push(() => client.close())
  const open = () => client.open(BlockWorkerDefinition, 'readBlock', {})
  return { reads, client, open }
}

const block = (index: number): bigint => nativeBlockId(fileIdOf(container), index)
const request = (index: number, offset: number, length: number, more: Partial<ReadRequest> = {}): ReadRequest => ({
  blockId: block(index),
  offset: BigInt(offset),
  length: BigInt(length),
  ...more,
})

type Open = Awaited<ReturnType<typeof serve>>['open']

async function read(open: Open, wanted: ReadRequest): Promise<Buffer[]> {
  const stream = open()
  stream.send(wanted)
  return (await stream.rest()).map(({ chunk }) => Buffer.from(chunk?.data ?? []))
}

async function codeOf(open: Open, wanted: ReadRequest): Promise<number | undefined> {
  const stream = open()
  stream.send(wanted)
  const thrown = await stream.rest().then(
    () => undefined,
    (error: { code: number }) => error,
  )
  return thrown?.code
}

describe('ReadBlock', () => {
  it.each(['file', 'network'] as const)(
    'gives the bytes of any range, in chunks of at most their size (%s)',
    async (source) => {
      files.source = source
      const { open, reads } = await serve()
      const sizes = [undefined, 1, 1000, 65_536, 300_000, mebibyte, 3 * mebibyte, 100 * mebibyte]
      for (let round = 0; round < 60; round += 1) {
        const index = Math.floor(random() * 3)
        const ofBlock = index === 2 ? 12_345 : blockBytes
        const offset = Math.floor(random() * ofBlock)
        const chunk = sizes[round % sizes.length]
        const length = Math.min(Math.floor(random() ** 3 * (ofBlock - offset + 1)), chunk === 1 ? 50 : ofBlock)
        const more = chunk === undefined ? {} : { chunkSize: BigInt(chunk) }
        const chunks = await read(open, request(index, offset, length, more))
        const start = index * blockBytes + offset
        expect(Buffer.compare(Buffer.concat(chunks), bytes.subarray(start, start + length))).toBe(0)
        expect(Math.max(0, ...chunks.map((one) => one.length))).toBeLessThanOrEqual(
          Math.min(chunk ?? mebibyte, mebibyte),
        )
        expect(chunks.every((one) => one.length > 0)).toBe(true)
      }
      expect(files.reading).toBe(0)
      await until(
        async () => reads.usedBytes + reads.streams,
        (left) => left === 0,
      )
    },
  )

  it('a whole block and a whole last block, side by side, within little memory', async () => {
    const { open, reads } = await serve({ bytesMax: 3 * mebibyte })
    const whole = await Promise.all(
      [0, 1, 2, 0, 1, 2].map(async (index) =>
        Buffer.concat(await read(open, request(index, 0, index === 2 ? 12_345 : blockBytes))),
      ),
    )
    for (const [at, got] of whole.entries())
      expect(Buffer.compare(got, bytes.subarray((at % 3) * blockBytes, (at % 3) * blockBytes + got.length))).toBe(0)
    expect(reads.usedBytes).toBe(0)
  })

  it('says how far it is as often as it likes', async () => {
    const { open } = await serve()
    const stream = open()
    stream.send(request(0, 0, blockBytes, { chunkSize: 100_000n }))
    for (let at = 1; at <= 500; at += 1) stream.send({ offsetReceived: BigInt(at) })
    const got = Buffer.concat((await stream.rest()).map(({ chunk }) => Buffer.from(chunk?.data ?? [])))
    expect(Buffer.compare(got, bytes.subarray(0, blockBytes))).toBe(0)
  })

  it('sends no more ahead than the client takes', async () => {
    const { open, reads } = await serve()
    const stream = open()
    stream.send(request(0, 0, blockBytes, { chunkSize: 100_000n, prefetchWindow: 2 }))
    const got: Buffer[] = []
    const take = async (): Promise<number> => {
      const next = await stream.next()
      got.push(Buffer.from(next?.chunk?.data ?? []))
      return got.reduce((sum, { length }) => sum + length, 0)
    }
    for (let count = 0; count < 3; count += 1) await take()
    // It has stopped: its memory goes back, and it goes on where it was.
    await until(
      async () => reads.usedBytes,
      (left) => left === 0,
    )
    expect(reads.streams).toBe(1)
    stream.send({ offsetReceived: 300_000n })
    for (let at = 0; at < blockBytes;) {
      at = await take()
      stream.send({ offsetReceived: BigInt(at) })
    }
    expect(await stream.next()).toBeUndefined()
    expect(Buffer.compare(Buffer.concat(got), bytes.subarray(0, blockBytes))).toBe(0)
  })

  it('the rest of a whole block is what a shorter last one has, as older clients ask for it', async () => {
    const { open } = await serve()
    const start = 2 * blockBytes
    for (const from of [0, 345, 12_345]) {
      const got = Buffer.concat(await read(open, request(2, from, blockBytes - from)))
      expect(Buffer.compare(got, bytes.subarray(start + from, start + 12_345))).toBe(0)
    }
  })

  it('an empty range is OK, at the end of the block too', async () => {
    const { open } = await serve()
    expect(await read(open, request(0, 0, 0))).toEqual([])
    expect(await read(open, request(2, 12_345, 0))).toEqual([])
  })

  it.each([
    ['no block', { length: 1n }, status.INVALID_ARGUMENT],
    ['no length', { blockId: block(0), offset: 0n }, status.INVALID_ARGUMENT],
    ['a negative block', request(0, 0, 1, { blockId: -5n }), status.INVALID_ARGUMENT],
    ['a negative offset', request(0, 0, 1, { offset: -1n }), status.INVALID_ARGUMENT],
    ['a negative length', request(0, 0, 1, { length: -1n }), status.INVALID_ARGUMENT],
    ['a negative chunk', request(0, 0, 1, { chunkSize: -1n }), status.INVALID_ARGUMENT],
    ['a huge length', request(0, 0, 1, { length: 2n ** 63n - 1n }), status.INVALID_ARGUMENT],
    ['a huge offset', request(0, 0, 1, { offset: 2n ** 53n - 1n }), status.INVALID_ARGUMENT],
    ['a length beyond the block', request(1, 1, blockBytes), status.INVALID_ARGUMENT],
    ['a length beyond any block', request(2, 0, blockBytes + 1), status.INVALID_ARGUMENT],
    ['a block behind the file', request(3, 0, 1), status.INTERNAL],
    ['the id of the file', request(0, 0, 1, { blockId: block(0) | 0xffffffn }), status.INTERNAL],
    ['an unknown block', request(0, 0, 1, { blockId: 9_999_999_999n }), status.INTERNAL],
    ['an id that none can have', request(0, 0, 1, { blockId: 2n ** 63n - 1n }), status.INTERNAL],
  ])('refuses %s', async (_name, wanted, code) => {
    const { open, reads } = await serve()
    expect(await codeOf(open, wanted)).toBe(code)
    expect(files.reading).toBe(0)
    expect(reads.streams).toBe(0)
  })

  it('refuses what is no message, and a stream without one', async () => {
    const { open } = await serve()
    const broken = open()
    broken.sendBytes(Buffer.from([0x0a, 0xff, 0xff]))
    await expect(broken.rest()).rejects.toMatchObject({ code: status.INVALID_ARGUMENT })
    const empty = open()
    empty.end()
    await expect(empty.rest()).rejects.toMatchObject({ code: status.INVALID_ARGUMENT })
  })

  it('a second range ends the stream with an error', async () => {
    files.beforeChunk = () => new Promise((resolve) => setTimeout(resolve, 1000))
    const { open, reads } = await serve()
    const stream = open()
    stream.send(request(0, 0, blockBytes))
    stream.send(request(1, 0, 1))
    await expect(stream.rest()).rejects.toMatchObject({ code: status.INVALID_ARGUMENT })
    await until(
      async () => reads.streams + files.reading + reads.usedBytes,
      (left) => left === 0,
    )
  })

  it.each(['file', 'network'] as const)(
    'an error in the middle is a status, never an early end (%s)',
    async (source) => {
      files.source = source
      files.failAt = 3 * mebibyte
      const { open, reads } = await serve()
      expect(await codeOf(open, request(0, 0, blockBytes))).toBe(status.DATA_LOSS)
      expect(files.reading + reads.streams + reads.usedBytes).toBe(0)
    },
  )

  it('a client that leaves in the middle leaves nothing open', async () => {
    const { open, reads } = await serve()
    const streams = Array.from({ length: 20 }, (_, index) => {
      const stream = open()
      stream.send(request(index % 2, 0, blockBytes))
      return stream
    })
    await Promise.all(streams.map((stream) => stream.next()))
    for (const stream of streams) stream.cancel()
    await until(
      async () => reads.streams + files.reading + reads.usedBytes,
      (left) => left === 0,
    )
  })

  it('has as many streams as are allowed', async () => {
    let go: () => void = () => undefined
    files.beforeChunk = () => new Promise<void>((resolve) => (go = resolve))
    const { open, reads } = await serve({ streamsMax: 1 })
    const first = open()
    first.send(request(0, 0, 10))
    await until(
      async () => files.reading,
      (reading) => reading === 1,
    )
    expect(await codeOf(open, request(0, 0, 10))).toBe(status.RESOURCE_EXHAUSTED)
    go()
    expect((await first.rest()).length).toBe(1)
    expect(reads.streams).toBe(0)
  })
})
