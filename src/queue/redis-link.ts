// Why: a queue must know whether Redis is available, and if not, why, without asking each time.
// How: follows the events of one connection, keeps the last error until the connection is ready
// again, and logs each loss and each recovery once.
import type { EventEmitter } from 'node:events'
import { untilAborted } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { redisErrorText, redisUnavailable } from './redis-errors.ts'
import { closedQueueError } from './task-shape.ts'

/** The parts of a Redis client that are used here. */
type LinkClient = Pick<EventEmitter, 'on' | 'once' | 'off'> & { readonly status: string }

/** Modes: open -> closed. */
export class RedisLink {
  readonly #client: LinkClient
  readonly #shownAddress: string
  readonly #logger: Logger
  #lastError: string | undefined
  #closed = false

  constructor(client: LinkClient, shownAddress: string, logger: Logger, onReady: () => void) {
    this.#client = client
    this.#shownAddress = shownAddress
    this.#logger = logger
    client.on('error', (error: unknown) => this.#noteError(redisErrorText(error)))
    client.on('close', () => this.#noteError(this.#lastError ?? 'the connection was lost'))
    client.on('ready', () => {
      if (this.#lastError !== undefined) this.#logger.info('Redis responds again', { address: this.#shownAddress })
      this.#lastError = undefined
      onReady()
    })
  }

  /** Why there is no connection; undefined while there is one, or if none was tried. */
  get lastError(): string | undefined {
    return this.#lastError
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** From now on nothing is logged, and every error says that the queue is closed. */
  close(): void {
    this.#closed = true
  }

  /** Resolves when connected. Rejects at the next failed attempt. */
  async connected(signal: AbortSignal): Promise<void> {
    if (this.#client.status === 'ready') return
    const client = this.#client
    let onReady: () => void = () => undefined
    let onError: (error: unknown) => void = () => undefined
    try {
      const settled = new Promise<void>((resolve, reject) => {
        onReady = resolve
        onError = reject
        client.once('ready', onReady)
        client.once('error', onError)
      })
      await untilAborted(settled, signal)
    } catch (thrown) {
      throw this.unavailable(thrown)
    } finally {
      client.off('ready', onReady)
      client.off('error', onError)
    }
  }

  #noteError(text: string): void {
    if (this.#closed) return
    if (this.#lastError === undefined)
      this.#logger.warn('Redis does not respond', { address: this.#shownAddress, reason: text })
    this.#lastError = text
  }

  /** Converts a thrown value to an error of the queue. An aborted wait has its own reason. */
  unavailable(thrown: unknown): SkeinError {
    if (this.#closed) return closedQueueError()
    if (thrown instanceof SkeinError && thrown.code === 'cancelled') {
      const why = this.#lastError ?? 'no answer'
      return redisUnavailable(new Error(why), this.#shownAddress, undefined)
    }
    return redisUnavailable(thrown, this.#shownAddress, this.#lastError)
  }

  /** @throws SkeinError once the queue is closed */
  refuseUnlessOpen(): void {
    if (this.#closed) throw closedQueueError()
  }
}
