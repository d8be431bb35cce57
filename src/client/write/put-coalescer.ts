// Why: one request per 16 KiB block would cost more than the block. In a shared request each block
// costs almost nothing. How: blocks wait in one queue. Whenever one of a few requests is free, it
// takes as many blocks as it may carry. There is no timer: an idle worker gets its first block at
// once, a busy one gets the blocks that were queued meanwhile. All blocks of a request have the
// same write hints; blocks with other hints keep their places in the queue.
import { abortReason } from '../../base/clock.ts'
import { type SkeinError, toSkeinError } from '../../base/errors.ts'
import type { WriteHints } from '../../wire/data/data-plane.ts'
import type { SmallBlock } from './block-target.ts'

export interface PutLimits {
  /** Blocks per request. */
  readonly blocksMax: number
  /** Bytes per request. A larger block gets its own request. */
  readonly bytesMax: number
  /** Requests in flight to one worker. */
  readonly requestsMax: number
}
const defaultPutLimits: PutLimits = { blocksMax: 256, bytesMax: 4 * 1024 * 1024, requestsMax: 3 }

/**
 * Sends blocks in one request. Returns one result per block, in the same order; undefined means
 * success.
 */
type PutMany = (
  blocks: readonly SmallBlock[],
  signal: AbortSignal,
  hints: WriteHints,
) => Promise<readonly (SkeinError | undefined)[]>

interface WaitingPut {
  readonly block: SmallBlock
  readonly hints: WriteHints
  readonly signal: AbortSignal
  readonly resolve: () => void
  readonly reject: (error: SkeinError) => void
}

/**
 * Combines concurrent puts to one worker. A put whose signal is aborted while it is queued is never
 * sent.
 */
export class PutCoalescer {
  readonly #putMany: PutMany
  readonly #limits: PutLimits
  #line: WaitingPut[] = []
  #inFlight = 0
  #pumpScheduled = false

  constructor(putMany: PutMany, limits: PutLimits = defaultPutLimits) {
    this.#putMany = putMany
    this.#limits = limits
  }

  /**
   * @throws SkeinError the worker's error for this block, the error of its request, or the signal's
   *   reason
   */
  put(block: SmallBlock, signal: AbortSignal, hints: WriteHints = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#line.push({ block, hints, signal, resolve, reject })
      this.#schedulePump()
    })
  }

  // Runs after the current microtask, so that blocks that arrive together share the first request.
  #schedulePump(): void {
    if (this.#pumpScheduled || this.#inFlight >= this.#limits.requestsMax) return
    this.#pumpScheduled = true
    queueMicrotask(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    while (this.#inFlight < this.#limits.requestsMax) {
      const batch = this.#takeBatch()
      if (batch.length === 0) return
      this.#inFlight += 1
      void this.#send(batch)
    }
  }

  #takeBatch(): WaitingPut[] {
    const batch: WaitingPut[] = []
    const passed: WaitingPut[] = []
    let bytes = 0
    let taken = 0
    for (const put of this.#line) {
      if (put.signal.aborted) {
        put.reject(abortReason(put.signal))
      } else if (batch[0] !== undefined && !sameHints(put.hints, batch[0].hints)) {
        passed.push(put)
      } else {
        bytes += put.block.bytes.length
        if (batch.length > 0 && (bytes > this.#limits.bytesMax || batch.length >= this.#limits.blocksMax)) break
        batch.push(put)
      }
      taken += 1
    }
    const rest = taken === this.#line.length ? [] : this.#line.slice(taken)
    this.#line = passed.length === 0 ? rest : passed.concat(rest)
    return batch
  }

  async #send(batch: readonly WaitingPut[]): Promise<void> {
    const request = new AbortController()
    const release = abortWhenAllAre(new Set(batch.map((put) => put.signal)), request)
    try {
      const results = await this.#putMany(
        batch.map((put) => put.block),
        request.signal,
        batch[0]?.hints ?? {},
      )
      for (const [index, put] of batch.entries()) {
        const error = results[index]
        if (error === undefined) put.resolve()
        else put.reject(error)
      }
    } catch (thrown) {
      const error = toSkeinError(thrown)
      for (const put of batch) put.reject(put.signal.aborted ? abortReason(put.signal) : error)
    } finally {
      release()
      this.#inFlight -= 1
      this.#schedulePump()
    }
  }
}

function sameHints(a: WriteHints, b: WriteHints): boolean {
  return a === b || (a.loadId === b.loadId && a.evict === b.evict)
}

/**
 * Aborts `request` when all of `signals` are aborted: a task that stops must not stop the blocks of
 * another one.
 * @returns a function that removes the listeners
 */
function abortWhenAllAre(signals: ReadonlySet<AbortSignal>, request: AbortController): () => void {
  let left = signals.size
  const onAbort = (event: Event): void => {
    left -= 1
    if (left === 0) request.abort(abortReason(event.target as AbortSignal))
  }
  for (const signal of signals) signal.addEventListener('abort', onAbort, { once: true })
  return () => {
    for (const signal of signals) signal.removeEventListener('abort', onAbort)
  }
}
