// Why: scripts read the exit code, so each outcome has one, decided here and nowhere else.
import { SkeinError, toSkeinError } from '../base/errors.ts'

export const exitCodes = { done: 0, failed: 1, notFound: 2, partial: 3, cancelled: 4, usage: 64 } as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Wrong use of the command line: exit code 64. */
export function usageError(message: string): SkeinError {
  return new SkeinError('invalid_argument', message, { reason: 'usage' })
}

/** What `read` gives; its refusal becomes wrong use of the command line, with `prefix` in front. */
export function asUsage<T>(prefix: string, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    throw usageError(`${prefix}${toSkeinError(thrown).message}`)
  }
}

export function exitCodeOfError(error: SkeinError): ExitCode {
  // Whoever refuses what was given, the command line itself or a master: it has to be written otherwise. A file is no command.
  if (error.code === 'invalid_argument' && error.reason !== 'config') return exitCodes.usage
  if (error.code === 'not_found') return exitCodes.notFound
  if (error.code === 'cancelled') return exitCodes.cancelled
  return exitCodes.failed
}

/** Of a load that has ended. */
export function exitCodeOfLoad(state: string): ExitCode {
  if (state === 'COMPLETED') return exitCodes.done
  if (state === 'PARTIAL') return exitCodes.partial
  if (state === 'CANCELLED') return exitCodes.cancelled
  return exitCodes.failed
}
