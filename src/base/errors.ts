// Why: one error class for all of Skein, so that one mapping to gRPC status, one retry rule and one
// exit-code rule are enough. How: a fixed set of codes (the names of gRPC), a machine-readable
// `reason` for cases that callers distinguish, and `retryable`, which is set where the error is
// created.

/** The fixed set of error codes. Each has exactly one gRPC status (wire/status.ts). */
export const errorCodes = [
  'invalid_argument',
  'not_found',
  'already_exists',
  'permission_denied',
  'unauthenticated',
  'failed_precondition',
  'resource_exhausted',
  'aborted',
  'unavailable',
  'deadline_exceeded',
  'cancelled',
  'data_loss',
  'unimplemented',
  'internal',
] as const
export type ErrorCode = (typeof errorCodes)[number]

export interface SkeinErrorOptions {
  /** A stable word that callers may check, such as `object_changed` or `no_capacity`. */
  readonly reason?: string | undefined
  /**
   * Whether the same call may succeed later. Default: true for `unavailable`, `deadline_exceeded`,
   * `aborted`.
   */
  readonly retryable?: boolean | undefined
  readonly cause?: unknown
}

const retryableByDefault: ReadonlySet<ErrorCode> = new Set(['unavailable', 'deadline_exceeded', 'aborted'])

/**
 * The only error class that Skein throws on purpose. `message` is one line: what is wrong and what
 * to do.
 */
export class SkeinError extends Error {
  override readonly name = 'SkeinError'
  readonly code: ErrorCode
  readonly reason: string | undefined
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: SkeinErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.reason = options.reason
    this.retryable = options.retryable ?? retryableByDefault.has(code)
  }
}

/**
 * Converts any thrown value: a SkeinError is returned, an AbortError becomes `cancelled`, and
 * anything else becomes `internal` with the value as its cause.
 */
export function toSkeinError(thrown: unknown): SkeinError {
  if (thrown instanceof SkeinError) return thrown
  if (thrown instanceof Error) {
    if (thrown.name === 'AbortError') {
      return thrown.cause instanceof SkeinError
        ? thrown.cause
        : new SkeinError('cancelled', 'the operation was cancelled', { cause: thrown })
    }
    return new SkeinError('internal', firstLine(thrown.message) || thrown.name, { cause: thrown })
  }
  return new SkeinError('internal', firstLine(String(thrown)))
}

/** Whether a thrown value is a SkeinError with this code (and reason, if given). */
export function isSkeinError(thrown: unknown, code: ErrorCode, reason?: string): thrown is SkeinError {
  return thrown instanceof SkeinError && thrown.code === code && (reason === undefined || thrown.reason === reason)
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
