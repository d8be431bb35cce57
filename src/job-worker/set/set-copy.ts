// Why: one set's blocks, from the store to the set's targets. This is the hot path: a small object
// costs one read, one put a target, and nothing else that waits. How: one loop admits the blocks in
// order. A small block is admitted when the shared budgets have a slot and its bytes, large ones
// queue for one of the process's streams; all of them run on while the loop admits the next.
import type { Budget, Share } from '../../base/flow/budget.ts'
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

/** What all tasks of a job worker share. */
export interface CopyResources extends ReadResources {
  /**
   * Small objects in flight: each is one short request, and what it waits for is the store's
   * answer, not bandwidth.
   */
  readonly smallSlots: Budget
  /** Large blocks at once (goosefs.job.worker.threadpool.size). */
  readonly streams: Budget
  /** Files of one block shorter than this are read whole and put together with others. */
  readonly smallBlockBytes: number
}

export interface SetCopyOptions {
  readonly namespaceId: string
  readonly pieces: readonly SetPiece[]
  readonly targets: readonly SetTarget[]
  /** Workers that have blocks of the set already. */
  readonly copies: Pick<CachedCopies, 'read' | 'readWhole'>
  readonly lease: StoreLease
  readonly refresh: FileRefresh
  readonly outcome: SetOutcome
  readonly resources: CopyResources
  readonly pace: ReadPace
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What a small object holds while it is read. */
interface HeldForSmall {
  readonly bytes: LentShare
  readonly slot: LentShare
}

export class SetCopy {
  readonly #options: SetCopyOptions
  readonly #signal: AbortSignal
  readonly #stragglers: Stragglers
  readonly #loneFaults: LoneFaults
  /** Of reads: the set's, or the stragglers' end. */
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
    const { slots, bytes } = options.resources
    const isCrowded = (): boolean => this.#reads.isPacing || slots.waiting > 0 || bytes.waiting > 0
    this.#stragglers = new Stragglers(options.clock, () => this.#running, isCrowded)
    this.#readSignal = AbortSignal.any([options.signal, this.#stragglers.signal])
    this.#reads = new PacedReads(options, this.#readSignal)
    this.#streams = new BlockStreams({ ...options, streams: options.resources.streams })
  }

  /**
   * Copies all blocks; the outcome says what failed. After an abort it ends early, with nothing
   * left running or open. Throws nothing else than bugs.
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
      // The pace first: whoever waits for it holds nothing that others need.
      if (!reads.tryTake(length)) await reads.take(length, this.#signal)
      share = bytes.tryAcquire(length) ?? (await bytes.acquire(length, this.#signal))
      const slot = smallSlots.tryAcquire(1) ?? (await smallSlots.acquire(1, this.#signal))
      const held = {
        bytes: new LentShare(bytes, length, share, this.#signal),
        slot: new LentShare(smallSlots, 1, slot, this.#signal),
      }
      this.#track(this.#copySmall(piece, index, held))
    } catch {
      // Only an abort ends the wait for a budget.
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
        throw new SkeinError('data_loss', `the store gave ${bytes.length} of ${piece.length} bytes of ${piece.key}`, {
          retryable: true,
        })
      }
      const block = { header, bytes }
      const [only] = targets
      const isPut =
        only !== undefined && targets.length === 1
          ? await this.#put(piece, index, only, block)
          : (await Promise.all(targets.map((target) => this.#put(piece, index, target, block)))).every(Boolean)
      // A put that failed may still be under way.
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
    // The slot first, so that it comes back last: whoever waits for bytes holds no slot.
    const bytes = await this.#reads.whole(piece, (wait) => held.slot.lend(() => held.bytes.lend(wait)))
    outcome.originBytes += bytes.length
    return bytes
  }

  /** Runs a read, and tells the stragglers of it. */
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
        // Without proof of its version a block may come in one answer; a file of several blocks is
        // several answers.
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

  /** Nothing of the block is anywhere after an error. @throws SkeinError what the read threw */
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
        // What is read again was not to be had, or cannot be gone on with.
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

  /** A block as a worker has it, and from where that ends as the store has it. */
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

  /**
   * Nothing is read of a file that is known to have changed: its replacement starts from the
   * beginning.
   */
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
