import { status } from '@grpc/grpc-js'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf, fileIdOf } from '../../../src/base/block-id.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { BlockWorkerDefinition as Worker } from '../../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import { nativeBlockId } from '../../../src/goosefs-rpc/ids/native-ids.ts'
import { blockWorkerService } from '../../../src/goosefs-rpc/worker/block-worker-service.ts'
import type { CachedBlocksParts, OpenBlock } from '../../../src/goosefs-rpc/worker/cached-blocks.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { FileInfo } from '../../../src/wire/generated/master.ts'
import { startServer } from '../../../src/wire/rpc/server.ts'
import { NativeClient } from '../../support/native-client.ts'
import { until } from '../../support/until.ts'

const mebibyte = 1024 ** 2
const blockBytes = 2 * mebibyte + 5
const fileId = fileIdOf(40)
const native = (index: number, file = fileId): bigint => nativeBlockId(file, index)
const dataOffsets = { own: 0, segment: 4096 } as const

let directory: string
let file: FileInfo | undefined
let has: Map<number, OpenBlock['header'] & { readonly kind: 'own' | 'segment' | 'memory' }>
let open: number
let read: number[]
let client: NativeClient
let close: () => Promise<void>

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skein-blocks-'))
  file = FileInfo.fromPartial({
    ...{ fileId, path: '/f', namespaceId: 'n', key: 'f', etag: 'e', keyMoved: false },
    ...{ length: 4 * blockBytes, blockSizeBytes: blockBytes, persistenceState: 'PERSISTED' },
  })
  has = new Map()
  open = 0
  read = []
  const blocks: CachedBlocksParts['blocks'] = {
    has: (blockId) => has.has(blockId),
    free: async (blockId) => has.delete(blockId),
    open: async (blockId) => {
      const block = has.get(blockId)
      if (block === undefined) throw new SkeinError('not_found', 'no such block')
      open += 1
      const path = join(directory, String(blockId))
      return {
        header: block,
        place: block.kind === 'memory' ? undefined : { path, dataOffset: dataOffsets[block.kind] },
        read: async (offset, length) => {
          read.push(length)
          if (block.etag === 'rotten' && offset > 0) throw new SkeinError('data_loss', 'a page is rotten')
          return new Uint8Array(length)
        },
        close: async () => void (open -= 1),
      }
    },
  }
  const files: CachedBlocksParts['files'] = {
    open: async (id) => {
      if (id !== fileId || file === undefined) throw new SkeinError('not_found', 'no complete file has it')
      return { file } as Awaited<ReturnType<CachedBlocksParts['files']['open']>>
    },
  }
  const none = () => Promise.reject(new SkeinError('unimplemented', 'none'))
  const server = await startServer({
    ...{ what: 'worker', host: '127.0.0.1', port: 0, services: [], logger: silentLogger, clock: systemClock },
    streams: [
      blockWorkerService({
        reads: { read: none },
        writes: { write: none },
        cached: { blocks, files },
        sessions: undefined,
        logger: silentLogger,
      }),
    ],
  })
  client = new NativeClient(server.address)
  close = async () => {
    client.close()
    await server.close(0)
    await rm(directory, { recursive: true })
  }
})
afterEach(() => close())

async function put(index: number, kind: 'own' | 'segment' | 'memory' = 'own', more: object = {}): Promise<string> {
  const blockId = blockIdOf(fileId, index)
  const names = { namespaceId: 'n', key: 'f', etag: 'e' }
  has.set(blockId, { blockId, ...names, offset: index * blockBytes, length: blockBytes, kind, ...more })
  const path = join(directory, String(blockId))
  if (kind === 'own') await writeFile(path, 'x'.repeat(100))
  return path
}

const code = (call: Promise<unknown>): Promise<number | undefined> =>
  call.then(
    () => undefined,
    (error: { code: number }) => error.code,
  )

describe('CheckBlocks', () => {
  it('tells the cached bytes of each block, and 0 of all others', async () => {
    await put(0)
    await put(2, 'segment')
    const ids = [native(0), native(1), native(2), native(0), -1n, 2n ** 63n - 1n, native(0, fileIdOf(41))]
    const { blockCachedBytes } = await client.call(Worker, 'checkBlocks', { blockIds: ids })
    expect(blockCachedBytes).toEqual(
      new Map([
        ...ids.map((id) => [id, 0n] as const),
        [native(0), BigInt(blockBytes)],
        [native(2), BigInt(blockBytes)],
      ]),
    )
    expect(open).toBe(0)
  })

  it('of no more blocks than it can look at', async () => {
    const blockIds = Array.from({ length: 10_001 }, (_, index) => BigInt(index))
    expect(await code(client.call(Worker, 'checkBlocks', { blockIds }))).toBe(status.INVALID_ARGUMENT)
  })
})

describe('RemoveBlock', () => {
  it('drops a cached block of a persisted file', async () => {
    await put(0)
    await client.call(Worker, 'removeBlock', { blockId: native(0) })
    expect([has.size, open]).toEqual([0, 0])
    expect(await code(client.call(Worker, 'removeBlock', { blockId: native(0) }))).toBe(status.NOT_FOUND)
  })

  it('keeps what may be nowhere else', async () => {
    await put(0)
    await put(1, 'own', { durable: true })
    const remove = (index: number) => code(client.call(Worker, 'removeBlock', { blockId: native(index) }))
    expect(await remove(1)).toBe(status.FAILED_PRECONDITION)
    if (file !== undefined) file = { ...file, persistenceState: 'TO_BE_PERSISTED' }
    expect(await remove(0)).toBe(status.FAILED_PRECONDITION)
    file = undefined
    expect(await remove(0)).toBe(status.FAILED_PRECONDITION)
    expect([has.size, open]).toEqual([2, 0])
  })

  it.each([
    ['no block', undefined],
    ['a negative one', -7n],
    ['an id that none can have', 2n ** 62n],
  ])('refuses %s', async (_name, blockId) => {
    expect(await code(client.call(Worker, 'removeBlock', { blockId }))).toBe(status.INVALID_ARGUMENT)
  })
})

describe('OpenLocalBlock', () => {
  const opened = () => client.open(Worker, 'openLocalBlock', {})
  const nothingIsOpen = () =>
    until(
      async () => open,
      (left) => left === 0,
    )

  it('names the file of a checked block, and holds the block until the stream ends', async () => {
    const path = await put(1)
    const first = opened()
    first.send({ blockId: native(1) })
    expect(await first.next()).toEqual({ path, blockSize: BigInt(blockBytes) })
    expect(read.reduce((sum, bytes) => sum + bytes, 0)).toBe(blockBytes)
    expect(open).toBe(1)
    // The same file is not checked again.
    const second = opened()
    second.send({ blockId: native(1) })
    await second.next()
    expect([open, read.length]).toEqual([2, 3])
    first.end()
    expect(await first.next()).toBeUndefined()
    second.cancel()
    await expect(second.next()).rejects.toMatchObject({ code: status.CANCELLED })
    await nothingIsOpen()
    // What is written there anew is.
    await rm(path)
    await put(1)
    const third = opened()
    third.send({ blockId: native(1) })
    await third.next()
    expect(read.length).toBe(6)
    third.cancel()
    await expect(third.next()).rejects.toMatchObject({ code: status.CANCELLED })
    await nothingIsOpen()
  })

  it.each([
    ['a block in a segment', 'segment', {}, status.FAILED_PRECONDITION],
    ['a block in memory', 'memory', {}, status.FAILED_PRECONDITION],
    ['a rotten block', 'own', { etag: 'rotten' }, status.DATA_LOSS],
    ['a block of another version', 'own', { etag: 'other' }, status.DATA_LOSS],
  ] as const)('declines %s', async (_name, kind, more, expected) => {
    await put(0, kind, more)
    if (file !== undefined && 'etag' in more && more.etag === 'rotten') file = { ...file, etag: 'rotten' }
    const stream = opened()
    stream.send({ blockId: native(0) })
    expect(await code(stream.rest())).toBe(expected)
    await nothingIsOpen()
  })

  it('declines blocks that are not here, and requests that are none', async () => {
    await put(0)
    for (const [request, expected] of [
      [{ blockId: native(1) }, status.NOT_FOUND],
      [{}, status.INVALID_ARGUMENT],
      [{ blockId: -1n }, status.INVALID_ARGUMENT],
    ] as const) {
      const stream = opened()
      stream.send(request)
      expect(await code(stream.rest())).toBe(expected)
    }
    const twice = opened()
    twice.send({ blockId: native(0) })
    twice.send({ blockId: native(0) })
    expect(await code(twice.rest())).toBe(status.INVALID_ARGUMENT)
    file = undefined
    const unknown = opened()
    unknown.send({ blockId: native(0) })
    expect(await code(unknown.rest())).toBe(status.NOT_FOUND)
    await nothingIsOpen()
  })
})
