// Why: the connection of a block read is reused only when all bytes were read. How: the chunks
// release the exchange after the last byte; close before that drops the connection.
import { SkeinError } from '../../base/errors.ts'
import type { IncomingMessage } from 'node:http'
import type { BlockHeader } from '../generated/worker.ts'
import type { HttpExchange } from '../http/http-exchange.ts'

/**
 * A block that is being received. The reader must close it, also after reading to the end. Until
 * then it occupies the connection.
 */
export interface BlockDownload {
  readonly header: BlockHeader
  /** Exactly `header.length` bytes, or an error. Can be iterated once. */
  readonly chunks: AsyncIterable<Uint8Array>
  close(): void
}

export class ExchangeDownload implements BlockDownload {
  readonly header: BlockHeader
  readonly chunks: AsyncIterable<Uint8Array>
  readonly #exchange: HttpExchange
  #whole = false

  constructor(exchange: HttpExchange, response: IncomingMessage, header: BlockHeader) {
    this.#exchange = exchange
    this.header = header
    this.chunks = this.#body(response)
  }

  close(): void {
    if (!this.#whole) this.#exchange.destroy(new SkeinError('cancelled', 'the reader stopped'))
  }

  async *#body(response: IncomingMessage): AsyncGenerator<Uint8Array> {
    yield* this.#exchange.body(response, this.header.length)
    this.#whole = true
    this.#exchange.release()
  }
}
