// Why: a load that did not bring in everything is gone on with, not begun again. How: as a new load
// of the same request: what is cached counts as cached, so that only what is missing is read.
import { SkeinError } from '../../base/errors.ts'
import { formatLoadId, hasEnded, type LoadRecord } from '../../load/load.ts'
import type { SubmitLoadRequest } from '../../wire/generated/job.ts'
import { wireOptionsOf } from '../options/load-options.ts'

/**
 * The request that goes on with a load. @throws SkeinError failed_precondition when there is
 * nothing to go on with
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
