// Why: a job worker in the same process writes blocks directly to the store, without a socket or a
// copy. How: implements BlockTarget on top of BlockStore.
import { throwIfAborted } from '../base/clock.ts'
import { isSkeinError } from '../base/errors.ts'
import type { BlockReservation, BlockStore } from '../block/block-store.ts'
import type { BlockSink, BlockTarget, SmallBlock } from '../client/write/block-target.ts'
import type { WriteHints } from '../wire/data/data-plane.ts'
import type { BlockHeader } from '../wire/generated/worker.ts'

/** The store of the worker `workerId` as a target. */
export class LocalBlockTarget implements BlockTarget {
  readonly workerId: string
  readonly #store: BlockStore

  constructor(workerId: string, store: BlockStore) {
    this.workerId = workerId
    this.#store = store
  }

  async open(header: BlockHeader, signal: AbortSignal, hints?: WriteHints): Promise<BlockSink | undefined> {
    throwIfAborted(signal)
    try {
      return new LocalBlockSink(await this.#store.reserve(header, hints), signal)
    } catch (thrown) {
      if (isSkeinError(thrown, 'already_exists', 'committed')) return undefined
      throw thrown
    }
  }

  async put(block: SmallBlock, signal: AbortSignal, hints?: WriteHints): Promise<void> {
    throwIfAborted(signal)
    try {
      await this.#store.put(block.header, block.bytes, hints)
    } catch (thrown) {
      if (!isSkeinError(thrown, 'already_exists', 'committed')) throw thrown
    }
  }
}

class LocalBlockSink implements BlockSink {
  readonly #reservation: BlockReservation
  readonly #signal: AbortSignal

  constructor(reservation: BlockReservation, signal: AbortSignal) {
    this.#reservation = reservation
    this.#signal = signal
  }

  async write(chunk: Uint8Array): Promise<void> {
    throwIfAborted(this.#signal)
    await this.#reservation.write(chunk)
  }

  async commit(length?: number): Promise<void> {
    throwIfAborted(this.#signal)
    await this.#reservation.commit(undefined, length)
  }

  abort(): Promise<void> {
    return this.#reservation.abort()
  }

  get settledBytes(): number | undefined {
    return this.#reservation.settledBytes
  }
}
