// Why: one block of a file that is being written is on a worker's disk before the next one begins,
// whichever worker fails meanwhile, and nobody knows its length before its writer stops. How: up to
// `smallBytesMax` bytes are held; a block that has no more is sent in one request. Else the room of
// a whole block is reserved on a worker, and its commit gives back what was not needed. While the
// memory for it lasts (kept-chunks.ts), the bytes of the block are kept, and another worker gets
// them when one fails. A worker that takes more bytes than any before it has moved the block on:
// the attempts are counted anew. Chunks whose bytes nobody needs any more go back to where their
// memory came from, unless a worker failed with them: it may still be sending them.
import { type Clock, type Random, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { backoffMs, type RetryPolicy } from '../../base/flow/retry.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { PlaceBlockResponse } from '../../wire/generated/lifecycle.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'
import type { BlockSink, BlockTarget } from './block-target.ts'
import type { KeptChunks } from './kept-chunks.ts'

/** Blocks up to this size are sent in one piece. */
export const smallBytesMax = 1024 * 1024

export interface BlockOutputParts {
  /** The header's length is the most the block may have. */
  readonly header: BlockHeader
  /** Whether the block may end before that. */
  readonly openEnded: boolean
  /**
   * A worker for a block of `length` bytes, or of at most as many when it is open-ended, that is
   * none of `failed`.
   */
  readonly place: (length: number, failed: ReadonlySet<string>, openEnded: boolean) => Promise<PlaceBlockResponse>
  readonly targetOf: (worker: PlaceBlockResponse) => BlockTarget
  readonly kept: KeptChunks
  /** Called with chunks, or parts of them, that are not needed any more. */
  readonly giveBack: (chunk: Uint8Array) => void
  readonly retry: RetryPolicy
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** Calls come one after the other. Ends with `finish` or `abort`. */
export class BlockOutput {
  readonly #parts: BlockOutputParts
  /** Not given to the current sink yet. */
  #pending: Uint8Array[] = []
  /** What the current sink took and was not given back, and where the first of it ends. */
  #taken: Uint8Array[] = []
  #givenBackBytes = 0
  #hasFailed = false
  #length = 0
  #worker: PlaceBlockResponse | undefined
  #sink: BlockSink | undefined
  /** Bytes that the current sink took, and the most that any took. */
  #takenBytes = 0
  #furthestBytes = 0
  /** A worker has the block: its answer was lost. */
  #isThere = false
  readonly #failed = new Set<string>()
  #attempt = 1

  constructor(parts: BlockOutputParts) {
    this.#parts = parts
  }

  /** Bytes that still fit. */
  get leftBytes(): number {
    return this.#parts.header.length - this.#length
  }

  /**
   * Takes at most `leftBytes`, which belong to this object from now on. Resolves when more can be
   * taken.
   * @throws SkeinError unavailable (reason `block_lost`: the worker failed, and the bytes of the
   *   block were too many to keep), resource_exhausted, what the master says, the signal's reason
   */
  async write(chunk: Uint8Array): Promise<void> {
    this.#pending.push(chunk)
    this.#length += chunk.length
    if (this.#sink === undefined && this.#length <= smallBytesMax) return
    await this.#untilDone(() => this.#sendPending())
  }

  /** The block is on a worker's disk. @throws as write does */
  async finish(): Promise<void> {
    await this.#untilDone(async () => {
      if (this.#sink === undefined && this.#length <= smallBytesMax) await this.#put()
      else {
        await this.#sendPending()
        await this.#sink?.commit(this.#length)
        this.#sink = undefined
      }
    })
    this.#parts.kept.drop()
    this.#giveBack(Number.POSITIVE_INFINITY)
    this.#pending = []
  }

  async abort(): Promise<void> {
    const sink = this.#sink
    this.#sink = undefined
    this.#pending = []
    this.#parts.kept.drop()
    await sink?.abort()
  }

  async #untilDone(act: () => Promise<void>): Promise<void> {
    while (!this.#isThere) {
      throwIfAborted(this.#parts.signal)
      try {
        await act()
        break
      } catch (thrown) {
        await this.#recover(thrown)
      }
    }
    if (this.#isThere) this.#pending = []
  }

  async #put(): Promise<void> {
    const { header, targetOf, signal } = this.#parts
    const target = targetOf(await this.#place(this.#length, false))
    const [only] = this.#pending
    const bytes = only !== undefined && this.#pending.length === 1 ? only : Buffer.concat(this.#pending)
    await target.put({ header: { ...header, length: this.#length }, bytes }, signal)
    this.#taken = this.#pending
  }

  async #sendPending(): Promise<void> {
    const { header, openEnded, targetOf, kept, signal } = this.#parts
    if (this.#sink === undefined) {
      const target = targetOf(await this.#place(header.length, openEnded))
      this.#takenBytes = 0
      this.#sink = await target.open(header, signal, openEnded ? { openEnded } : {})
      if (this.#sink === undefined) {
        this.#isThere = true
        return
      }
    }
    for (let chunk = this.#pending[0]; chunk !== undefined; chunk = this.#pending[0]) {
      await this.#sink.write(chunk)
      this.#takenBytes += chunk.length
      this.#pending.shift()
      this.#taken.push(chunk)
      kept.add(chunk)
      if (!kept.isKeeping) this.#giveBack(this.#sink.settledBytes ?? 0)
    }
  }

  /** @param settledBytes of the block, from its start */
  #giveBack(settledBytes: number): void {
    if (this.#hasFailed) return
    let count = 0
    for (const chunk of this.#taken) {
      if (this.#givenBackBytes + chunk.length > settledBytes) break
      this.#givenBackBytes += chunk.length
      this.#parts.giveBack(chunk)
      count += 1
    }
    this.#taken = this.#taken.slice(count)
  }

  async #place(length: number, openEnded: boolean): Promise<PlaceBlockResponse> {
    this.#worker = undefined
    this.#worker = await this.#parts.place(length, this.#failed, openEnded)
    return this.#worker
  }

  /** Gets the block ready for another attempt. @throws when there is none */
  async #recover(thrown: unknown): Promise<void> {
    const { header, kept, retry, clock, random, logger, signal } = this.#parts
    const sink = this.#sink
    const worker = this.#worker
    this.#sink = undefined
    this.#hasFailed = true
    this.#taken = []
    await sink?.abort()
    if (isSkeinError(thrown, 'already_exists', 'committed')) {
      this.#isThere = true
      return
    }
    throwIfAborted(signal)
    const error = toSkeinError(thrown)
    const again = sink === undefined ? [] : kept.take()
    if (again === undefined) throw lostBlock(header, worker, this.#takenBytes, error)
    this.#pending = [...again, ...this.#pending]
    if (this.#takenBytes > this.#furthestBytes) {
      this.#furthestBytes = this.#takenBytes
      this.#attempt = 1
    }
    const cannotPlace = worker === undefined && this.#failed.size === 0 && !error.retryable
    if (this.#attempt >= retry.attemptsMax || cannotPlace) throw error
    logger.warn('cannot write a block to a worker; trying another worker', {
      key: header.key,
      blockId: header.blockId,
      worker: worker?.workerId,
      error: error.message,
    })
    if (worker === undefined) {
      // All workers have failed. Some of them may have recovered.
      this.#failed.clear()
      await clock.sleep(backoffMs(retry, this.#attempt, random), signal)
    } else {
      this.#failed.add(worker.workerId)
    }
    this.#attempt += 1
  }
}

function lostBlock(
  { key }: BlockHeader,
  worker: PlaceBlockResponse | undefined,
  takenBytes: number,
  error: SkeinError,
): SkeinError {
  const message =
    `worker ${worker?.workerId ?? ''} failed after ${takenBytes} bytes of a block of ${key}, ` +
    `more than are kept for another worker: write the file again (${error.message})`
  return new SkeinError('unavailable', message, { reason: 'block_lost', retryable: false, cause: error })
}
