// Why: a role's control plane is one typed object, so that a caller does not need to know whether
// the role is remote or in its own process. How: derived from the generated definitions. Every call
// is unary.
import type { BinaryWriter } from '@bufbuild/protobuf/wire'

/** The shape of the generated `...ServiceDefinition` constants. */
export interface ServiceDefinition {
  readonly name: string
  readonly fullName: string
  readonly methods: Readonly<Record<string, MethodDefinition>>
}
export interface MethodDefinition {
  readonly name: string
  readonly requestType: MessageType
  readonly responseType: MessageType
}
/** The codecs of all messages have no common T. `never` in and `unknown` out is their supertype. */
export interface MessageType {
  encode(message: never, writer?: BinaryWriter): { finish(): Uint8Array }
  decode(input: Uint8Array): unknown
}

export interface CallOptions {
  readonly signal: AbortSignal
  /** Deadline of the call, retries included. Default: the deadline of the channel. */
  readonly deadlineMs?: number
}

type Request<M extends MethodDefinition> = ReturnType<M['requestType']['decode']>
type Response<M extends MethodDefinition> = ReturnType<M['responseType']['decode']>

/**
 * A service by its definition: an object with one async function per method. Throws only
 * SkeinErrors. Each role implements it; wire/rpc/channel.ts creates one for remote calls.
 */
export type Service<D extends ServiceDefinition> = {
  readonly [M in keyof D['methods']]: (
    request: Request<D['methods'][M]>,
    options: CallOptions,
  ) => Promise<Response<D['methods'][M]>>
}
