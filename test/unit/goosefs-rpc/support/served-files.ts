// Why: reads of blocks are tested without a cluster. How: a file system of a few files, whose bytes
// come as those of block files do (in memory that is lent), or as from a network (in chunks of any
// size), behind the real service on a real port.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileIdOf } from '../../../../src/base/block-id.ts'
import { type Random, seededRandom, systemClock, throwIfAborted } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { ChunkMemory } from '../../../../src/base/flow/lent-pieces.ts'
import { piecesOf } from '../../../../src/client/read/block-pieces.ts'
import { place, type ReadTarget } from '../../../../src/client/read/read-target.ts'
import { BlockWorkerDefinition } from '../../../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import { nativeService } from '../../../../src/goosefs-rpc/native-service.ts'
import { BlockReads, type BlockReadsOptions } from '../../../../src/goosefs-rpc/worker/block-reads.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import type { ByteRange } from '../../../../src/wire/data/data-client.ts'
import { FileInfo } from '../../../../src/wire/generated/master.ts'
import { startServer } from '../../../../src/wire/rpc/server.ts'

type Version = Awaited<ReturnType<BlockReadsOptions['files']['open']>>

export class ServedFiles {
  readonly #files = new Map<number, { readonly bytes: Buffer; readonly blockSizeBytes: number }>()
  readonly #random: Random = seededRandom(7)
  source: 'file' | 'network' = 'file'
  /** Streams that are open. */
  reading = 0
  /** Thrown in place of the byte at this offset. */
  failAt: number | undefined
  /** Awaited before each chunk. */
  beforeChunk: () => Promise<unknown> = () => Promise.resolve()

  put(container: number, bytes: Buffer, blockSizeBytes: number): void {
    this.#files.set(fileIdOf(container), { bytes, blockSizeBytes })
  }

  async open(fileId: number, signal: AbortSignal): Promise<Version> {
    throwIfAborted(signal)
    const found = this.#files.get(fileId)
    if (found === undefined) throw new SkeinError('not_found', 'no complete file has the id')
    const { bytes, blockSizeBytes } = found
    const file = FileInfo.fromPartial({ fileId, length: bytes.length, blockSizeBytes, path: '/f' })
    const stream = (
      range: ByteRange,
      wanted: AbortSignal,
      _target?: ReadTarget,
      lent?: ChunkMemory,
    ): AsyncGenerator<Uint8Array, void, undefined> => this.#stream(bytes, range, wanted, lent)
    const version: Pick<Version, 'file' | 'stream' | 'readInto'> = {
      file,
      stream,
      readInto: async (range, target, wanted) => {
        let at = range.offset
        for await (const chunk of stream(range, wanted)) {
          place(chunk, at, target)
          at += chunk.length
        }
      },
    }
    return version as Version
  }

  async *#stream(
    bytes: Buffer,
    range: ByteRange,
    signal: AbortSignal,
    lent: ChunkMemory | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    this.reading += 1
    try {
      const chunks = this.source === 'file' ? this.#fromFile(bytes, range, signal, lent) : this.#chunks(bytes, range)
      for await (const chunk of chunks) {
        await this.beforeChunk()
        throwIfAborted(signal)
        yield chunk
      }
    } finally {
      this.reading -= 1
    }
  }

  #fromFile(bytes: Buffer, range: ByteRange, signal: AbortSignal, lent: ChunkMemory | undefined) {
    const readInto = async (into: Uint8Array, offset: number): Promise<void> => {
      await nextTurn()
      this.#mustBeReadable(offset, into.length)
      into.set(bytes.subarray(offset, offset + into.length))
    }
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      const into = new Uint8Array(length)
      await readInto(into, offset)
      return into
    }
    const pages = { use: () => Promise.reject(new Error('not needed')) }
    return piecesOf({ read, readInto }, range, signal, { lent }, pages)
  }

  async *#chunks(bytes: Buffer, { offset, length }: ByteRange): AsyncGenerator<Uint8Array> {
    for (let at = offset; at < offset + length;) {
      await nextTurn()
      const count = Math.min(offset + length - at, 1 + Math.floor(this.#random() * 3_000_000))
      this.#mustBeReadable(at, count)
      yield Buffer.from(bytes.subarray(at, at + count))
      at += count
    }
  }

  #mustBeReadable(offset: number, length: number): void {
    if (this.failAt !== undefined && this.failAt >= offset && this.failAt < offset + length)
      throw new SkeinError('data_loss', 'a page is rotten')
  }
}

export async function serveReads(files: ServedFiles, options: Partial<BlockReadsOptions> = {}) {
  const reads = new BlockReads({ files, clock: systemClock, streamsMax: 100, bytesMax: 8 * 1024 ** 2, ...options })
  const parts = { sessions: undefined, logger: silentLogger }
  const server = await startServer({
    ...{ what: 'worker', host: '127.0.0.1', port: 0, services: [], logger: silentLogger, clock: systemClock },
    streams: [nativeService(BlockWorkerDefinition, { readBlock: reads.read }, parts)],
  })
  return { reads, server }
}
