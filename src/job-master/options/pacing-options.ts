// Why: the options that pace a load are text and numbers from outside; what cannot be is refused
// before the load is written down. How: each is read once here, as it will be read later.
import { parseBandwidth } from '../../base/flow/bandwidth.ts'
import { SkeinError } from '../../base/errors.ts'
import { parseFailureLimit } from '../../load/plan/failure-limit.ts'
import type { LoadOptions } from '../../load/load.ts'
import type { LoadOptions as WireLoadOptions } from '../../wire/generated/job.ts'

const priorityMax = 100

/** The options that were given, checked. @throws SkeinError invalid_argument, one line */
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
