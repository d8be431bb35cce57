// Why: requests of a door come from many clients, and none may take the door from the others. How:
// each request ends when its peer is gone, silent or too slow (served-requests.ts), and counts by
// what it was and how it ended. What it means, and how its answer is written, says the protocol of
// the door.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../base/clock.ts'
import { type SkeinError, toSkeinError } from '../base/errors.ts'
import type { DoorMetrics, DoorOperation, DoorOutcome } from '../telemetry/door-metrics.ts'
import { type ServedRequest, ServedRequests } from '../wire/http/served-requests.ts'
import { KeptAlive } from './kept-alive.ts'

export interface DoorRequestLimits {
  /** Requests that are served at a time. More are refused. */
  readonly requestsMax: number
  /** How long a client may send or take nothing in the middle of a body. */
  readonly idleMs: number
  /** Minimum bytes per second of a request while as many are served as may be. */
  readonly leastBytesPerSecond: number
  /** How long it may be slower: a busy client does not read for a while. */
  readonly slowMs: number
  /** Between two signs of life in an answer that takes long. */
  readonly keepAliveMs: number
}

/** One request of a door. */
export interface DoorExchange {
  readonly served: ServedRequest
  /** `other` until it is known. */
  kind: DoorOperation
  keptAlive: KeptAlive | undefined
}

export interface DoorProtocol<Exchange extends DoorExchange, Reply> {
  /** What is kept of a request while it is served. */
  begin(served: ServedRequest): Exchange
  /** Whether others wait for something that requests hold, besides their number. */
  isWanted?(): boolean
  /** Checks the head, and does what is asked for. */
  answer(exchange: Exchange): Promise<Reply>
  /** @returns bytes of content that were sent */
  send(exchange: Exchange, reply: Reply): Promise<number>
  /** Bytes of content that came, of a request that was answered. */
  receivedBytes(exchange: Exchange): number
  /** The error of a request that is one too many. */
  tooMany(message: string): SkeinError
  /** Says why, or drops the connection when it is too late. */
  refuse(exchange: Exchange, error: SkeinError): DoorOutcome
}

export interface DoorRequestsParts {
  readonly limits: DoorRequestLimits
  readonly metrics: DoorMetrics
  readonly clock: Clock
}

export class DoorRequests<Exchange extends DoorExchange, Reply> {
  readonly #parts: DoorRequestsParts
  readonly #protocol: DoorProtocol<Exchange, Reply>
  readonly #served: ServedRequests

  constructor(parts: DoorRequestsParts, protocol: DoorProtocol<Exchange, Reply>) {
    this.#parts = parts
    this.#protocol = protocol
    const { limits, clock } = parts
    this.#served = new ServedRequests({
      what: 'the gateway',
      clock,
      leastBytesPerSecond: limits.leastBytesPerSecond,
      windowMs: limits.slowMs,
      idleMs: () => limits.idleMs,
      kindOf: () => 'request',
      isWanted: (_, running) => running >= limits.requestsMax || protocol.isWanted?.() === true,
    })
  }

  cutOne(peer: string | undefined): boolean {
    return this.#served.cutOne(peer)
  }

  abortAll(): void {
    this.#served.abortAll()
  }

  /** @param refusal why the request must be refused */
  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    awaitsContinue: boolean,
    refusal?: SkeinError,
  ): Promise<void> {
    const { limits, metrics } = this.#parts
    const isOverLimit = this.#served.running >= limits.requestsMax
    const served = this.#served.begin(request, response, awaitsContinue)
    const exchange = this.#protocol.begin(served)
    const end = metrics.begin()
    let outcome: DoorOutcome = 'ok'
    try {
      if (refusal !== undefined) throw refusal
      if (isOverLimit) throw this.#protocol.tooMany(`${limits.requestsMax} requests are being served. Try again.`)
      const reply = await this.#protocol.answer(exchange)
      beforeHead(exchange)
      metrics.sent(await this.#protocol.send(exchange, reply))
      metrics.received(this.#protocol.receivedBytes(exchange))
    } catch (thrown) {
      beforeHead(exchange)
      outcome = this.#protocol.refuse(exchange, toSkeinError(thrown))
    } finally {
      served.end()
      end(exchange.kind, outcome)
    }
  }

  /** Sends signs of life until there is an answer. @param begin sends the head of the answer */
  keepAlive(exchange: Exchange, begin: () => void): void {
    const { limits, clock } = this.#parts
    exchange.keptAlive = new KeptAlive(exchange.served.response, begin, clock, limits.keepAliveMs)
  }
}

function beforeHead({ keptAlive, served }: DoorExchange): void {
  keptAlive?.end()
  served.closeIfUnasked()
}
