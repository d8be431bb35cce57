// Why: every service of GooseFS is served in one manner: decoded, with the caller's name, answered,
// its errors as statuses. How: a service is a table of handlers by the generated definition; what
// is not in it does not exist, and the library answers UNIMPLEMENTED with its name. On the wire a
// call of one message is a stream of one.
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { StreamCall, StreamMethod } from '../wire/rpc/grpc-streams.ts'
import type { MethodDefinition, ServiceDefinition } from '../wire/service.ts'
import type { ChannelSessions } from './session/channel-sessions.ts'

/** A caller, and the call. */
export interface NativeCall {
  /** The name that the client gave; undefined: none. Nothing proves it. */
  readonly user: string | undefined
  readonly signal: AbortSignal
  /** Sends the headers of the answer: a client waits only so long for them. */
  begin(): void
}

export interface NativeServiceParts {
  /** Undefined: callers need no session. */
  readonly sessions: ChannelSessions | undefined
  readonly logger: Logger
}

type Request<M extends MethodDefinition> = ReturnType<M['requestType']['decode']>
type Response<M extends MethodDefinition> = ReturnType<M['responseType']['decode']>

/** One answer. */
export type Unary<M extends MethodDefinition> = (request: Request<M>, call: NativeCall) => Promise<Response<M>>
/** Several answers. `send` resolves when more may be sent. */
export type Streamed<M extends MethodDefinition> = (
  request: Request<M>,
  call: NativeCall,
  send: (response: Response<M>) => Promise<void>,
) => Promise<void>
/** Several requests. `sendRaw` delivers an encoded message (StreamCall.deliver). */
export type Bidirectional<M extends MethodDefinition> = (
  requests: AsyncIterable<Request<M>>,
  call: NativeCall,
  send: (response: Response<M>) => Promise<void>,
  sendRaw: (message: Uint8Array) => Promise<void>,
) => Promise<void>

type Handler<M> = M extends MethodDefinition & { readonly requestStream: true }
  ? Bidirectional<M>
  : M extends MethodDefinition & { readonly responseStream: true }
    ? Streamed<M>
    : M extends MethodDefinition
      ? Unary<M>
      : never

/** The handlers of a service. Methods without one are not implemented. */
export type NativeHandlers<D extends ServiceDefinition> = {
  readonly [M in keyof D['methods']]?: Handler<D['methods'][M]>
}

type NativeMethod = MethodDefinition & { readonly requestStream: boolean; readonly responseStream: boolean }

/** A request of a call with one: paths, options, ids. */
const requestBytesMax = 4 * 1024 ** 2
/** A message of a stream: a chunk of a block. */
const messageBytesMax = 32 * 1024 ** 2

export function nativeService<D extends ServiceDefinition>(
  definition: D,
  handlers: NativeHandlers<D>,
  parts: NativeServiceParts,
): StreamMethod[] {
  return Object.entries(handlers).map(([key, handler]) => {
    const method = definition.methods[key] as NativeMethod
    return {
      name: method.name,
      path: `/${definition.fullName}/${method.name}`,
      answer: (call) => answer(method, handler as Bidirectional<NativeMethod>, call, parts),
    }
  })
}

async function answer(
  method: NativeMethod,
  handler: unknown,
  stream: StreamCall,
  { sessions, logger }: NativeServiceParts,
): Promise<void> {
  const encode = (response: unknown): Uint8Array => method.responseType.encode(response as never).finish()
  const send = (response: unknown): Promise<void> => stream.send(encode(response))
  try {
    const user = sessions?.userOf(stream.metadata('channel-id'))
    const call: NativeCall = { user, signal: stream.signal, begin: () => stream.begin() }
    if (method.requestStream) {
      const requests = decoded(method, stream)
      return await (handler as Bidirectional<NativeMethod>)(requests, call, send, (message) => stream.deliver(message))
    }
    const request = await only(method, stream)
    if (method.responseStream) return await (handler as Streamed<NativeMethod>)(request, call, send)
    await send(await (handler as Unary<NativeMethod>)(request, call))
  } catch (thrown) {
    const error = toSkeinError(thrown)
    // With a reason it is what the protocol asks for.
    if (error.code === 'internal' && error.reason === undefined)
      logger.error('a call failed', { method: method.name, error: error.cause ?? error })
    else logger.debug('a call was refused', { method: method.name, code: error.code, error: error.message })
    throw thrown
  }
}

async function only(method: NativeMethod, { requests }: StreamCall): Promise<Request<NativeMethod>> {
  for await (const bytes of requests) return decode(method, bytes, requestBytesMax)
  throw new SkeinError('invalid_argument', `${method.name} needs a request`)
}

async function* decoded(method: NativeMethod, { requests }: StreamCall): AsyncGenerator {
  for await (const bytes of requests) yield decode(method, bytes, messageBytesMax)
}

function decode(method: NativeMethod, bytes: Uint8Array, bytesMax: number): Request<NativeMethod> {
  if (bytes.length > bytesMax)
    throw new SkeinError(
      'invalid_argument',
      `a request of ${method.name} has ${bytes.length} bytes, ${bytesMax} at most`,
    )
  try {
    return method.requestType.decode(bytes)
  } catch (cause) {
    throw new SkeinError('invalid_argument', `a request of ${method.name} is malformed`, { cause })
  }
}
