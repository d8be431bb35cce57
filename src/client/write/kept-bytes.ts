// Why: a stream can be read only once, but a block may have to be sent again to another worker.
// How: the bytes of the current block are kept until the block is written. An error of the stream
// is remembered as such, because another worker would not help.
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'

export class KeptBytes {
  readonly #iterator: AsyncIterator<Uint8Array>
  readonly #signal: AbortSignal
  #kept: Uint8Array[] = []
  /** Bytes that were read from the stream and belong to later blocks. */
  #rest: Uint8Array = new Uint8Array(0)
  #left = 0
  /** Error that keeps the stream from being read to the end of the block. */
  failure: unknown

  constructor(chunks: AsyncIterable<Uint8Array>, signal: AbortSignal) {
    this.#iterator = chunks[Symbol.asyncIterator]()
    this.#signal = signal
  }

  /**
   * Moves to the next block, of `length` bytes. The previous block must have been read to its end.
   */
  beginBlock(length: number): void {
    this.#kept = []
    this.#left = length
  }

  /**
   * Yields the bytes of the block from its start: first the kept ones, then the stream's.
   * @throws what the stream throws; invalid_argument when the stream ends early
   */
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let index = 0; index < this.#kept.length || this.#left > 0; index += 1) {
      const chunk = this.#kept[index] ?? (await this.#pull())
      yield chunk
    }
  }

  /** @throws SkeinError invalid_argument when the stream has more bytes */
  async expectEnd(): Promise<void> {
    for (let rest = this.#rest; ;) {
      if (rest.length > 0)
        throw this.#failed(new SkeinError('invalid_argument', 'the stream has more bytes than the given file length'))
      const step = await this.#next()
      if (step === undefined) return
      rest = step
    }
  }

  /** Closes the stream. */
  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  async #pull(): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const step = await this.#next()
      if (step === undefined)
        throw this.#failed(new SkeinError('invalid_argument', 'the stream has fewer bytes than the given file length'))
      this.#rest = step
    }
    const chunk = this.#rest.subarray(0, this.#left)
    this.#rest = this.#rest.subarray(chunk.length)
    this.#left -= chunk.length
    this.#kept.push(chunk)
    return chunk
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      throwIfAborted(this.#signal)
      const step = await this.#iterator.next()
      return step.done === true ? undefined : step.value
    } catch (thrown) {
      throw this.#failed(thrown)
    }
  }

  #failed(thrown: unknown): unknown {
    this.failure ??= thrown
    return thrown
  }
}
