// Why: an error means the same on both sides of the network. How: one table from code to gRPC and
// HTTP status, and one small JSON form that carries what a status cannot (code, reason, retryable,
// message). No stack and no cause ever travels.
import { type ErrorCode, errorCodes, SkeinError, toSkeinError } from '../base/errors.ts'

interface WireStatus {
  /** google.rpc.Code (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md) */
  readonly grpc: number
  readonly http: number
}

export const grpcOk = 0
/**
 * An error's message is cut to this many characters on the wire, so that it always fits in headers.
 */
const messageCharactersMax = 2000

/** The one table of codes; every gRPC status is used once. */
export const statusTable: Readonly<Record<ErrorCode, WireStatus>> = {
  cancelled: { grpc: 1, http: 499 },
  invalid_argument: { grpc: 3, http: 400 },
  deadline_exceeded: { grpc: 4, http: 504 },
  not_found: { grpc: 5, http: 404 },
  already_exists: { grpc: 6, http: 409 },
  permission_denied: { grpc: 7, http: 403 },
  resource_exhausted: { grpc: 8, http: 507 },
  failed_precondition: { grpc: 9, http: 412 },
  aborted: { grpc: 10, http: 409 },
  unimplemented: { grpc: 12, http: 501 },
  internal: { grpc: 13, http: 500 },
  unavailable: { grpc: 14, http: 503 },
  data_loss: { grpc: 15, http: 500 },
  unauthenticated: { grpc: 16, http: 401 },
}

/** An error as JSON, in gRPC's trailing metadata and in the data plane's bodies. */
export interface ErrorJson {
  readonly code: ErrorCode
  readonly reason?: string
  readonly retryable: boolean
  readonly message: string
}

/** What may be told of any thrown value: one line, no stack. */
export function errorToJson(thrown: unknown): ErrorJson {
  const error = toSkeinError(thrown)
  const message = error.message
    .toWellFormed()
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .slice(0, messageCharactersMax)
  return {
    code: error.code,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
    retryable: error.retryable,
    message,
  }
}

/**
 * The inverse of errorToJson; undefined when the value has another shape (the sender was not ours).
 */
export function errorFromJson(value: unknown): SkeinError | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { code, reason, retryable, message } = value as Record<string, unknown>
  if (!isErrorCode(code) || typeof retryable !== 'boolean' || typeof message !== 'string') return undefined
  return new SkeinError(code, message, { retryable, reason: typeof reason === 'string' ? reason : undefined })
}

/** errorFromJson for the JSON's text; undefined when it is no JSON either. */
export function errorFromText(text: string): SkeinError | undefined {
  try {
    return errorFromJson(JSON.parse(text))
  } catch {
    return undefined
  }
}

/**
 * The code of a bare gRPC status, for statuses that grpc itself made. OUT_OF_RANGE is
 * invalid_argument, UNKNOWN and the rest are internal.
 */
export function codeOfGrpcStatus(grpc: number): ErrorCode {
  if (grpc === 11) return 'invalid_argument'
  return errorCodes.find((code) => statusTable[code].grpc === grpc) ?? 'internal'
}

function isErrorCode(value: unknown): value is ErrorCode {
  return errorCodes.some((code) => code === value)
}
