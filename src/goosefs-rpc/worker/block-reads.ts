// Why: clients choose a worker by their own hash and expect it to have every block: cached here, on
// another worker, or at the store. How: the file is opened by its id and read as every client of
// the cluster reads it (client/read), inside this process. The first message names the range; what
// comes later tells how far the client is, so that little is sent ahead of it.
// Sequence: src/io/reader.rs and src/client/worker.rs of the Rust client, 0.2.2.
import { blockCount, blockLength } from '../../base/block-id.ts'
import type { Clock } from '../../base/clock.ts'
import { SkeinError, isSkeinError } from '../../base/errors.ts'
import { Budget } from '../../base/flow/budget.ts'
import { PieceLender } from '../../base/flow/lent-pieces.ts'
import { PiecePool } from '../../base/flow/piece-pool.ts'
import { pageBytes } from '../../base/page-checksum.ts'
import type { FilesById } from '../../client/open/files-by-id.ts'
import type { FileInfo } from '../../wire/generated/master.ts'
import type { BlockWorkerDefinition, ReadRequest } from '../generated/goosefs/blocks.ts'
import { blockOfNative, bytesOfNative } from '../ids/native-ids.ts'
import type { Bidirectional } from '../native-service.ts'
import { FramedPieces, framedPieceBytes } from './framed-pieces.ts'
import { ReceiptWindow } from './receipt-window.ts'
import { sendRange } from './sent-range.ts'

export interface BlockReadsOptions {
  readonly files: Pick<FilesById, 'open'>
  readonly clock: Pick<Clock, 'schedule'>
  /** Streams that read at once. */
  readonly streamsMax: number
  /** Memory for pieces that are read and not sent yet, all streams together. */
  readonly bytesMax: number
}

/** A range of a block, in the file. */
interface WantedRange {
  readonly offset: number
  readonly length: number
}

export type ReadBlock = Bidirectional<BlockWorkerDefinition['methods']['readBlock']>

/** Messages that a client may ask for ahead. */
const windowMax = 1024
/** Pieces that wait for the next streams. */
const idlePiecesMax = 16
/** Clients receive 4 MiB a message. */
const messageBytesMax = pageBytes
const messageBytesMin = 64 * 1024
/** What the library holds of all streams is about so much: messages are shorter when many read. */
const underWayBytesMax = 256 * 1024 ** 2

export class BlockReads {
  readonly #options: BlockReadsOptions
  readonly #streams: Budget
  readonly #lender: PieceLender

  constructor(options: BlockReadsOptions) {
    const { clock, streamsMax, bytesMax } = options
    const pieceBytes = framedPieceBytes(pageBytes)
    const pool = new PiecePool({ pieceBytes, idleMax: idlePiecesMax, clock })
    this.#options = options
    this.#streams = new Budget('streams that read blocks', streamsMax)
    this.#lender = new PieceLender('blocks that are being sent', pool, Math.max(pieceBytes, bytesMax))
  }

  /** Bytes that are read and not sent yet. */
  get usedBytes(): number {
    return this.#lender.usedBytes
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.used
  }

  /** Handles ReadBlock. */
  readonly read: ReadBlock = async (requests, { signal }, _send, sendRaw) => {
    const share = this.#streams.tryAcquire(1)
    if (share === undefined) {
      const message = `${this.#options.streamsMax} blocks are being read from this worker, as many as there may be`
      throw new SkeinError('resource_exhausted', message)
    }
    const stop = new AbortController()
    const onAbort = (): void => stop.abort(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
    try {
      const incoming = requests[Symbol.asyncIterator]()
      const first = await incoming.next()
      if (first.done === true) throw new SkeinError('invalid_argument', 'ReadBlock needs a first message with a block')
      const window = windowOf(first.value, this.#options.clock)
      passOver(incoming, window, stop)
      await this.#send(first.value, window, sendRaw, stop.signal)
    } finally {
      signal.removeEventListener('abort', onAbort)
      share.release()
    }
  }

  async #send(
    request: ReadRequest,
    window: ReceiptWindow | undefined,
    sendRaw: (message: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { files, clock } = this.#options
    const { fileId, index } = blockNamedBy(request.blockId)
    const version = await files.open(fileId, signal).catch((thrown: unknown) => {
      throw isSkeinError(thrown, 'not_found') ? unknownBlock(request.blockId, thrown) : thrown
    })
    const range = { ...rangeOf(request, version.file, index), messageBytes: this.#messageBytes(request.chunkSize) }
    const memory = new FramedPieces(this.#lender.begin())
    const from = Number(request.offset ?? 0n)
    const mayGoOn = window === undefined ? undefined : (bytes: number): Promise<void> => window.sent(from + bytes)
    try {
      await sendRange({ version, memory, sendRaw, clock, mayGoOn }, range, signal)
    } finally {
      memory.end()
    }
  }

  #messageBytes(chunkSize: bigint | undefined): number {
    const asked = chunkSize === undefined || chunkSize === 0n ? messageBytesMax : bytesOfNative(chunkSize, 'chunk_size')
    const fair = Math.max(messageBytesMin, Math.floor(underWayBytesMax / this.#streams.used))
    return Math.min(asked, messageBytesMax, fair)
  }
}

/** @throws SkeinError internal `unknown_block`, invalid_argument */
function blockNamedBy(blockId: bigint | undefined): { readonly fileId: number; readonly index: number } {
  if (blockId === undefined)
    throw new SkeinError('invalid_argument', 'the first message of ReadBlock must have a block_id')
  if (blockId < 0n) throw new SkeinError('invalid_argument', `block_id must not be ${blockId}`)
  try {
    return blockOfNative(blockId)
  } catch (cause) {
    throw unknownBlock(blockId, cause)
  }
}

/** @throws SkeinError internal `unknown_block`, invalid_argument */
function rangeOf({ blockId, offset, length }: ReadRequest, file: FileInfo, index: number): WantedRange {
  if (index >= blockCount(file.length, file.blockSizeBytes)) throw unknownBlock(blockId, undefined)
  const blockBytes = blockLength(file.length, file.blockSizeBytes, index)
  const from = bytesOfNative(offset ?? 0n, 'offset')
  const bytes = bytesOfNative(length, 'length')
  // Clients up to 0.1.9 ask for the rest of a whole block where the last one is shorter.
  if (from > blockBytes || bytes > file.blockSizeBytes - from)
    throw new SkeinError(
      'invalid_argument',
      `bytes ${from}+${bytes} exceed block ${blockId}, which has ${blockBytes} bytes`,
    )
  return { offset: index * file.blockSizeBytes + from, length: Math.min(bytes, blockBytes - from) }
}

/** Clients take `not found` for a path that is missing. */
function unknownBlock(blockId: bigint | undefined, cause: unknown): SkeinError {
  const message = `block ${blockId} is of no file here: it was removed, replaced or freed; look at the file again`
  return new SkeinError('internal', message, { reason: 'unknown_block', cause })
}

/** Undefined: the client takes all that comes. */
function windowOf({ prefetchWindow = 0 }: ReadRequest, clock: Pick<Clock, 'schedule'>): ReceiptWindow | undefined {
  return prefetchWindow > 0 ? new ReceiptWindow(Math.min(prefetchWindow, windowMax) + 1, clock) : undefined
}

/** Reads on, so that the client is not held up. A second range ends the stream. */
function passOver(
  incoming: AsyncIterator<ReadRequest>,
  window: ReceiptWindow | undefined,
  stop: AbortController,
): void {
  const each = async (): Promise<void> => {
    for (let next = await incoming.next(); next.done !== true; next = await incoming.next()) {
      const { blockId, offsetReceived } = next.value
      if (blockId !== undefined)
        throw new SkeinError('invalid_argument', 'ReadBlock reads one range: a later message has a block_id again')
      if (offsetReceived !== undefined) window?.received(Number(offsetReceived))
    }
  }
  each().catch((thrown: unknown) => stop.abort(thrown))
}
