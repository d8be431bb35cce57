// Why: tests of streams that write have a real port, a real block store, and a master that knows
// one file. How: another worker is a FakeTarget.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileIdOf } from '../../../../../src/base/block-id.ts'
import { type Clock, systemClock } from '../../../../../src/base/clock.ts'
import { SkeinError } from '../../../../../src/base/errors.ts'
import { openTiers } from '../../../../../src/block/assembly/open-tiers.ts'
import type { TieredStore } from '../../../../../src/block/tier/tiered-store.ts'
import { LocalBlockTarget } from '../../../../../src/cache-worker/local-block-target.ts'
import {
  BlockWorkerDefinition as Worker,
  type WriteRequest,
  type WriteRequestCommand,
  type WriteResponse,
} from '../../../../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import { nativeBlockId } from '../../../../../src/goosefs-rpc/ids/native-ids.ts'
import { nativeService } from '../../../../../src/goosefs-rpc/native-service.ts'
import { type BlockWritesParts, BlockWrites } from '../../../../../src/goosefs-rpc/worker/block-writes.ts'
import { silentLogger } from '../../../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../../../src/telemetry/registry.ts'
import type { NoteWrittenBlockRequest, PlaceBlockRequest } from '../../../../../src/wire/generated/lifecycle.ts'
import { startServer } from '../../../../../src/wire/rpc/server.ts'
import { NativeClient, type NativeStream } from '../../../../support/native-client.ts'
import { FakeTarget } from '../../../job-worker/support/fakes.ts'

export const mebibyte = 1024 ** 2
export const blockSizeBytes = 4 * mebibyte
export const quotaBytes = 10 * mebibyte
export const fileId = fileIdOf(7)

export type WriteStream = NativeStream<WriteRequest, WriteResponse>

export class WritingWorker {
  readonly store: TieredStore
  readonly other: FakeTarget
  readonly noted: NoteWrittenBlockRequest[]
  readonly placed: PlaceBlockRequest[]
  readonly client: NativeClient
  readonly #close: () => Promise<void>

  private constructor(
    given: Pick<WritingWorker, 'store' | 'other' | 'noted' | 'placed' | 'client'>,
    close: () => Promise<void>,
  ) {
    this.store = given.store
    this.other = given.other
    this.noted = given.noted
    this.placed = given.placed
    this.client = given.client
    this.#close = close
  }

  static async open(changed: Partial<BlockWritesParts> = {}, clock: Clock = systemClock): Promise<WritingWorker> {
    const folder = await mkdtemp(join(tmpdir(), 'skein-writes-'))
    const store = await openTiers({
      tiers: [[{ path: join(folder, 'blocks'), tier: 'MEM', mediumType: 'MEM', quotaBytes }]],
      ...{ workerId: 'own', annotator: { kind: 'LRU' }, stallMs: 600_000, leastBytesPerSecond: 1 },
      events: { added: () => undefined, removed: () => undefined },
      ...{ clock: systemClock, logger: silentLogger, metrics: new MetricRegistry() },
    })
    const other = new FakeTarget('other')
    const [noted, placed]: [NoteWrittenBlockRequest[], PlaceBlockRequest[]] = [[], []]
    const lifecycle: BlockWritesParts['lifecycle'] = {
      getUnfinishedFile: async ({ fileId: asked }) => {
        if (asked !== fileId) throw new SkeinError('not_found', 'the file is not being written')
        return { fileId, namespaceId: 'ns-1', key: 'a/b', path: '/ns/a/b', blockSizeBytes, writePolicy: 'MUST_CACHE' }
      },
      placeBlock: async (request) => {
        placed.push(request)
        if (request.excludedWorkerIds.includes('other')) throw new SkeinError('unavailable', 'all workers were tried')
        return { workerId: 'other', hostname: 'h', rpcAddress: 'r', dataAddress: 'd' }
      },
      noteWrittenBlock: async (request) => {
        noted.push(request)
        return {}
      },
    }
    const writes = new BlockWrites({
      ...{ lifecycle, own: new LocalBlockTarget('own', store), others: { targetFor: () => other } },
      has: (blockId) => store.has(blockId),
      writeObject: () => Promise.reject(new SkeinError('unimplemented', 'no objects here')),
      ...{ streamsMax: 3, clock, random: () => 0, logger: silentLogger },
      retry: { attemptsMax: 3, initialMs: 1, maxMs: 1 },
      ...changed,
    })
    const server = await startServer({
      ...{ what: 'worker', host: '127.0.0.1', port: 0, services: [], logger: silentLogger, clock: systemClock },
      streams: [nativeService(Worker, { writeBlock: writes.write }, { sessions: undefined, logger: silentLogger })],
    })
    const client = new NativeClient(server.address)
    return new WritingWorker({ store, other, noted, placed, client }, async () => {
      client.close()
      await server.close(0)
      await store.close()
      await rm(folder, { recursive: true, force: true })
    })
  }

  /** A stream that has sent its first command. */
  begin(index: number, command: Partial<WriteRequestCommand> = {}): WriteStream {
    const stream = this.client.open(Worker, 'writeBlock')
    const first = { type: 0, id: nativeBlockId(fileId, index), offset: 0n, spaceToReserve: BigInt(blockSizeBytes) }
    stream.send({ value: { $case: 'command', command: { ...first, ...command } } })
    return stream
  }

  /** What the store has of a block. */
  async bytes(blockId: number): Promise<Buffer> {
    const reader = await this.store.open(blockId)
    try {
      return Buffer.from(await reader.read(0, reader.header.length, new AbortController().signal))
    } finally {
      await reader.close()
    }
  }

  close(): Promise<void> {
    return this.#close()
  }
}

export function sendBytes(stream: WriteStream, bytes: Uint8Array, chunkBytes = mebibyte): void {
  for (let at = 0; at < bytes.length; at += chunkBytes)
    stream.send({ value: { $case: 'chunk', chunk: { data: Buffer.from(bytes.subarray(at, at + chunkBytes)) } } })
}

/** @returns how many bytes the worker says that it has */
export async function flush(stream: WriteStream): Promise<number> {
  stream.send({ value: { $case: 'command', command: { flush: true } } })
  return Number((await stream.next())?.offset)
}

/** Ends the stream, and waits for its status. */
export async function finish(stream: WriteStream): Promise<void> {
  stream.end()
  await stream.rest()
}
