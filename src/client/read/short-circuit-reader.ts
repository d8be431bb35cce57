// Why: a reader on a worker's own host need not have large blocks sent through a socket: it reads
// the block's file itself. How: the worker says where the block is, which counts there as a read;
// the file is opened, its head must say that it is this block (block/directory/located-block.ts),
// and each page is checked against its checksum. Whatever goes wrong, from a worker that does not
// know the call to a rotten page, the rest comes over the data port: the worker looks at the same
// bytes there, and drops and reports the block if it is broken. Small parts always come over the
// data port: asking where they are would cost as much.
//
// A worker that cannot be asked, or whose files are time and again not to be opened here (another
// user's, another machine of the same name), is read over its data port alone for a while.
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import { type ExpectedBlock, wrongBlock } from '../../base/expected-block.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockReader } from '../../block/block-store.ts'
import { isBlockPlace } from '../../block/disk/known-place.ts'
import { openLocated } from '../../block/directory/located-block.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ServiceClient } from '../../wire/rpc/channel.ts'
import type { ByteRange, DataClient } from '../../wire/data/data-client.ts'
import type { WorkerInfo } from '../../wire/generated/master.ts'
import type { WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'

/** Below this the data port is as fast. */
const partBytesMin = 256 * 1024
/** Read at once; two of them are under way or wait to be taken. */
const pieceBytes = 2 * pageBytes
const piecesAhead = 2
const locateDeadlineMs = 2000
/** Files in a row that could not be opened here, until it is taken that none can. */
const missesMax = 3
const restMs = 30_000

export interface ShortCircuitReaderOptions {
  readonly connectWorker: (rpcAddress: string) => Pick<ServiceClient<WorkerServiceDefinition>, 'close'> & {
    readonly service: Pick<Service<WorkerServiceDefinition>, 'locateBlock'>
  }
  readonly data: Pick<DataClient, 'read'>
  readonly clock: Clock
  readonly logger: Logger
}

/** A block of a worker of this host. */
export interface NearBlock {
  readonly worker: WorkerInfo
  readonly blockId: number
  /** Of the whole block. */
  readonly length: number
  readonly expected: ExpectedBlock
}

interface NearWorker {
  readonly rpcAddress: string
  readonly connection: ReturnType<ShortCircuitReaderOptions['connectWorker']>
  misses: number
  restUntilMs: number
}

export class ShortCircuitReader {
  readonly #options: ShortCircuitReaderOptions
  readonly #workers = new Map<string, NearWorker>()

  constructor(options: ShortCircuitReaderOptions) {
    this.#options = options
  }

  /** Exactly the bytes of `range`, or an error. @throws as DataClient.read */
  async *read(block: NearBlock, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    let got = 0
    const reader = range.length < partBytesMin ? undefined : await this.#open(block, range.length, signal)
    if (reader !== undefined) {
      try {
        for await (const piece of pieces(reader, range, signal)) {
          got += piece.length
          yield piece
        }
      } catch (thrown) {
        throwIfAborted(signal)
        this.#options.logger.debug('reading a block on over the data port', {
          ...told(block),
          error: toSkeinError(thrown).message,
        })
      } finally {
        await reader.close()
      }
    }
    if (got === range.length) return
    const rest = { offset: range.offset + got, length: range.length - got }
    yield* this.#options.data.read(block.worker.dataAddress, block.blockId, rest, signal, block.expected)
  }

  /** Drops the connections. */
  close(): void {
    for (const { connection } of this.#workers.values()) connection.close()
    this.#workers.clear()
  }

  /** Undefined: not from here. */
  async #open(block: NearBlock, bytes: number, signal: AbortSignal): Promise<BlockReader | undefined> {
    const near = this.#nearWorker(block.worker)
    const { clock, logger } = this.#options
    if (clock.monotonicMs() < near.restUntilMs) return undefined
    const { blockId, length } = block
    let located
    try {
      located = await near.connection.service.locateBlock({ blockId, bytes }, { signal, deadlineMs: locateDeadlineMs })
    } catch (thrown) {
      throwIfAborted(signal)
      const { code, message } = toSkeinError(thrown)
      // Such a block is not there, or broken: not the worker's fault.
      if (code !== 'not_found' && code !== 'data_loss') near.restUntilMs = clock.monotonicMs() + restMs
      logger.debug('a worker did not say where a block is', { ...told(block), code, error: message })
      return undefined
    }
    const { header, path } = located
    if (path === '' || header === undefined || header.blockId !== blockId || header.length !== length) return undefined
    // The data port says the same of it, and what to do.
    if (wrongBlock(header, block.expected) !== undefined) return undefined
    try {
      const directories = block.worker.directories.map((directory) => directory.path)
      if (!(await isBlockPlace(path, directories)))
        throw new SkeinError('permission_denied', `${path} is in no block directory of the worker`)
      const reader = await openLocated(located, header)
      near.misses = 0
      return reader
    } catch (thrown) {
      const { code, message } = toSkeinError(thrown)
      near.misses += 1
      if (near.misses >= missesMax) {
        near.misses = 0
        near.restUntilMs = clock.monotonicMs() + restMs
      }
      logger.debug('a block of this host is read over the data port', { ...told(block), code, error: message })
      return undefined
    }
  }

  #nearWorker({ workerId, rpcAddress }: WorkerInfo): NearWorker {
    const known = this.#workers.get(workerId)
    if (known?.rpcAddress === rpcAddress) return known
    known?.connection.close()
    const connection = this.#options.connectWorker(rpcAddress)
    const near: NearWorker = { rpcAddress, connection, misses: 0, restUntilMs: Number.NEGATIVE_INFINITY }
    this.#workers.set(workerId, near)
    return near
  }
}

/**
 * The bytes in order, a few pieces read ahead of the one that is taken; each but the first begins
 * at a page's start.
 */
async function* pieces(
  reader: BlockReader,
  { offset, length }: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const end = offset + length
  const waiting: Promise<Uint8Array>[] = []
  for (let at = offset; at < end || waiting.length > 0;) {
    while (at < end && waiting.length < piecesAhead) {
      const to = Math.min(end, (Math.floor(at / pieceBytes) + 1) * pieceBytes)
      const piece = reader.read(at, to - at, signal)
      // Its error is thrown when its turn comes; until then it must not count as unhandled.
      piece.catch(() => undefined)
      waiting.push(piece)
      at = to
    }
    const first = waiting.shift()
    if (first !== undefined) yield await first
  }
}

function told({ worker, blockId }: NearBlock): { worker: string; blockId: number } {
  return { worker: worker.workerId, blockId }
}
