// Why: many readers of an uncached block cause only one read of the under file system. How: the
// block is fetched once, at the speed of the under file system and the local disk. Readers get its
// chunks as they arrive. The newest chunks are held for readers that are slightly behind. A reader
// that is further behind waits until the block is cached and continues from the cache, or reads on
// its own.
//
//   filling --every byte in--> keeping --kept or not--> ended
//   filling --the read fails, or the last reader leaves early-->  ended
//     the bytes are dropped
import { abortReason, type Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockHeader } from '../../block/block-store.ts'
import type { FillSink } from './fill-sink.ts'

export interface BlockFillOptions {
  readonly header: BlockHeader
  /** Reads all bytes of the block from the under file system. */
  readonly origin: (signal: AbortSignal) => AsyncIterable<Uint8Array>
  readonly sink: FillSink
  /** Bytes held for readers. */
  readonly windowBytes: number
  /** How long a reader that is too far behind waits for the block to be cached. */
  readonly patienceMs: number
  readonly clock: Clock
  /** Called once, when the fill has ended and has no readers. */
  readonly released: () => void
}

export class BlockFill {
  readonly header: BlockHeader
  readonly #options: BlockFillOptions
  readonly #stop = new AbortController()
  readonly #kept = Promise.withResolvers<void>()
  /** The newest chunks. The first one has number `#firstNumber` and starts at byte `#firstAt`. */
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

  /** Resolves to whether the block was cached. Does not throw. Call once. */
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

  /** Ends the fill because the worker is closing. */
  stop(): void {
    this.#stop.abort(new SkeinError('unavailable', 'the worker is closing', { reason: 'stopping' }))
  }

  /**
   * Reads bytes `from` to `to` of the block. Can end early for a reader that is too far behind; the
   * rest is then in the block store, or the reader must fetch it on its own.
   * @throws what the under file system throws
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

  /** Waits for the end of the fill, at most `patienceMs`. */
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

  /** Number of the chunk with byte `at`. Undefined: not fetched yet. */
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
  return new SkeinError(
    'data_loss',
    `the store returned ${bytes} bytes or more for block ${blockId} of ${length} bytes`,
    {
      retryable: true,
    },
  )
}
