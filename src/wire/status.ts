// Why: an error has the same meaning on both sides of the network. How: one table from code to gRPC
// and HTTP status, and one small JSON form for the fields that a status does not have (code,
// reason, retryable, message). Stacks and causes are never sent.
import { type ErrorCode, errorCodes, SkeinError, toSkeinError } from '../base/errors.ts'

interface WireStatus {
  /** google.rpc.Code (https://github.com/grpc/grpc/blob/master/doc/statuscodes.md) */
  readonly grpc: number
  readonly http: number
}

export const grpcOk = 0
/**
 * Messages are truncated to this many characters on the wire, so that they always fit into headers.
 */
const messageCharactersMax = 2000

/** The table of codes. Every gRPC status is used once. */
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

/** The parts of a thrown value that may be sent: one line, no stack. */
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
 * The inverse of errorToJson; undefined when the value has another form (the sender is not Skein).
 */
export function errorFromJson(value: unknown): SkeinError | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { code, reason, retryable, message } = value as Record<string, unknown>
  if (!isErrorCode(code) || typeof retryable !== 'boolean' || typeof message !== 'string') return undefined
  return new SkeinError(code, message, { retryable, reason: typeof reason === 'string' ? reason : undefined })
}

/** errorFromJson for JSON text; undefined when it is not JSON. */
export function errorFromText(text: string): SkeinError | undefined {
  try {
    return errorFromJson(JSON.parse(text))
  } catch {
    return undefined
  }
}

/**
 * The code of a gRPC status without our JSON, which grpc itself created. OUT_OF_RANGE becomes
 * invalid_argument; UNKNOWN and the rest become internal.
 */
export function codeOfGrpcStatus(grpc: number): ErrorCode {
  if (grpc === 11) return 'invalid_argument'
  return errorCodes.find((code) => statusTable[code].grpc === grpc) ?? 'internal'
}

function isErrorCode(value: unknown): value is ErrorCode {
  return errorCodes.some((code) => code === value)
}
