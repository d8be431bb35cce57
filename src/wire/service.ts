// Why: a role's control plane as one typed object, so that a caller does not know whether the role
// is across the network or in its own process. How: derived from the generated definitions; every
// call is unary.

/** The shape of the generated `...ServiceDefinition` constants. */
export interface ServiceDefinition {
  readonly name: string
  readonly fullName: string
  readonly methods: Readonly<Record<string, MethodDefinition>>
}
export interface MethodDefinition {
  readonly name: string
  // The codecs of all methods in one map have no common T; `never` in and `unknown` out is their
  // supertype.
  readonly requestType: { encode(message: never): { finish(): Uint8Array }; decode(input: Uint8Array): unknown }
  readonly responseType: { encode(message: never): { finish(): Uint8Array }; decode(input: Uint8Array): unknown }
}

export interface CallOptions {
  readonly signal: AbortSignal
  /** How long the call may take in all, retries included. Default: the channel's. */
  readonly deadlineMs?: number
}

type Request<M extends MethodDefinition> = ReturnType<M['requestType']['decode']>
type Response<M extends MethodDefinition> = ReturnType<M['responseType']['decode']>

/**
 * A service by its definition: an object with one async function a method. Throws SkeinError only.
 * Implemented by each role; wire/rpc/channel.ts makes one that calls across the network.
 */
export type Service<D extends ServiceDefinition> = {
  readonly [M in keyof D['methods']]: (
    request: Request<D['methods'][M]>,
    options: CallOptions,
  ) => Promise<Response<D['methods'][M]>>
}
