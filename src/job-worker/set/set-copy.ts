// Why: copies the blocks of one set from the store to its targets. This is the hot path: a small
// object costs one read, one put per target, and no other waits. How: one loop admits the blocks in
// order. A small block is admitted when the shared budgets have a slot and memory for it. Large
// blocks queue for the streams of the process. Admitted blocks are copied while the loop continues.
import type { Budget, Share } from '../../base/flow/budget.ts'
import type { Slots } from '../../base/flow/narrowed-budget.ts'
import { blockIdOf, blockLength } from '../../base/block-id.ts'
import type { Clock } from '../../base/clock.ts'
import { type Lend, LentShare } from '../../base/flow/lent-share.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { isRefusal, type StoreLease } from '../../ufs/store-cache.ts'
import type { SetPiece } from '../../wire/generated/job.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'
import { isUnproven, wholeAttemptsMax } from '../../ufs/s3/one-answer.ts'
import { BlockStreams } from './block-streams.ts'
import type { CachedCopies } from './cached-copies.ts'
import { givingWay } from './chunk-streams.ts'
import { type FileRefresh, isChange } from './file-refresh.ts'
import { copyLargeBlock } from './large-block-copy.ts'
import { LoneFaults } from './lone-fault.ts'
import type { SetOutcome } from './set-outcome.ts'
import { type ReadResources, PacedReads } from './paced-reads.ts'
import type { ReadPace } from '../pace/read-pacer.ts'
import { type SetTarget, usableTargets } from './set-targets.ts'
import { Stragglers } from '../pace/slow-reads.ts'

/** Shared by all tasks of a job worker. */
export interface CopyResources extends ReadResources {
  /**
   * Small objects in flight. Each is one short request that waits for the response, not for
   * bandwidth.
   */
  readonly smallSlots: Slots
  /** Large blocks at once (goosefs.job.worker.threadpool.size). */
  readonly streams: Budget
  /** Files of one block that are shorter than this are read whole and written in batches. */
  readonly smallBlockBytes: number
}

export interface SetCopyOptions {
  readonly namespaceId: string
  readonly pieces: readonly SetPiece[]
  readonly targets: readonly SetTarget[]
  /** Workers that already have blocks of the set. */
  readonly copies: Pick<CachedCopies, 'read' | 'readWhole'>
  readonly lease: StoreLease
  readonly refresh: FileRefresh
  readonly outcome: SetOutcome
  readonly resources: CopyResources
  readonly pace: ReadPace
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Budget shares of a small object during its read. */
interface HeldForSmall {
  readonly bytes: LentShare
  readonly slot: LentShare
}

export class SetCopy {
  readonly #options: SetCopyOptions
  readonly #signal: AbortSignal
  readonly #stragglers: Stragglers
  readonly #loneFaults: LoneFaults
  /** For reads. Aborted with the set, or when its remaining reads are stragglers. */
  readonly #readSignal: AbortSignal
  readonly #reads: PacedReads
  readonly #streams: BlockStreams
  #running = 0
  #whenIdle: (() => void) | undefined
  #bug: { readonly thrown: unknown } | undefined

  constructor(options: SetCopyOptions) {
    this.#options = options
    this.#signal = options.signal
    this.#loneFaults = new LoneFaults(() => options.lease.store, options.clock, options.signal)
    const { slots, smallSlots, bytes } = options.resources
    const isCrowded = (): boolean =>
      this.#reads.isPacing ||
      options.lease.store.gate?.closed === true ||
      [slots, smallSlots, bytes].some(({ waiting }) => waiting > 0)
    this.#stragglers = new Stragglers(options.clock, () => this.#running, isCrowded)
    this.#readSignal = AbortSignal.any([options.signal, this.#stragglers.signal])
    this.#reads = new PacedReads(options, this.#readSignal)
    this.#streams = new BlockStreams({ ...options, streams: options.resources.streams })
  }

  /**
   * Copies all blocks and records failures in the outcome. After an abort it ends early, with
   * nothing running or open. Throws only on programming errors.
   */
  async run(): Promise<void> {
    try {
      await this.#admitAll()
      if (this.#options.pieces.length > 1) this.#stragglers.watch()
    } finally {
      if (this.#running > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve))
      this.#stragglers.stop()
    }
    if (this.#bug !== undefined) throw this.#bug.thrown
  }

  async #admitAll(): Promise<void> {
    const { pieces, resources } = this.#options
    for (const piece of pieces) {
      const small = piece.length < resources.smallBlockBytes && piece.length <= piece.blockSizeBytes
      for (let index = piece.firstBlock; index < piece.firstBlock + piece.blockCount; index += 1) {
        if (this.#signal.aborted) return
        if (small) await this.#admitSmall(piece, index)
        else this.#track(this.#streams.run((lend) => this.#copyLarge(piece, index, lend)))
      }
    }
  }

  async #admitSmall(piece: SetPiece, index: number): Promise<void> {
    const { bytes, smallSlots } = this.#options.resources
    const { length } = piece
    const reads = this.#reads
    let share: Share | undefined
    try {
      // Wait for the pace first, before holding budgets that other reads need.
      if (!reads.tryTake(length)) await reads.take(length, this.#signal)
      share = bytes.tryAcquire(length) ?? (await bytes.acquire(length, this.#signal))
      const slot = smallSlots.tryAcquire(1) ?? (await smallSlots.acquire(1, this.#signal))
      const held = {
        bytes: new LentShare(bytes, length, share, this.#readSignal),
        slot: new LentShare(smallSlots, 1, slot, this.#readSignal),
      }
      this.#track(this.#copySmall(piece, index, held))
    } catch {
      // Only an abort ends the wait for a budget with an error.
      share?.release()
    }
  }

  #track(copy: Promise<void>): void {
    this.#running += 1
    void copy.then(this.#ended, (thrown: unknown) => {
      this.#bug ??= { thrown }
      this.#ended()
    })
  }

  readonly #ended = (): void => {
    this.#running -= 1
    if (this.#running === 0) this.#whenIdle?.()
  }

  async #copySmall(piece: SetPiece, index: number, held: HeldForSmall): Promise<void> {
    try {
      const known = this.#options.refresh.known(piece.fileId)
      const targets = known === undefined ? this.#usable(piece, index) : await this.#afterChange(piece, index, known)
      if (targets.length === 0) return
      const header = this.#header(piece, index)
      const bytes = await this.#reading(() => this.#readSmall(piece, header, held))
      held.slot.release()
      const { outcome } = this.#options
      outcome.bytesDone += bytes.length
      if (bytes.length !== piece.length) {
        throw new SkeinError('data_loss', `the store sent ${bytes.length} of ${piece.length} bytes of ${piece.key}`, {
          retryable: true,
        })
      }
      const block = { header, bytes }
      const [only] = targets
      const isPut =
        only !== undefined && targets.length === 1
          ? await this.#put(piece, index, only, block)
          : (await Promise.all(targets.map((target) => this.#put(piece, index, target, block)))).every(Boolean)
      // A failed put may still use the buffer.
      if (isPut) this.#options.resources.pieces.giveBack(bytes)
    } catch (thrown) {
      await this.#readFailed(piece, index, thrown)
    } finally {
      held.slot.release()
      held.bytes.release()
    }
  }

  async #readSmall(piece: SetPiece, header: BlockHeader, held: HeldForSmall): Promise<Uint8Array> {
    const { copies, outcome } = this.#options
    const copied = await copies.readWhole(piece, header, this.#readSignal)
    if (copied !== undefined) return copied
    // Lend the slot first, so that it comes back last: a read that waits for bytes holds no slot.
    const bytes = await this.#reads.whole(piece, (wait) => held.slot.lend(() => held.bytes.lend(wait)))
    outcome.originBytes += bytes.length
    return bytes
  }

  /** Runs a read and tracks it for the stragglers. */
  async #reading<T>(read: () => Promise<T>): Promise<T> {
    const end = this.#stragglers.begin()
    try {
      const result = await read()
      end(true)
      return result
    } finally {
      end(false)
    }
  }

  async #put(
    piece: SetPiece,
    index: number,
    target: SetTarget,
    block: { header: BlockHeader; bytes: Uint8Array },
  ): Promise<boolean> {
    try {
      await target.target.put(block, this.#signal)
      target.succeeded()
      return true
    } catch (thrown) {
      if (!this.#signal.aborted) target.failed(piece, index, thrown)
      return false
    }
  }

  async #copyLarge(piece: SetPiece, blockIndex: number, lend: Lend): Promise<void> {
    try {
      const known = this.#options.refresh.known(piece.fileId)
      const targets =
        known === undefined ? this.#usable(piece, blockIndex) : await this.#afterChange(piece, blockIndex, known)
      if (targets.length === 0 || this.#signal.aborted) return
      try {
        await this.#copyBlock(piece, blockIndex, targets, lend)
      } catch (thrown) {
        // If the store does not prove the version of ranges, a block may come in one response. A
        // file of several blocks would need several responses.
        if (!isUnproven(toSkeinError(thrown)) || piece.length > piece.blockSizeBytes) throw thrown
        await this.#copyInOneAnswer(piece, blockIndex, targets, lend)
      }
    } catch (thrown) {
      await this.#readFailed(piece, blockIndex, thrown)
    }
  }

  async #copyInOneAnswer(
    piece: SetPiece,
    blockIndex: number,
    targets: readonly SetTarget[],
    lend: Lend,
  ): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#copyBlock(piece, blockIndex, targets, lend, true)
      } catch (thrown) {
        if (!toSkeinError(thrown).retryable || attempt >= wholeAttemptsMax || this.#readSignal.aborted) throw thrown
      }
    }
  }

  /** Leaves no part of the block behind after an error. @throws SkeinError the error of the read */
  async #copyBlock(
    piece: SetPiece,
    blockIndex: number,
    targets: readonly SetTarget[],
    lend: Lend,
    inOneAnswer = false,
  ): Promise<void> {
    const { lease, outcome, pace, resources } = this.#options
    const { pieces } = resources
    const header = this.#header(piece, blockIndex)
    let renewed = false
    let receivedBytes = 0
    const block = {
      piece,
      blockIndex,
      header,
      read: (offset: number) => {
        const store = (from: number): AsyncIterable<Uint8Array> =>
          this.#reads.block(piece, header, from, inOneAnswer, lend)
        // Copy from a worker only in the first attempt, from the start of the block.
        const isFirst = offset === 0 && !inOneAnswer && piece.sourceIds.length > 0
        const chunks = isFirst ? this.#copiedFirst(piece, header, store) : store(offset)
        return givingWay(chunks, pace, this.#signal)
      },
      mayReadOn: async (error: SkeinError) => {
        if (renewed || !isRefusal(error) || this.#signal.aborted || (inOneAnswer && receivedBytes > 0)) return false
        renewed = true
        return await lease.renew()
      },
      settled: (chunk: Uint8Array) => pieces.giveBack(chunk),
      received: (bytes: number) => {
        receivedBytes += bytes
        this.#stragglers.moved()
        outcome.bytesDone += bytes
      },
    }
    try {
      await this.#reading(() => copyLargeBlock(block, targets, this.#signal))
      outcome.bytesDone += header.length - receivedBytes
    } catch (thrown) {
      outcome.bytesDone -= receivedBytes
      throw thrown
    }
  }

  /** Yields a block from a worker, and from where that ends from the store. */
  async *#copiedFirst(
    piece: SetPiece,
    header: BlockHeader,
    store: (from: number) => AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    let at = 0
    for await (const chunk of this.#options.copies.read(piece, header, this.#readSignal)) {
      at += chunk.length
      yield chunk
    }
    if (at < header.length) yield* store(at)
  }

  #usable(piece: SetPiece, index: number): readonly SetTarget[] {
    return usableTargets(this.#options.targets, piece, index)
  }

  /** A file that has changed is not read any more: its replacement is loaded from the start. */
  async #afterChange(
    piece: SetPiece,
    index: number,
    known: Promise<SkeinError | undefined>,
  ): Promise<readonly SetTarget[]> {
    const error = await known
    if (error !== undefined) this.#options.outcome.readFailed(piece, index, error)
    return []
  }

  async #readFailed(piece: SetPiece, index: number, thrown: unknown): Promise<void> {
    if (this.#signal.aborted) return
    const { refresh, outcome } = this.#options
    const error = toSkeinError(thrown)
    if (this.#stragglers.isCut && error.code === 'cancelled') {
      outcome.readFailed(piece, index, this.#stragglers.error(piece.key))
      return
    }
    const report = isChange(error) ? await refresh.refresh(piece, this.#signal) : await this.#loneFaults.named(error)
    if (report !== undefined && !this.#signal.aborted) outcome.readFailed(piece, index, report)
  }

  #header(piece: SetPiece, index: number): BlockHeader {
    return {
      blockId: blockIdOf(piece.fileId, index),
      length: blockLength(piece.length, piece.blockSizeBytes, index),
      namespaceId: this.#options.namespaceId,
      key: piece.key,
      etag: piece.etag,
      offset: index * piece.blockSizeBytes,
    }
  }
}
