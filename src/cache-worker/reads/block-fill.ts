// Why: a hundred readers of a block that is not cached cost its store one read. How: the block
// comes in once, at the speed of the store and of our disk; readers get its chunks as they come.
// The newest chunks are held for readers that are a little behind; one that is further behind waits
// until the block is kept and goes on from there, or is told to read by itself.
//
//   filling --every byte in--> keeping --kept or not--> ended
//   filling --the store fails, the last reader leaves before all is in--> ended
//     what came is given up
import { abortReason, type Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockHeader } from '../../block/block-store.ts'
import type { FillSink } from './fill-sink.ts'

export interface BlockFillOptions {
  readonly header: BlockHeader
  /** All bytes of the block from its store. */
  readonly origin: (signal: AbortSignal) => AsyncIterable<Uint8Array>
  readonly sink: FillSink
  /** Bytes held for readers. */
  readonly windowBytes: number
  /** How long a reader that is too far behind waits for the block to be kept. */
  readonly patienceMs: number
  readonly clock: Clock
  /** Called once, when it has ended and nobody reads from it any more. */
  readonly released: () => void
}

export class BlockFill {
  readonly header: BlockHeader
  readonly #options: BlockFillOptions
  readonly #stop = new AbortController()
  readonly #kept = Promise.withResolvers<void>()
  /** The newest chunks; the first has the number `#firstNumber` and begins at `#firstAt`. */
  readonly #chunks: Uint8Array[] = []
  #firstNumber = 0
  #firstAt = 0
  #filled = 0
  #readers = 0
  #mode: 'filling' | 'keeping' | 'ended' = 'filling'
  #failure: SkeinError | undefined
  #wake = Promise.withResolvers<void>()

  constructor(options: BlockFillOptions) {
    this.header = options.header
    this.#options = options
  }

  /** Whether another reader may join. */
  get isOpen(): boolean {
    return !this.#stop.signal.aborted
  }

  /** Resolves when the block is kept, or will not be. Does not throw. Call once. */
  async run(): Promise<boolean> {
    const { header, origin, sink } = this.#options
    let kept = false
    try {
      for await (const chunk of origin(this.#stop.signal)) {
        if (this.#filled + chunk.length > header.length) throw wrongLength(header, this.#filled + chunk.length)
        this.#add(chunk)
        await sink.write(chunk)
      }
      if (this.#filled !== header.length) throw wrongLength(header, this.#filled)
      this.#mode = 'keeping'
      this.#wakeAll()
      kept = await sink.commit()
    } catch (thrown) {
      this.#failure = toSkeinError(thrown)
      this.#wakeAll()
      await sink.abort()
    }
    this.#mode = 'ended'
    this.#kept.resolve()
    this.#wakeAll()
    this.#releaseIfUnused()
    return kept
  }

  /** Ends it for a closing worker. */
  stop(): void {
    this.#stop.abort(new SkeinError('unavailable', 'the worker is closing', { reason: 'stopping' }))
  }

  /**
   * Bytes from `from` up to `to` of the block. It may end early for a reader that is too far
   * behind: the rest is in the block store by then, or the reader gets it for itself. @throws what
   * the store beneath throws
   */
  async *read(from: number, to: number, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    this.#readers += 1
    const aborted = Promise.withResolvers<void>()
    const onAbort = (): void => aborted.resolve()
    signal.addEventListener('abort', onAbort)
    try {
      let at = from
      let number: number | undefined
      while (at < to) {
        if (signal.aborted) throw abortReason(signal)
        if (at < this.#firstAt) return await this.#untilKept(signal)
        number ??= this.#numberAt(at)
        const chunk = number === undefined ? undefined : this.#chunks[number - this.#firstNumber]
        if (chunk !== undefined && number !== undefined) {
          const start = at === from ? from - this.#startOf(number) : 0
          const part = chunk.subarray(start, start + Math.min(to - at, chunk.length - start))
          at += part.length
          number += 1
          yield part
        } else if (this.#failure !== undefined) throw this.#failure
        else if (this.#mode !== 'filling') return
        else await Promise.race([this.#wake.promise, aborted.promise])
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      this.#readers -= 1
      this.#releaseIfUnused()
      if (this.#readers === 0 && this.#filled < this.header.length)
        this.#stop.abort(new SkeinError('cancelled', 'the last reader left'))
    }
  }

  /** Waits a while for the block to be kept, or not. */
  async #untilKept(signal: AbortSignal): Promise<void> {
    const leave = new AbortController()
    const { clock, patienceMs } = this.#options
    const impatient = clock.sleep(patienceMs, AbortSignal.any([signal, leave.signal])).catch(() => undefined)
    try {
      await Promise.race([this.#kept.promise, impatient])
    } finally {
      leave.abort()
    }
  }

  #releaseIfUnused(): void {
    if (this.#mode === 'ended' && this.#readers === 0) this.#options.released()
  }

  #add(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#filled += chunk.length
    for (
      let [first] = this.#chunks;
      first !== undefined && this.#filled - this.#firstAt > this.#options.windowBytes;
      [first] = this.#chunks
    ) {
      if (first === chunk) break
      this.#chunks.shift()
      this.#firstNumber += 1
      this.#firstAt += first.length
    }
    this.#wakeAll()
  }

  /** The chunk that has byte `at`; undefined when it has not come yet. */
  #numberAt(at: number): number | undefined {
    let end = this.#firstAt
    for (const [index, chunk] of this.#chunks.entries()) {
      end += chunk.length
      if (at < end) return this.#firstNumber + index
    }
    return undefined
  }

  #startOf(number: number): number {
    let start = this.#firstAt
    for (const chunk of this.#chunks.slice(0, number - this.#firstNumber)) start += chunk.length
    return start
  }

  #wakeAll(): void {
    const woken = this.#wake
    this.#wake = Promise.withResolvers()
    woken.resolve()
  }
}

function wrongLength({ blockId, length }: BlockHeader, bytes: number): SkeinError {
  return new SkeinError('data_loss', `the store gave ${bytes} bytes or more for the ${length} of block ${blockId}`, {
    retryable: true,
  })
}
