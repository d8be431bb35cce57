// Why: a file is written by pieces of any size, its length known at the end or before, and is seen
// whole or not at all. How: the bytes are cut into blocks (block-output.ts), one after the other;
// `close` completes the file at the master and follows the file's write policy (policy-at-end.ts).
//
// What an output has in memory: a piece that is being filled, `smallBytesMax` of a block that may
// stay small, what its connection or disk has in flight (2 MiB), and the kept chunks. The memory is
// lent by a pool, and goes back when a block is done with it (block-output.ts).
//
//   open --close--> closing --> ended      a failure, an abort, or the signal: the file is
//   open --abort--------------> ended      abandoned, and its blocks go
import { blockIdOf } from '../../base/block-id.ts'
import { abortReason, type Clock, type Random, throwIfAborted } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Budget } from '../../base/flow/budget.ts'
import type { PiecePool } from '../../base/flow/piece-pool.ts'
import type { RetryPolicy } from '../../base/flow/retry.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { CreateFileResponse, LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { FileInfo, MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import { BlockOutput } from './block-output.ts'
import type { BlockTargetPool } from './block-target-pool.ts'
import { KeptChunks } from './kept-chunks.ts'
import { followPolicy } from './policy-at-end.ts'

/** Bytes are gathered until there are so many: a piece of the pool. */
export const gatherBytes = 256 * 1024
const abandonMs = 5000
/** Deadline of the call that waits until the master knows all blocks. */
const completeMs = 60_000
/**
 * The same for a file that overwrites: it waits while the old one is being written to the store,
 * moved or removed.
 */
const overwriteMs = 10 * 60_000
const retryDefault: RetryPolicy = { attemptsMax: 8, initialMs: 200, maxMs: 3000 }

export interface FileOutputParts {
  readonly lifecycle: Pick<
    Service<LifecycleServiceDefinition>,
    'createFile' | 'placeBlock' | 'completeFile' | 'abandonFile' | 'persist'
  >
  readonly master: Pick<Service<MasterServiceDefinition>, 'free'>
  readonly targets: Pick<BlockTargetPool, 'targetFor'>
  /** Bytes of blocks that another worker may get, all outputs together (kept-chunks.ts). */
  readonly kept: Budget
  /** Pieces of `gatherBytes`. */
  readonly pieces: Pick<PiecePool, 'take' | 'giveBack'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Attempts per block, and the pauses when all workers have failed. Default: 8 attempts. */
  readonly retry?: RetryPolicy
}

export interface WrittenFile {
  readonly fileId: number
  readonly length: number
  readonly writePolicy: string
  /** Whether the store has the file. */
  readonly persisted: boolean
  /** When it became visible; undefined from a master of an older version. */
  readonly info: FileInfo | undefined
}

/** What is known only at the end; replaces what the file was begun with. */
export interface MetadataAtEnd {
  readonly contentType?: string | undefined
  readonly userMetadata?: Readonly<Record<string, string>> | undefined
  readonly clientMetadata?: Readonly<Record<string, string>> | undefined
}

export interface OutputTarget {
  readonly path: string
  readonly file: CreateFileResponse
  /** Bytes of the file, if they are known before. */
  readonly length: number | undefined
  readonly overwrite: boolean
  readonly signal: AbortSignal
}

export class CachedFileOutput {
  readonly #parts: FileOutputParts
  readonly #target: OutputTarget
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal
  readonly #onAbort = (): void => void this.abort()
  #mode: 'open' | 'closing' | 'ended' = 'open'
  #failure: { readonly thrown: unknown } | undefined
  /** The last call; the next one waits for it. */
  #last: Promise<unknown> = Promise.resolve()
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  /** Memory behind the last of them; of the pool. */
  #room: Uint8Array = new Uint8Array()
  #block: BlockOutput | undefined
  #blocks = 0
  #length = 0

  constructor(parts: FileOutputParts, target: OutputTarget) {
    this.#parts = parts
    this.#target = target
    this.#signal = AbortSignal.any([target.signal, this.#stop.signal])
    target.signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /**
   * Takes a copy. Resolves when more can be taken, or at once for a small piece.
   * @throws SkeinError resource_exhausted (`no_capacity`), unavailable (also with reason
   *   `block_lost`), invalid_argument (more bytes than the file's known length),
   *   failed_precondition after the end, and what made an earlier call fail
   */
  write(chunk: Uint8Array): Promise<void> {
    return this.#inTurn(async () => {
      for (let at = 0; at < chunk.length;) {
        if (this.#room.length === 0) this.#room = this.#parts.pieces.take(this.#roomBytes(chunk.length - at))
        const part = this.#room.subarray(0, chunk.length - at)
        part.set(chunk.subarray(at, at + part.length))
        this.#room = this.#room.subarray(part.length)
        this.#gathered.push(part)
        this.#gatheredBytes += part.length
        at += part.length
        if (this.#gatheredBytes >= gatherBytes) await this.#writeGathered()
      }
    })
  }

  /**
   * Makes the file visible, in one step, and waits as the write policy requires.
   * @throws SkeinError as write, and already_exists, invalid_argument (fewer bytes than the file's
   *   known length), deadline_exceeded (`path_busy`: of a file that overwrites); unavailable with
   *   reason `not_persisted` when the file is complete in the cache, but its policy requires it in
   *   the store and persisting failed
   */
  async close({ contentType, userMetadata, clientMetadata }: MetadataAtEnd = {}): Promise<WrittenFile> {
    const { lifecycle } = this.#parts
    const { file, length, overwrite } = this.#target
    let info: FileInfo | undefined
    await this.#inTurn(async () => {
      this.#mode = 'closing'
      await this.#writeGathered()
      if (length !== undefined && this.#length !== length)
        throw new SkeinError('invalid_argument', 'the stream has fewer bytes than the given file length')
      await this.#block?.finish()
      const call = { signal: this.#signal, deadlineMs: overwrite ? overwriteMs : completeMs }
      const request = {
        ...{ fileId: file.fileId, length: this.#length },
        ...(contentType !== undefined && { contentType }),
        ...(userMetadata !== undefined && { userMetadata: { values: { ...userMetadata } } }),
        ...(clientMetadata !== undefined && { clientMetadata: { values: { ...clientMetadata } } }),
      }
      info = (await lifecycle.completeFile(request, call)).file
      this.#end()
    })
    const { path, signal } = this.#target
    const persisted = await followPolicy(this.#parts, { path, writePolicy: file.writePolicy }, signal)
    return { fileId: file.fileId, length: this.#length, writePolicy: file.writePolicy, persisted, info }
  }

  /** Ends a call that waits, and leaves no trace. Idempotent; after `close` it does nothing. */
  async abort(): Promise<void> {
    if (this.#mode === 'ended') return
    this.#stop.abort(new SkeinError('cancelled', `writing ${this.#target.path} was aborted`))
    await this.#inTurn(() => Promise.reject(abortReason(this.#stop.signal))).catch(() => undefined)
  }

  /** One call after the other. What fails ends the output. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(async () => {
      if (this.#failure !== undefined) throw this.#failure.thrown
      if (this.#mode !== 'open')
        throw new SkeinError('failed_precondition', `${this.#target.path} is no longer being written`)
      try {
        throwIfAborted(this.#signal)
        await act()
      } catch (thrown) {
        this.#failure = { thrown }
        this.#end()
        await this.#block?.abort()
        await this.#abandon()
        throw thrown
      }
    })
    this.#last = turn.catch(() => undefined)
    return turn
  }

  #end(): void {
    this.#mode = 'ended'
    this.#target.signal.removeEventListener('abort', this.#onAbort)
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#room = new Uint8Array()
  }

  /** How much memory the next bytes get: no more than the file may need, and all at once. */
  #roomBytes(bytes: number): number {
    const { length } = this.#target
    const most = gatherBytes - this.#gatheredBytes
    // A file that has few bytes so far may have no more.
    if (length === undefined && this.#length === 0 && this.#gatheredBytes === 0) return Math.min(most, bytes)
    const left = length === undefined ? most : length - this.#length - this.#gatheredBytes
    return Math.max(1, Math.min(most, left))
  }

  async #writeGathered(): Promise<void> {
    if (this.#gatheredBytes === 0) return
    const { pieces } = this.#parts
    const gathered = this.#gathered
    const bytes = joined(gathered)
    pieces.giveBack(this.#room)
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#room = new Uint8Array()
    if (bytes.buffer !== gathered[0]?.buffer) for (const part of gathered) pieces.giveBack(part)
    await this.#writeBlocks(bytes)
  }

  async #writeBlocks(bytes: Uint8Array): Promise<void> {
    const { length: known } = this.#target
    if (known !== undefined && this.#length + bytes.length > known)
      throw new SkeinError('invalid_argument', 'the stream has more bytes than the given file length')
    for (let at = 0; at < bytes.length;) {
      this.#block ??= this.#nextBlock()
      const part = bytes.subarray(at, at + this.#block.leftBytes)
      await this.#block.write(part)
      at += part.length
      this.#length += part.length
      if (this.#block.leftBytes > 0) continue
      await this.#block.finish()
      this.#block = undefined
    }
  }

  #nextBlock(): BlockOutput {
    const { lifecycle, targets, kept, pieces, clock, random, logger, retry = retryDefault } = this.#parts
    const { file, length: known } = this.#target
    const { fileId, namespaceId, key, blockSizeBytes } = file
    const index = this.#blocks
    this.#blocks += 1
    const offset = index * blockSizeBytes
    const length = known === undefined ? blockSizeBytes : Math.min(blockSizeBytes, known - offset)
    const header = { blockId: blockIdOf(fileId, index), length, namespaceId, key, etag: '', offset, durable: true }
    const signal = this.#signal
    return new BlockOutput({
      header,
      openEnded: known === undefined,
      place: (bytes, failed, openEnded) =>
        lifecycle.placeBlock(
          { fileId, blockIndex: index, length: bytes, excludedWorkerIds: [...failed], openEnded },
          { signal },
        ),
      targetOf: (worker) => targets.targetFor(worker),
      kept: new KeptChunks(kept),
      giveBack: (chunk) => pieces.giveBack(chunk),
      ...{ retry, clock, random, logger, signal },
    })
  }

  /**
   * Uses its own signal, because the caller's signal is often the reason. If the call fails, the
   * master abandons the file after a time.
   */
  async #abandon(): Promise<void> {
    const { path, file } = this.#target
    try {
      await this.#parts.lifecycle.abandonFile(
        { fileId: file.fileId },
        { signal: new AbortController().signal, deadlineMs: abandonMs },
      )
    } catch (thrown) {
      this.#parts.logger.warn('cannot abandon a file; the master does it later', {
        path,
        error: toSkeinError(thrown).message,
      })
    }
  }
}

/** Parts that lie one after the other are one already. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  if (first === undefined) return new Uint8Array()
  let end = first.byteOffset
  let isOne = true
  for (const { buffer, byteOffset, length } of parts) {
    isOne &&= buffer === first.buffer && byteOffset === end
    end += length
  }
  return isOne ? new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset) : Buffer.concat(parts)
}
