// Why: a reader on the same host as a worker does not need a socket for large blocks: it reads the
// block file itself (short circuit). How: the worker returns the place of the block and counts this
// as a read. The reader opens the file, checks that its header belongs to the block
// (block/directory/located-block.ts), and verifies the checksum of each page. After any error, from
// an unknown call to a corrupt page, the rest is read over the data port: the worker then checks
// the same bytes, and drops and reports a corrupt block. Small parts always use the data port,
// because asking for their place would cost as much.
//
// If a worker does not answer, or if its files repeatedly cannot be opened (they belong to another
// user, or to another machine of the same name), the reader uses only its data port for a while.
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

/** Shorter parts are as fast over the data port. */
const partBytesMin = 256 * 1024
/** Bytes per read. At most two pieces are in flight or wait for the consumer. */
const pieceBytes = 2 * pageBytes
const piecesAhead = 2
const locateDeadlineMs = 2000
/** Failed opens in a row after which this worker's files count as unreachable. */
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

/** A block of a worker on this host. */
export interface NearBlock {
  readonly worker: WorkerInfo
  readonly blockId: number
  /** Length of the whole block. */
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

  /**
   * Yields exactly the bytes of `range`.
   * @throws the errors of DataClient.read
   */
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
        this.#options.logger.debug('continuing to read a block over the data port', {
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

  /** Closes the connections. */
  close(): void {
    for (const { connection } of this.#workers.values()) connection.close()
    this.#workers.clear()
  }

  /** Undefined: the block cannot be opened from here. */
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
      // The block is missing or corrupt, so the worker itself is fine.
      if (code !== 'not_found' && code !== 'data_loss') near.restUntilMs = clock.monotonicMs() + restMs
      logger.debug('a worker did not return the place of a block', { ...told(block), code, error: message })
      return undefined
    }
    const { header, path } = located
    if (path === '' || header === undefined || header.blockId !== blockId || header.length !== length) return undefined
    // The data port reports the same problem, with what to do about it.
    if (wrongBlock(header, block.expected) !== undefined) return undefined
    try {
      const directories = block.worker.directories.map((directory) => directory.path)
      if (!(await isBlockPlace(path, directories)))
        throw new SkeinError('permission_denied', `${path} is not in a block directory of the worker`)
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
      logger.debug('reading a block of this host over the data port', { ...told(block), code, error: message })
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
 * Yields the bytes in order and reads a few pieces ahead. Each piece except the first starts at the
 * start of a page.
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
      // Its error is thrown when the piece is needed. Until then it must not count as unhandled.
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
