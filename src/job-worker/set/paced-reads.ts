// Why: the reads of a set obey the pace of its load, and on-demand readers go first. How: a small
// object is read whole, and read again with a renewed lease if the store refuses it. A block is
// read ahead in ranges; each range waits for the pace before its request.
import type { StoredMetadata } from '../../base/attributes/object-metadata.ts'
import type { Budget } from '../../base/flow/budget.ts'
import type { Slots } from '../../base/flow/narrowed-budget.ts'
import { toSkeinError } from '../../base/errors.ts'
import { type Lend, waited } from '../../base/flow/lent-share.ts'
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

/** Shared by all tasks of a job worker. */
export interface ReadResources {
  /** Range requests in flight (fs.cosn.upload_thread_pool). */
  readonly slots: Slots
  /** Bytes read but not yet written, for all tasks together. */
  readonly bytes: Budget
  /** Pool of read buffers. */
  readonly pieces: PiecePool
  /** Bytes of a range request (fs.cosn.read.ahead.block.size). */
  readonly rangeBytes: number
  /** Bytes of the next range, in place of what is configured. Undefined: as configured. */
  readonly tuned?: { readonly rangeBytes: number }
  /** Ranges ahead of the writer, per stream (fs.cosn.read.ahead.queue.size). */
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

  /** Takes the bytes from the load's allowance. False: they may not be read now. */
  tryTake(bytes: number): boolean {
    return this.#options.lease.store.gate?.closed !== true && this.#options.pace.tryTake(bytes)
  }

  /**
   * Waits until the bytes may be read, and takes them.
   * @throws the signal's reason
   */
  async take(bytes: number, signal: AbortSignal, lend = waited): Promise<void> {
    const { lease, pace } = this.#options
    const { gate } = lease.store
    if (gate?.closed === true) await lend(() => gate.wait(signal))
    const isPaced = pace.ownStreams(false) !== undefined
    await (isPaced ? lend(() => pace.take(bytes, signal)) : pace.take(bytes, signal))
  }

  /** Reads a small object. `lend` releases its budgets during waits. */
  async whole(piece: SetPiece, lend: Lend): Promise<Uint8Array> {
    const { lease, outcome } = this.#options
    const { fileId, key, length, etag } = piece
    const { pieces } = this.#options.resources
    const onMetadata = (metadata: StoredMetadata): void => outcome.described(fileId, metadata)
    const request = { key, offset: 0, length, etag, objectLength: length, inOneAnswer: true, pieces, lend, onMetadata }
    try {
      return await lease.store.readWhole(request, this.#signal)
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (!isRefusal(error) || this.#signal.aborted || !(await lease.renew())) throw error
      return await lease.store.readWhole(request, this.#signal)
    }
  }

  /**
   * Reads a block from byte `from` of the block and counts the bytes as read from the store. `lend`
   * releases its budgets during waits.
   */
  block(
    { fileId, key, etag, length: objectLength }: SetPiece,
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
      ...(header.offset + from === 0 && {
        onMetadata: (metadata: StoredMetadata) => outcome.described(fileId, metadata),
      }),
    }
    return counted(read(this.#heldBack(lease), request, this.#readAheadOptions(lease, lend), this.#signal), outcome)
  }

  #readAheadOptions(lease: StoreLease, lend: Lend): ReadAheadOptions {
    const { resources, pace } = this.#options
    const { rangeBytes, rangesAhead } = { ...resources, ...lease.store.readAhead }
    const take = async (bytes: number, signal: AbortSignal): Promise<void> => {
      if (this.tryTake(bytes)) return
      this.#pacing += 1
      try {
        await this.take(bytes, signal, lend)
      } finally {
        this.#pacing -= 1
      }
    }
    return {
      slots: resources.slots,
      bytes: resources.bytes,
      rangesAhead,
      get rangeBytes() {
        return pace.rangeBytes(resources.tuned?.rangeBytes ?? rangeBytes)
      },
      pace: { tryTake: (bytes) => this.tryTake(bytes), take },
    }
  }

  /**
   * The store, wrapped so that on-demand readers go first: the wrapper delays taking the bytes of
   * requests in flight.
   */
  #heldBack({ store }: StoreLease): Pick<UnderFileSystem, 'read' | 'readWhole'> {
    const { pace } = this.#options
    return {
      readWhole: (request, signal) => store.readWhole(request, signal),
      read: (request, signal) => givingWay(store.read(request, signal), pace, signal),
    }
  }
}
