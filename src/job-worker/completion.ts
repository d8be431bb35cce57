// Why: a lost completion report would lose the work of a set. A job master that restarts must still
// get it. How: the report is sent until it is accepted, or until the job master says that it does
// not need it. The job master records sets by id and does not count reports, so a report that
// arrives twice is harmless.
import { abortReason, type Clock, type Random } from '../base/clock.ts'
import { toSkeinError } from '../base/errors.ts'
import { backoffMs, type RetryPolicy } from '../base/flow/retry.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { CompleteSetRequest, JobServiceDefinition } from '../wire/generated/job.ts'
import type { Service } from '../wire/service.ts'
import type { JobMasterLink } from './job-master-link.ts'

export interface CompletionOptions {
  readonly jobMaster: Pick<Service<JobServiceDefinition>, 'completeSet'>
  readonly link: Pick<JobMasterLink, 'session' | 'replaceIfLost'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

const policy: RetryPolicy = { attemptsMax: Number.POSITIVE_INFINITY, initialMs: 100, maxMs: 5000 }
/**
 * Limit for errors that mean neither "retry later" nor "not needed". After so many the job master's
 * own repair handles the set.
 */
const unexpectedErrorsMax = 10

/**
 * Reports a set. Waits as long as the job master is unreachable.
 * @returns `acked`, or `dropped` when the job master does not need the set
 * @throws the signal's reason
 */
export async function completeSet(
  report: Omit<CompleteSetRequest, 'session'>,
  options: CompletionOptions,
  signal: AbortSignal,
): Promise<'acked' | 'dropped'> {
  const { jobMaster, link, clock, random, logger } = options
  let unexpectedErrors = 0
  for (let attempt = 1; ; attempt += 1) {
    const { session } = link
    try {
      await jobMaster.completeSet({ ...report, session }, { signal })
      return 'acked'
    } catch (thrown) {
      if (signal.aborted) throw abortReason(signal)
      const error = toSkeinError(thrown)
      const fields = { load: report.loadId, set: report.set, error: error.message }
      const refused =
        error.code === 'not_found' ||
        (error.code === 'failed_precondition' && !(await link.replaceIfLost(session, signal)))
      if (!error.retryable && error.code !== 'failed_precondition') unexpectedErrors += 1
      if (refused || unexpectedErrors >= unexpectedErrorsMax) {
        logger.info('the job master does not need the report of a finished set', fields)
        return 'dropped'
      }
      logger.debug('retrying the report of a finished set', fields)
    }
    await clock.sleep(backoffMs(policy, attempt, random), signal)
  }
}
