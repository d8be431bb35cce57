// Why: a remote role looks like a local one: the same Service object, throwing the same errors.
// How: each method encodes, calls and decodes. All calls are idempotent by key, so `unavailable` is
// retried with back-off until the call's deadline; nothing else is.
import { abortReason, type Clock, type Random } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { backoffMs, type RetryPolicy } from '../../base/flow/retry.ts'
import { type Logger, silentLogger } from '../../telemetry/logger.ts'
import { parseAddress } from '../address.ts'
import { openRawChannel, type RawChannel, type RawOutcome } from './grpc.ts'
import { MessageWriter } from './message-writer.ts'
import type { CallOptions, MethodDefinition, Service, ServiceDefinition } from '../service.ts'
import { codeOfGrpcStatus, errorFromText, grpcOk } from '../status.ts'

export interface ClientOptions {
  /** Deadline of a call, retries included. Default 10 s. CallOptions.deadlineMs overrides it. */
  readonly deadlineMs?: number
  /**
   * How long a call tries to reach the server. Default: until its deadline. A command line that
   * should fail fast sets a lower value.
   */
  readonly unavailableMs?: number
  readonly clock: Clock
  readonly random: Random
  readonly logger?: Logger
  /**
   * The server's name in messages. Default: derived from the service's name, `MasterService` ->
   * `master`.
   */
  readonly what?: string
  /** The way to the server. Default: the network. */
  readonly channel?: RawChannel | undefined
}

export interface ServiceClient<D extends ServiceDefinition> {
  readonly service: Service<D>
  close(): void
}

const retryPolicy: RetryPolicy = { attemptsMax: Number.POSITIVE_INFINITY, initialMs: 50, maxMs: 1000 }
const retryPauseMinMs = 10
const deadlineDefaultMs = 10_000

/**
 * A Service that calls the server at `address` (`host:port`). Connects at the first call. Its
 * methods throw the errors of the server's handler; `unavailable` when the server cannot be
 * reached; `deadline_exceeded`; `cancelled` by the signal.
 * @throws SkeinError invalid_argument when the address is not host:port
 */
export function createClient<D extends ServiceDefinition>(
  definition: D,
  address: string,
  options: ClientOptions,
): ServiceClient<D> {
  const { host, port } = parseAddress(address)
  const caller = new Caller(
    options.channel ?? openRawChannel(host, port),
    `${options.what ?? roleName(definition.name)} at ${address}`,
    options,
  )
  const methods = Object.entries(definition.methods).map(([name, method]) => {
    const path = `/${definition.fullName}/${method.name}`
    return [name, (request: never, callOptions: CallOptions) => caller.call(method, path, request, callOptions)]
  })
  return { service: Object.fromEntries(methods) as Service<D>, close: () => caller.close() }
}

/** `MasterService` -> `master`. `JobService` belongs to the job master. */
export function roleName(serviceName: string): string {
  return serviceName
    .replace(/^JobService$/, 'JobMasterService')
    .replace(/Service$/, '')
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase()
}

class Caller {
  readonly #channel: RawChannel
  readonly #peer: string
  readonly #options: ClientOptions
  readonly #logger: Logger
  readonly #writer = new MessageWriter()
  #closed = false

  constructor(channel: RawChannel, peer: string, options: ClientOptions) {
    this.#channel = channel
    this.#peer = peer
    this.#options = options
    this.#logger = options.logger ?? silentLogger
  }

  close(): void {
    this.#closed = true
    this.#channel.close()
  }

  async call(method: MethodDefinition, path: string, request: never, options: CallOptions): Promise<unknown> {
    const { clock, random } = this.#options
    const bytes = encoded(method, request, this.#writer)
    const deadlineMs = options.deadlineMs ?? this.#options.deadlineMs ?? deadlineDefaultMs
    const beganMs = clock.monotonicMs()
    const retryUntilMs = beganMs + Math.min(deadlineMs, this.#options.unavailableMs ?? deadlineMs)
    let unreachable: SkeinError | undefined
    for (let attempt = 1; ; attempt += 1) {
      if (options.signal.aborted) throw abortReason(options.signal)
      if (this.#closed) throw new SkeinError('cancelled', `the client of the ${this.#peer} is closed`)
      const leftMs = beganMs + deadlineMs - clock.monotonicMs()
      if (leftMs <= 0) throw unreachable ?? this.#late(method, deadlineMs)
      const outcome = await this.#channel.call(path, bytes, clock.nowMs() + leftMs, options.signal)
      if (outcome.status === grpcOk) return this.#decode(method, outcome.bytes)
      const error = this.#error(outcome, method, deadlineMs, options.signal)
      if (error.code === 'deadline_exceeded' && outcome.errorJson === undefined) throw unreachable ?? error
      if (error.code !== 'unavailable' || !error.retryable) throw error
      unreachable = error
      const pauseMs = Math.max(retryPauseMinMs, backoffMs(retryPolicy, attempt, random))
      if (clock.monotonicMs() + pauseMs >= retryUntilMs) throw error
      this.#logger.debug('retrying a call', { method: method.name, attempt, error: error.message })
      await clock.sleep(pauseMs, options.signal)
    }
  }

  #decode(method: MethodDefinition, bytes: Uint8Array): unknown {
    try {
      return method.responseType.decode(bytes)
    } catch (cause) {
      throw new SkeinError('internal', `the ${this.#peer} sent a malformed response to ${method.name}`, {
        cause,
      })
    }
  }

  #late(method: MethodDefinition, deadlineMs: number): SkeinError {
    return new SkeinError(
      'deadline_exceeded',
      `the ${this.#peer} did not respond to ${method.name} within ${Math.round(deadlineMs)} ms`,
    )
  }

  #error(outcome: RawOutcome, method: MethodDefinition, deadlineMs: number, signal: AbortSignal): SkeinError {
    if (signal.aborted) return abortReason(signal)
    const sent = outcome.errorJson === undefined ? undefined : errorFromText(outcome.errorJson)
    if (sent !== undefined) return sent
    const code = codeOfGrpcStatus(outcome.status)
    if (code === 'deadline_exceeded') return this.#late(method, deadlineMs)
    // The server reset the stream although nobody here cancelled it, so the server is gone.
    if (code === 'cancelled')
      return new SkeinError('unavailable', `the ${this.#peer} dropped ${method.name}`, { reason: 'connection_lost' })
    if (code === 'unavailable') {
      const system = /\bE[A-Z]{4,}\b/.exec(outcome.details)?.[0]
      return new SkeinError(
        'unavailable',
        `cannot reach the ${this.#peer}${system === undefined ? '' : ` (${system})`}`,
        {
          reason: 'unreachable',
        },
      )
    }
    const details = outcome.details.split('\n', 1)[0] ?? ''
    return new SkeinError(code, `${method.name} at the ${this.#peer} failed: ${details}`)
  }
}

/** @throws SkeinError invalid_argument for a value that its field cannot carry, such as 1.5 */
function encoded(method: MethodDefinition, request: never, writer: MessageWriter): Uint8Array {
  try {
    return writer.encode(method.requestType, request)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new SkeinError('invalid_argument', `the request of ${method.name} cannot be sent: ${why}`, { cause })
  }
}
