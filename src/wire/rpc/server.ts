// Why: serves a role's services on a port. How: decodes, calls the role's Service object, encodes.
// Errors become statuses. Close: accepts no new calls; running ones get `graceMs`; then their
// signals abort with `unavailable`, so that clients retry elsewhere or later.
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { formatAddress } from '../address.ts'
import { limitsOf } from '../limits/all-limits.ts'
import type { ServiceLimits } from '../limits/service-limits.ts'
import { type RawCall, type RawChannel, type RawMethod, type RawServer, startRawServer } from './grpc.ts'
import type { StreamMethod } from './grpc-streams.ts'
import { LocalChannel } from './local-channel.ts'
import { MessageWriter } from './message-writer.ts'
import type { RpcLimits } from './rpc-sessions.ts'
import type { CallOptions, MethodDefinition, Service, ServiceDefinition } from '../service.ts'

/** One service to serve. Created by `serving`, which checks that the types match. */
export interface ServedService {
  readonly definition: ServiceDefinition
  readonly service: Readonly<Record<string, (request: never, options: CallOptions) => Promise<unknown>>>
}

/** Pairs a definition with its implementation. */
export function serving<D extends ServiceDefinition>(definition: D, service: Service<D>): ServedService {
  return { definition, service }
}

export interface ServerOptions {
  /** The role's name, for messages. Default `server`. */
  readonly what?: string
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  readonly services: readonly ServedService[]
  /** Methods of other protocols on the same port. Those of one service are one array. */
  readonly streams?: readonly (readonly StreamMethod[])[]
  readonly logger: Logger
  readonly clock: Clock
  /** Maximum calls in flight per connection. Default 1,000. */
  readonly concurrentStreamsMax?: number
  /** Limits for its clients. */
  readonly limits?: Partial<RpcLimits>
}

export interface RunningServer {
  /** `host:port` on which it listens. */
  readonly address: string
  readonly port: number
  /** The resources of its connections and calls. */
  readonly sessions: RawServer['sessions']
  /** For clients in this process: the same methods without a socket. */
  readonly channel: RawChannel
  close(graceMs: number): Promise<void>
}

const concurrentStreamsMaxDefault = 1000
/** Time in which aborted calls can send their response. */
const lastWordsMs = 100

/** Starts to serve. @throws SkeinError failed_precondition when the port is in use */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const what = options.what ?? 'server'
  const services = options.services.map((served) => methodsOf(served, options))
  const raw = await startRawServer({
    what,
    host: options.host,
    port: options.port,
    concurrentStreamsMax: options.concurrentStreamsMax ?? concurrentStreamsMaxDefault,
    clock: options.clock,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    services,
    ...(options.streams === undefined ? {} : { streams: options.streams }),
  })
  const channel = new LocalChannel(services.flat(), options.clock)
  let closing: Promise<void> | undefined
  return {
    address: formatAddress(options.host, raw.port),
    port: raw.port,
    sessions: raw.sessions,
    channel,
    close: (graceMs) => (closing ??= close({ raw, channel, what }, options.clock, graceMs)),
  }
}

function methodsOf({ definition, service }: ServedService, options: ServerOptions): RawMethod[] {
  const limits = limitsOf(definition)
  const writer = new MessageWriter()
  return Object.entries(definition.methods).map(([key, method]) => ({
    name: method.name,
    path: `/${definition.fullName}/${method.name}`,
    handle: (call) => handle(service, limits, key, method, call, writer, options),
  }))
}

async function handle(
  service: ServedService['service'],
  limits: ServiceLimits,
  key: string,
  method: MethodDefinition,
  call: RawCall,
  writer: MessageWriter,
  { clock, logger }: ServerOptions,
): Promise<Uint8Array> {
  const bytesMax = limits[key]?.bytesMax ?? Number.POSITIVE_INFINITY
  if (call.request.length > bytesMax)
    throw new SkeinError(
      'invalid_argument',
      `the request of ${method.name} has ${call.request.length} bytes, ${bytesMax} at most`,
    )
  const request = decode(method, call.request)
  const leftMs = call.deadlineAtMs - clock.nowMs()
  try {
    // Called as a method, so that an implementation may be a class.
    const response = await service[key]?.(request, {
      signal: call.signal,
      ...(Number.isFinite(leftMs) ? { deadlineMs: Math.max(1, leftMs) } : {}),
    })
    if (response === undefined) throw new SkeinError('unimplemented', `${method.name} is not implemented here`)
    return writer.encode(method.responseType, response as never)
  } catch (thrown) {
    if (call.signal.aborted && isSkeinError(call.signal.reason, 'unavailable')) throw call.signal.reason
    const error = toSkeinError(thrown)
    if (error.code === 'internal') logger.error('a call failed', { method: method.name, error: error.cause ?? error })
    else
      logger.debug('a call was refused', {
        method: method.name,
        code: error.code,
        reason: error.reason,
        error: error.message,
      })
    throw error
  }
}

function decode(method: MethodDefinition, bytes: Uint8Array): never {
  try {
    return method.requestType.decode(bytes) as never
  } catch (cause) {
    throw new SkeinError('invalid_argument', `the request of ${method.name} is malformed`, { cause })
  }
}

async function close(
  { raw, channel, what }: { readonly raw: RawServer; readonly channel: LocalChannel; readonly what: string },
  clock: Clock,
  graceMs: number,
): Promise<void> {
  const destroyed = Promise.withResolvers<void>()
  const cancels = [
    clock.schedule(graceMs, () => {
      const stopping = new SkeinError('unavailable', `the ${what} is stopping`, { reason: 'stopping' })
      raw.abortCalls(stopping)
      channel.abortCalls(stopping)
    }),
    clock.schedule(graceMs + lastWordsMs, () => {
      raw.destroy()
      // Do not wait for `drained`: a peer that never closes its end would block it forever.
      destroyed.resolve()
    }),
  ]
  await Promise.race([Promise.all([raw.drain(), channel.drain()]), destroyed.promise])
  for (const cancel of cancels) cancel()
}
