// Why: what a set reads from the store comes at the pace of its load, and readers on demand go
// first. How: a small object is read whole, once more with a renewed lease where it is refused; a
// block is read as ranges ahead, each of which waits for the pace before it is asked for.
import type { Budget } from '../../base/flow/budget.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { PiecePool } from '../../base/flow/piece-pool.ts'
import { readAhead, type ReadAheadOptions } from '../../ufs/read-ahead.ts'
import { readInOneAnswer } from '../../ufs/s3/one-answer.ts'
import { isRefusal, type StoreLease } from '../../ufs/store-cache.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'
import type { SetPiece } from '../../wire/generated/job.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'
import type { ReadPace } from '../pace/read-pacer.ts'
import { counted, givingWay } from './chunk-streams.ts'
import type { SetOutcome } from './set-outcome.ts'

/** What reading shares with all tasks of a job worker. */
export interface ReadResources {
  /** Ranged reads in flight (fs.cosn.upload_thread_pool). */
  readonly slots: Budget
  /** Bytes read and not yet written, of all tasks. */
  readonly bytes: Budget
  /** Memory for what is read. */
  readonly pieces: PiecePool
  /** Bytes of a range request (fs.cosn.read.ahead.block.size). */
  readonly rangeBytes: number
  /** Ranges ahead of the writer, a stream (fs.cosn.read.ahead.queue.size). */
  readonly rangesAhead: number
}

interface PacedReadsOptions {
  readonly lease: StoreLease
  readonly outcome: SetOutcome
  readonly resources: ReadResources
  readonly pace: ReadPace
}

export class PacedReads {
  readonly #options: PacedReadsOptions
  readonly #signal: AbortSignal
  #pacing = 0

  constructor(options: PacedReadsOptions, signal: AbortSignal) {
    this.#options = options
    this.#signal = signal
  }

  /** Whether a range waits for the pace of the load. */
  get isPacing(): boolean {
    return this.#pacing > 0
  }

  /** A small object. */
  async whole(piece: SetPiece): Promise<Uint8Array> {
    const { lease } = this.#options
    const { key, length, etag } = piece
    const { pieces } = this.#options.resources
    const request = { key, offset: 0, length, etag, objectLength: length, inOneAnswer: true, pieces }
    try {
      return await lease.store.readWhole(request, this.#signal)
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (!isRefusal(error) || this.#signal.aborted || !(await lease.renew())) throw error
      return await lease.store.readWhole(request, this.#signal)
    }
  }

  /** A block from `from` in it on, counted as read from the store. */
  block(
    { key, etag, length: objectLength }: SetPiece,
    header: BlockHeader,
    from: number,
    inOneAnswer: boolean,
  ): AsyncIterable<Uint8Array> {
    const { lease, outcome, resources } = this.#options
    const read = inOneAnswer ? readInOneAnswer : readAhead
    const request = {
      key,
      etag,
      offset: header.offset + from,
      length: header.length - from,
      objectLength,
      pieces: resources.pieces,
    }
    return counted(read(this.#heldBack(lease), request, this.#readAheadOptions(lease), this.#signal), outcome)
  }

  #readAheadOptions(lease: StoreLease): ReadAheadOptions {
    const { resources, pace } = this.#options
    const options = { ...resources, ...lease.store.readAhead }
    const take = async (bytes: number, signal: AbortSignal): Promise<void> => {
      this.#pacing += 1
      try {
        await pace.take(bytes, signal)
      } finally {
        this.#pacing -= 1
      }
    }
    return {
      ...options,
      rangeBytes: pace.rangeBytes(options.rangeBytes),
      pace: { tryTake: (bytes) => pace.tryTake(bytes), take },
    }
  }

  /**
   * The store, read so that a reader on demand goes first: what was begun is held back by not being
   * taken.
   */
  #heldBack({ store }: StoreLease): Pick<UnderFileSystem, 'read' | 'readWhole'> {
    const { pace } = this.#options
    return {
      readWhole: (request, signal) => store.readWhole(request, signal),
      read: (request, signal) => givingWay(store.read(request, signal), pace, signal),
    }
  }
}
