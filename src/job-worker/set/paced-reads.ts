// Why: what a set reads from the store comes at the pace of its load, and readers on demand go
// first. How: a small object is read whole, once more with a renewed lease where it is refused; a
// block is read as ranges ahead, each of which waits for the pace before it is asked for.
import type { Budget } from '../../base/flow/budget.ts'
import { toSkeinError } from '../../base/errors.ts'
import type { Lend } from '../../base/flow/lent-share.ts'
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

  /** True when these bytes may be read now; they count as read. */
  tryTake(bytes: number): boolean {
    return this.#options.lease.store.gate?.closed !== true && this.#options.pace.tryTake(bytes)
  }

  /** Waits until these bytes may be read. @throws the signal's reason */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const { gate } = this.#options.lease.store
    if (gate?.closed === true) await gate.wait(signal)
    await this.#options.pace.take(bytes, signal)
  }

  /** A small object. `lend`: what is held for it. */
  async whole(piece: SetPiece, lend: Lend): Promise<Uint8Array> {
    const { lease } = this.#options
    const { key, length, etag } = piece
    const { pieces } = this.#options.resources
    const request = { key, offset: 0, length, etag, objectLength: length, inOneAnswer: true, pieces, lend }
    try {
      return await lease.store.readWhole(request, this.#signal)
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (!isRefusal(error) || this.#signal.aborted || !(await lease.renew())) throw error
      return await lease.store.readWhole(request, this.#signal)
    }
  }

  /** A block from `from` in it on, counted as read from the store. `lend`: what is held for it. */
  block(
    { key, etag, length: objectLength }: SetPiece,
    header: BlockHeader,
    from: number,
    inOneAnswer: boolean,
    lend: Lend,
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
      lend,
    }
    return counted(read(this.#heldBack(lease), request, this.#readAheadOptions(lease), this.#signal), outcome)
  }

  #readAheadOptions(lease: StoreLease): ReadAheadOptions {
    const { resources, pace } = this.#options
    const options = { ...resources, ...lease.store.readAhead }
    const take = async (bytes: number, signal: AbortSignal): Promise<void> => {
      this.#pacing += 1
      try {
        await this.take(bytes, signal)
      } finally {
        this.#pacing -= 1
      }
    }
    return {
      ...options,
      rangeBytes: pace.rangeBytes(options.rangeBytes),
      pace: { tryTake: (bytes) => this.tryTake(bytes), take },
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
