// Why: scripts read the exit code, so each outcome has one, decided here and nowhere else.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { LoadStatus, PlanReport } from '../../wire/generated/job.ts'

export const exitCodes = {
  done: 0,
  failed: 1,
  notFound: 2,
  partial: 3,
  cancelled: 4,
  ruleBroken: 5,
  usage: 64,
} as const

/** What each says; docs/cli.md has them. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'Success. For a load: the audit found every replica of every block',
  failed: 'Failure, or the output could not be written',
  notFound: 'Not found. For a load: none of the requested files exists',
  partial:
    'Partial: some files could not be loaded; they are listed with the reason. ' +
    'Also if no requested name can be cached. `--plan` returns the exit code that the load would return',
  cancelled: 'Cancelled, or stopped by a signal',
  ruleBroken: '`tune check`: at least one setting breaks a tuning rule',
  usage: 'Usage: invalid option, argument or request',
}

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
  // Whoever refuses what was given, the command line itself or a master: it has to be written
  // otherwise. A file is no command.
  if (error.code === 'invalid_argument' && error.reason !== 'config') return exitCodes.usage
  if (error.code === 'not_found') return exitCodes.notFound
  if (error.code === 'cancelled') return exitCodes.cancelled
  return exitCodes.failed
}

type Ended = Pick<LoadStatus, 'state' | 'errorCode' | 'counts' | 'options'>

/** Of a load that has ended. */
export function exitCodeOfLoad(status: Ended): ExitCode {
  const { state } = status
  if (foundNothing(status)) return exitCodes.notFound
  if (state === 'COMPLETED') return exitCodes.done
  if (state === 'PARTIAL' || onlyUnusableFailed(status)) return exitCodes.partial
  if (state === 'CANCELLED') return exitCodes.cancelled
  return exitCodes.failed
}

/** Of what a plan says that the load would end as. */
export function exitCodeOfPlan({ files, filesFailing, failingCode = '' }: PlanReport, atomic: boolean): ExitCode {
  if (filesFailing === 0) return exitCodes.done
  const state = atomic || files === filesFailing ? 'FAILED' : 'PARTIAL'
  const counts = { filesFailed: filesFailing } as LoadStatus['counts']
  const options = { atomic } as LoadStatus['options']
  return exitCodeOfLoad({ state, errorCode: failingCode, counts, options })
}

/** Whether nothing that was asked for is there: no path of a list, no file that fits. */
export function foundNothing({ state, errorCode, counts }: Ended): boolean {
  if (state === 'FAILED') return errorCode === 'not_found'
  return state === 'COMPLETED' && (counts?.files ?? 0) === 0 && (counts?.filesExcluded ?? 0) > 0
}

/**
 * The load did all that can be done: the rest is named, and no other file was asked for. Of an
 * atomic load nothing is in.
 */
function onlyUnusableFailed({ state, errorCode, counts, options }: Ended): boolean {
  return (
    state === 'FAILED' &&
    errorCode === 'failed_precondition' &&
    (counts?.filesFailed ?? 0) > 0 &&
    options?.atomic !== true
  )
}
