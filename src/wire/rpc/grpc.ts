// Why: the only file that imports grpc-js. The rest of Skein uses bytes, a signal and a status.
// How: every method is registered with identity codecs, so that a malformed message is our error
// and not grpc's. An error is sent as a gRPC status with its JSON form (status.ts) in the trailing
// metadata `skein-error-bin`. Cancellation: a client's abort resets the stream, which aborts the
// handler's signal. The call's deadline does the same.
import {
  Client,
  credentials,
  logVerbosity,
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceError,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { SkeinError } from '../../base/errors.ts'
import type { Http2Server } from 'node:http2'
import { type AddressInfo, createServer, type Server as Listener } from 'node:net'
import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import { bindError, formatAddress } from '../address.ts'
import { defaultRpcLimits, type RpcLimits, RpcSessions } from './rpc-sessions.ts'
import { errorToJson, grpcOk, statusTable } from '../status.ts'
import { answerStream, type StreamMethod } from './grpc-streams.ts'

const errorKey = 'skein-error-bin'
/** grpc-message is for users of other tools. The JSON has the full message. */
const detailsCharactersMax = 200
export const messageBytesMax = 64 * 1024 * 1024

const bothSides = {
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
}

/**
 * The result of a call. `status` 0: `bytes` is the response. `errorJson` is set if the peer's
 * handler created the error.
 */
export interface RawOutcome {
  readonly status: number
  readonly details: string
  readonly errorJson: string | undefined
  readonly bytes: Uint8Array
}

export interface RawChannel {
  /**
   * Never rejects. `deadlineAtMs` is wall clock time. When the signal aborts, the call ends with
   * status 1.
   */
  call(path: string, request: Uint8Array, deadlineAtMs: number, signal: AbortSignal): Promise<RawOutcome>
  close(): void
}

/** A channel to one address. Connects at the first call, and reconnects as needed. */
export function openRawChannel(host: string, port: number): RawChannel {
  silenceLibrary()
  const client = new Client(formatAddress(host, port), credentials.createInsecure(), {
    ...bothSides,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    'grpc.dns_min_time_between_resolutions_ms': 1000,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
  })
  return {
    call: (path, request, deadlineAtMs, signal) =>
      new Promise((resolve) => {
        const finish = (error: ServiceError | null, bytes?: Buffer): void => {
          signal.removeEventListener('abort', cancel)
          resolve(
            error === null
              ? { status: grpcOk, details: '', errorJson: undefined, bytes: bytes ?? Buffer.alloc(0) }
              : failedOutcome(error),
          )
        }
        const call = client.makeUnaryRequest(
          path,
          asBuffer,
          identity,
          request,
          new Metadata(),
          { deadline: deadlineAtMs },
          finish,
        )
        const cancel = (): void => call.cancel()
        signal.addEventListener('abort', cancel, { once: true })
        if (signal.aborted) cancel()
      }),
    close: () => client.close(),
  }
}

function failedOutcome(error: ServiceError): RawOutcome {
  const value = error.metadata.get(errorKey)[0]
  return {
    status: error.code,
    details: error.details,
    errorJson: value === undefined ? undefined : value.toString(),
    bytes: Buffer.alloc(0),
  }
}

export interface RawCall {
  readonly request: Uint8Array
  readonly signal: AbortSignal
  /** Wall clock time; Infinity when the caller set no deadline. */
  readonly deadlineAtMs: number
}

export interface RawMethod {
  readonly name: string
  /** `/package.Service/Method` */
  readonly path: string
  /** Any thrown value becomes a status through errorToJson. */
  handle(call: RawCall): Promise<Uint8Array>
}

export interface RawServer {
  readonly port: number
  /** The resources of its connections and calls. */
  readonly sessions: Pick<RpcSessions, 'connections' | 'requestBytes' | 'turnedAway'>
  /** Accepts no new calls. Resolves when the running ones have ended. */
  drain(): Promise<void>
  /** Aborts the signals of the running calls, which then fail with this error. */
  abortCalls(error: SkeinError): void
  /** Closes all connections. */
  destroy(): void
}

export interface RawServerOptions {
  /** The role's name, for messages. */
  readonly what: string
  readonly host: string
  readonly port: number
  readonly services: readonly (readonly RawMethod[])[]
  /** Methods of other protocols. Those of one service are one array. */
  readonly streams?: readonly (readonly StreamMethod[])[]
  readonly concurrentStreamsMax: number
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly limits?: Partial<RpcLimits>
}

/**
 * Starts to listen. Port 0 picks a free one.
 * @throws SkeinError failed_precondition (`port_taken`, `cannot_listen`)
 */
export async function startRawServer(options: RawServerOptions): Promise<RawServer> {
  silenceLibrary()
  const limits = { ...defaultRpcLimits, ...options.limits }
  const server = new Server({
    ...bothSides,
    'grpc.max_concurrent_streams': options.concurrentStreamsMax,
    'grpc-node.max_session_memory': Math.ceil(limits.sessionBytesMax / 1024 ** 2),
    'grpc.max_connection_idle_ms': limits.idleMs,
    ...(limits.ageMaxMs > 0 ? { 'grpc.max_connection_age_ms': limits.ageMaxMs } : {}),
    'grpc.enable_channelz': 0,
  })
  const running = new Set<AbortController>()
  for (const methods of options.services) {
    const definition: Record<string, ReturnType<typeof methodDefinition>> = {}
    const implementation: UntypedServiceImplementation = {}
    for (const method of methods) {
      definition[method.name] = methodDefinition(method.path, false)
      implementation[method.name] = (call: ServerUnaryCall<Buffer, Uint8Array>, callback: sendUnaryData<Uint8Array>) =>
        void answer(method, call, callback, running)
    }
    server.addService(definition, implementation)
  }
  for (const methods of options.streams ?? []) {
    const definition: Record<string, ReturnType<typeof methodDefinition>> = {}
    const implementation: UntypedServiceImplementation = {}
    for (const method of methods) {
      definition[method.name] = methodDefinition(method.path, true)
      implementation[method.name] = (stream: ServerDuplexStream<Buffer, Uint8Array>) =>
        void answerStream(method, stream, running, new Metadata())
    }
    server.addService(definition, implementation)
  }
  const sessions = new RpcSessions(limits, options.clock)
  const listener = createServer({ noDelay: true })
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  listener.on(
    'connection',
    sessions.watch(http2ServerOf(server), (socket) => injector.injectConnection(socket)),
  )
  const port = await listen(listener, options)
  return {
    port,
    sessions,
    // The library closes its connections gracefully, but does not wait for those that were handed
    // over to it. The listener does.
    drain: async () => {
      const ended = new Promise<void>((resolve) => listener.close(() => resolve()))
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()))
      await ended
    },
    abortCalls: (error) => {
      for (const controller of running) controller.abort(error)
    },
    destroy: () => {
      listener.close()
      server.forceShutdown()
      sessions.destroy()
    },
  }
}

/**
 * The library creates this server and does not expose it. It is the only access to sessions and
 * streams.
 */
function http2ServerOf(server: Server): Http2Server {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> }
  const [first] = http2Servers?.keys() ?? []
  assert(first !== undefined, 'a gRPC server has an HTTP/2 server')
  return first
}

function methodDefinition(path: string, isStream: boolean) {
  return {
    path,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: asBuffer,
    requestDeserialize: identity,
    responseSerialize: asBuffer,
    responseDeserialize: identity,
  }
}

function listen(listener: Listener, options: RawServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void =>
      reject(bindError(options.what, options.host, options.port, error.code ?? error.message, error))
    listener.once('error', onError)
    listener.listen(options.port, options.host, () => {
      listener.off('error', onError)
      resolve((listener.address() as AddressInfo).port)
    })
  })
}

async function answer(
  method: RawMethod,
  call: ServerUnaryCall<Buffer, Uint8Array>,
  callback: sendUnaryData<Uint8Array>,
  running: Set<AbortController>,
): Promise<void> {
  const controller = new AbortController()
  const deadline = call.getDeadline()
  const deadlineAtMs = typeof deadline === 'number' ? deadline : deadline.getTime()
  call.on('cancelled', () =>
    controller.abort(new SkeinError('cancelled', `${method.name} was cancelled by its caller or its deadline`)),
  )
  running.add(controller)
  try {
    callback(null, await method.handle({ request: call.request, signal: controller.signal, deadlineAtMs }))
  } catch (thrown) {
    const json = errorToJson(thrown)
    const metadata = new Metadata()
    metadata.set(errorKey, Buffer.from(JSON.stringify(json)))
    callback({
      code: statusTable[json.code].grpc,
      details: json.message.slice(0, detailsCharactersMax).toWellFormed(),
      metadata,
    })
  } finally {
    running.delete(controller)
  }
}

/**
 * grpc-js writes free text to stderr, where our log lines are. Everything that it logs is also
 * reported as an error.
 */
function silenceLibrary(): void {
  setLogVerbosity(logVerbosity.NONE)
}

function identity(bytes: Buffer): Buffer {
  return bytes
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
