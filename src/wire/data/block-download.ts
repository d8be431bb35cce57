// Why: the connection of a block that is read here goes back to the pool only when all bytes were
// taken. How: the chunks release the exchange after the last byte; close cuts it before that.
import { SkeinError } from '../../base/errors.ts'
import type { IncomingMessage } from 'node:http'
import type { BlockHeader } from '../generated/worker.ts'
import type { HttpExchange } from '../http/http-exchange.ts'

/**
 * A block on its way here. Its reader closes it, whether it read to the end or not: until then the
 * connection is held.
 */
export interface BlockDownload {
  readonly header: BlockHeader
  /** Exactly `header.length` bytes, or an error. Once. */
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
