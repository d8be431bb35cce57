// Why: handles the block requests of the data port (protocol: wire/data/data-plane.ts). How: a read
// is sent in pieces of a few whole pages. The store checks each piece, and one piece is read ahead.
// The first piece is read before the response starts, so a corrupt start is an error and not a
// truncated body. All pieces share one memory budget. When it is used up, reads stop reading ahead,
// and a read that needs a piece waits in line.
import { Budget, type Share } from '../base/flow/budget.ts'
import { abortReason, type Clock, throwIfAborted } from '../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../base/errors.ts'
import { ChunkShares } from '../base/flow/lent-pieces.ts'
import { pageBytes } from '../base/page-checksum.ts'
import { PiecePool } from '../base/flow/piece-pool.ts'
import type { BlockHeader, BlockReader, BlockStore } from '../block/block-store.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import type { BlockBody, DataPlaneHandlers, SmallBlock, WriteHints } from '../wire/data/data-plane.ts'

export interface DataHandlerDependencies {
  readonly store: BlockStore
  /** Host of this worker. Reads by clients on the same host are counted separately. */
  readonly hostname?: string
  readonly metrics: MetricRegistry
  readonly clock: Pick<Clock, 'schedule'>
  /** Memory for pieces of a few whole pages each. Default: pieces of half of `readBufferBytes`. */
  readonly pieces?: PiecePool
  /** Bytes that one read stream may hold: the piece being sent and the next one. Default: 4 MiB. */
  readonly readBufferBytes?: number
  /** Bytes that all read streams together may hold. Default: 256 MiB. */
  readonly readBuffersBytesMax?: number
  /** See store-reads.ts. */
  readonly readStore: DataPlaneHandlers['readStore']
  /** Whether a read from an under file system waits for memory or for a slot. */
  readonly isStoreWanted?: () => boolean
}

/** Free pieces kept for the next reads. */
const idlePiecesMax = 16
const readBuffersBytesDefault = 256 * 1024 * 1024

export function createDataHandlers(deps: DataHandlerDependencies): DataPlaneHandlers {
  const pieceBytes = Math.max(1, Math.floor((deps.readBufferBytes ?? 4 * 1024 * 1024) / 2 / pageBytes)) * pageBytes
  const pool = deps.pieces ?? new PiecePool({ pieceBytes, idleMax: idlePiecesMax, clock: deps.clock })
  const room = new Budget(
    'bytes for readers of blocks',
    Math.max(pool.pieceBytes, deps.readBuffersBytesMax ?? readBuffersBytesDefault),
  )
  deps.metrics.observe('skein_worker_data_read_buffers_bytes', () => room.used)
  return {
    isWanted: (kind) =>
      kind === 'block reads' ? room.waiting > 0 : kind === 'store reads' && deps.isStoreWanted?.() === true,
    read: (blockId, offset, length, signal, readerHost) =>
      read(
        deps,
        { pool, room },
        { blockId, offset, wanted: length, isLocal: readerHost !== undefined && readerHost === deps.hostname },
        signal,
      ),
    receive: (header, body, signal, hints) => receive(deps.store, header, body, signal, hints),
    receiveSmall: (blocks, hints) => Promise.all(blocks.map((block) => receiveOne(deps.store, block, hints))),
    readStore: deps.readStore,
  }
}

interface BlockRead {
  readonly blockId: number
  readonly offset: number
  /** Undefined: read to the end. */
  readonly wanted: number | undefined
  /** The client is on this host. */
  readonly isLocal: boolean
}

/** Shared by all reads. */
interface ReadMemory {
  readonly pool: PiecePool
  readonly room: Budget
}

async function read(
  deps: DataHandlerDependencies,
  memory: ReadMemory,
  { blockId, offset, wanted, isLocal }: BlockRead,
  signal: AbortSignal,
): Promise<BlockBody> {
  throwIfAborted(signal)
  const reader = await deps.store.open(blockId)
  try {
    const { header } = reader
    const length = wanted ?? header.length - offset
    if (offset < 0 || length < 0 || offset + length > header.length) {
      const reason = header.durable === true ? 'beyond_durable_block' : 'beyond_block'
      throw new SkeinError(
        'invalid_argument',
        `bytes ${offset}+${length} exceed block ${blockId}, which has ${header.length} bytes`,
        {
          reason,
        },
      )
    }
    const source = new PieceSource(reader, memory, offset + length, signal)
    const first = await source.read(offset)
    deps.metrics.add('skein_worker_read_bytes_total', length, { source: isLocal ? 'local' : 'remote' })
    return {
      header,
      length,
      chunks: pieces(reader, source, first, offset, offset + length, signal),
      sent: (chunk) => source.sent(chunk),
    }
  } catch (thrown) {
    await reader.close()
    throw thrown
  }
}

/** The pieces of one read, each with its share of the memory budget. */
class PieceSource {
  readonly #reader: BlockReader
  readonly #memory: ReadMemory
  readonly #to: number
  readonly #signal: AbortSignal
  readonly #shares = new ChunkShares()

  constructor(reader: BlockReader, memory: ReadMemory, to: number, signal: AbortSignal) {
    this.#reader = reader
    this.#memory = memory
    this.#to = to
    this.#signal = signal
  }

  /** Reads from `from` to the end of that piece. */
  async read(from: number): Promise<Uint8Array> {
    const bytes = this.#bytesFrom(from)
    return this.#readWith(from, bytes, await this.#memory.room.acquire(Math.max(1, bytes), this.#signal))
  }

  /** Like read, but ahead of need. Undefined: there is no memory for it now. */
  readAhead(from: number): Promise<Uint8Array> | undefined {
    const bytes = this.#bytesFrom(from)
    const share = this.#memory.room.tryAcquire(Math.max(1, bytes))
    return share === undefined ? undefined : this.#readWith(from, bytes, share)
  }

  /** The piece was sent. */
  sent(piece: Uint8Array): void {
    this.#memory.pool.giveBack(piece)
    this.#shares.release(piece)
  }

  /** Releases everything that is still held. */
  end(): void {
    this.#shares.end()
  }

  #bytesFrom(from: number): number {
    const { pieceBytes } = this.#memory.pool
    return Math.min(this.#to, (Math.floor(from / pieceBytes) + 1) * pieceBytes) - from
  }

  async #readWith(from: number, bytes: number, share: Share): Promise<Uint8Array> {
    try {
      const piece = await this.#reader.read(from, bytes, this.#signal, this.#memory.pool)
      this.#shares.keep(piece, share)
      return piece
    } catch (thrown) {
      share.release()
      throw thrown
    }
  }
}

/**
 * Owns the reader. Closes it at the end, when the consumer stops, and when the signal is aborted
 * before the consumer starts.
 */
function pieces(
  reader: BlockReader,
  source: PieceSource,
  first: Uint8Array,
  offset: number,
  to: number,
  signal: AbortSignal,
): AsyncIterable<Uint8Array> {
  const onAbort = (): void => {
    source.end()
    void reader.close()
  }
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  async function* generate(): AsyncGenerator<Uint8Array> {
    let next: Promise<Uint8Array> | undefined
    try {
      let piece = first
      for (let at = offset; at < to;) {
        if (signal.aborted) throw abortReason(signal)
        at += piece.length
        next = at < to ? source.readAhead(at) : undefined
        // Its error is thrown when the piece is needed. Until then it must not count as unhandled.
        next?.catch(() => undefined)
        yield piece
        if (at < to) piece = await (next ?? source.read(at))
        next = undefined
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      source.end()
      await reader.close()
    }
  }
  return generate()
}

async function receive(
  store: BlockStore,
  header: BlockHeader,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  hints: WriteHints | undefined,
): Promise<void> {
  throwIfAborted(signal)
  const reservation = await store.reserve(header, hints)
  let length = 0
  try {
    for await (const chunk of body) {
      throwIfAborted(signal)
      length += chunk.length
      await reservation.write(chunk)
    }
    throwIfAborted(signal)
    await reservation.commit(undefined, hints?.openEnded === true ? length : undefined)
  } catch (thrown) {
    await reservation.abort()
    throw thrown
  }
}

async function receiveOne(
  store: BlockStore,
  block: SmallBlock,
  hints: WriteHints | undefined,
): Promise<SkeinError | undefined> {
  try {
    await store.put(block.header, block.bytes, hints)
    return undefined
  } catch (thrown) {
    // The store has the block, which is what the writer wanted.
    return isSkeinError(thrown, 'already_exists', 'committed') ? undefined : toSkeinError(thrown)
  }
}
