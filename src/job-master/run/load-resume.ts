// Why: an incomplete load can be continued instead of started again. How: a new load with the same
// request: cached files count as cached, so only missing files are read.
import { SkeinError } from '../../base/errors.ts'
import { formatLoadId, hasEnded, type LoadRecord } from '../../load/load.ts'
import type { SubmitLoadRequest } from '../../wire/generated/job.ts'
import { wireOptionsOf } from '../options/load-options.ts'

/**
 * Returns the request that continues a load.
 * @throws SkeinError failed_precondition when there is nothing to continue
 */
export function resumeRequest(load: LoadRecord): SubmitLoadRequest {
  const loadId = formatLoadId(load.loadId)
  if (!hasEnded(load.mode))
    throw new SkeinError(
      'failed_precondition',
      `load ${loadId} is running: follow it with 'skein job progress ${loadId} --watch'`,
      {
        reason: 'load_running',
      },
    )
  if (load.mode === 'COMPLETED')
    throw new SkeinError(
      'failed_precondition',
      `load ${loadId} is COMPLETED: nothing is missing; to load changes, load ${load.path} again`,
      {
        reason: 'load_completed',
      },
    )
  return {
    requestKey: '',
    path: load.path,
    options: { ...wireOptionsOf(load.options), resumedFrom: loadId },
    ...(load.indexId !== undefined && { indexId: load.indexId }),
  }
}
