// Why: a block upload ends in exactly one way, and its writer cannot send more or fewer bytes than
// the block has. How: counts the bytes written to an open exchange. Commit waits for the response
// of the worker, abort drops the connection.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockHeader } from '../generated/worker.ts'
import type { HttpExchange } from '../http/http-exchange.ts'
import { isCommitted, lengthTrailerName } from './data-plane.ts'

/**
 * A block that is being sent to a worker. Exactly one of commit and abort ends it. Abort has no
 * effect afterwards.
 */
export interface BlockUpload {
  /**
   * Resolves when the connection accepts more data. The chunk must not be changed afterwards.
   * @throws the refusal of the worker
   */
  write(chunk: Uint8Array): Promise<void>
  /**
   * Resolves when the worker has committed the block. `length`: of a block that was opened
   * open-ended.
   * @throws invalid_argument when bytes are missing
   */
  commit(length?: number): Promise<void>
  abort(): Promise<void>
  /** Bytes from the beginning of the block that have left this process. */
  readonly settledBytes: number
}

/** Maximum response to a block: empty, or an error. */
const answerBytesMax = 32 * 1024 * 1024

export class ExchangeUpload implements BlockUpload {
  readonly #exchange: HttpExchange
  readonly #header: BlockHeader
  readonly #openEnded: boolean
  #written = 0
  #sent = 0
  #mode: 'open' | 'ended' = 'open'

  constructor(exchange: HttpExchange, header: BlockHeader, openEnded: boolean) {
    this.#exchange = exchange
    this.#header = header
    this.#openEnded = openEnded
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#written += chunk.length
    if (this.#written > this.#header.length) {
      await this.abort()
      throw new SkeinError(
        'invalid_argument',
        `block ${this.#header.blockId} got more than its ${this.#header.length} bytes`,
      )
    }
    await this.#exchange.write(chunk, () => {
      this.#sent += chunk.length
    })
  }

  get settledBytes(): number {
    return this.#sent
  }

  async commit(length = this.#header.length): Promise<void> {
    if (this.#mode === 'ended')
      throw new SkeinError('failed_precondition', `the write of block ${this.#header.blockId} has ended already`)
    if (this.#written !== length || (!this.#openEnded && length !== this.#header.length)) {
      await this.abort()
      throw new SkeinError(
        'invalid_argument',
        `block ${this.#header.blockId} got ${this.#written} of its ${length} bytes`,
      )
    }
    this.#mode = 'ended'
    try {
      const trailers = this.#openEnded ? { [lengthTrailerName]: String(length) } : undefined
      const response = await this.#exchange.answer(undefined, trailers)
      await this.#exchange.text(response, answerBytesMax)
      this.#exchange.release()
    } catch (thrown) {
      const error = toSkeinError(thrown)
      this.#exchange.destroy(error)
      if (!isCommitted(error)) throw error
    }
  }

  async abort(): Promise<void> {
    if (this.#mode === 'ended') return
    this.#mode = 'ended'
    this.#exchange.destroy(new SkeinError('cancelled', `the write of block ${this.#header.blockId} was aborted`))
  }
}
