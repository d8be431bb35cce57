// Why: the pacing options of a load arrive as text and numbers. Invalid values are refused before
// the load is journaled. How: each is parsed here once.
import { parseBandwidth } from '../../base/flow/bandwidth.ts'
import { SkeinError } from '../../base/errors.ts'
import { parseFailureLimit } from '../../load/plan/failure-limit.ts'
import type { LoadOptions } from '../../load/load.ts'
import type { LoadOptions as WireLoadOptions } from '../../wire/generated/job.ts'

const priorityMax = 100

/**
 * Checks the given options.
 * @throws SkeinError invalid_argument, one line
 */
export function pacingOptions(
  given: Pick<WireLoadOptions, 'bandwidth' | 'priority' | 'maxFailures'> | undefined,
): Pick<LoadOptions, 'bandwidth' | 'priority' | 'maxFailures'> {
  const { bandwidth = '', priority, maxFailures = '' } = given ?? {}
  parseBandwidth(bandwidth, '--bandwidth')
  parseFailureLimit(maxFailures)
  if (priority !== undefined && (!Number.isInteger(priority) || priority < 1 || priority > priorityMax))
    throw new SkeinError('invalid_argument', `--priority ${priority}: must be a whole number from 1 to ${priorityMax}`)
  return {
    ...(bandwidth.trim() !== '' && { bandwidth: bandwidth.trim() }),
    ...(priority !== undefined && { priority }),
    ...(maxFailures.trim() !== '' && { maxFailures: maxFailures.trim() }),
  }
}
