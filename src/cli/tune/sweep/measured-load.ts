// Why: loads are compared only if each of them reads all files. How: what is cached is dropped, the
// load is submitted and followed to its end, and its own counts and times are taken, not those of
// whoever follows. A load that found something in the cache, or did not complete, is no
// measurement.
import { isSkeinError } from '../../../base/errors.ts'
import type { Cluster } from '../../../client/cluster.ts'
import { loadLooks, lookDeadlineMs } from '../../../client/load-looks.ts'
import type { SweepRun } from '../../../tuning/sweep-state.ts'
import type { LoadStatus } from '../../../wire/generated/job.ts'
import type { CommandContext } from '../../frame/context.ts'

export interface MeasuredLoadOptions {
  readonly activeJobs: number
  /** 0: by size. */
  readonly batchSize: number
  /** Nothing can be cached: nothing is freed before. */
  readonly isFresh: boolean
}

/**
 * @throws what the cluster throws; when it is stopped, the load is cancelled, and the signal's
 *   reason thrown
 */
export async function measuredLoad(
  { clock, signal, uniqueId }: Pick<CommandContext, 'clock' | 'signal' | 'uniqueId'>,
  cluster: Cluster,
  path: string,
  { isFresh, ...options }: MeasuredLoadOptions,
): Promise<Omit<SweepRun, 'point' | 'round'>> {
  if (!isFresh) await cluster.files.free(path, { signal })
  const jobs = cluster.jobMaster()
  const request = { requestKey: uniqueId(), path, options: { replication: 1, keepReplication: true, ...options } }
  const { loadId } = await jobs.submitLoad(request, { signal })
  try {
    const looks = loadLooks(
      {
        clock,
        look: async () => {
          const status = await jobs.getLoad({ loadId }, { signal, deadlineMs: lookDeadlineMs })
          return { status, hasEnded: status.endedMs !== 0 }
        },
        ...{ pollMsMax: 1000, pollShare: 0.05 },
        isAway: (error) => error.retryable,
      },
      signal,
    )
    let last: LoadStatus | undefined
    for await (const { status } of looks) last = status
    return figuresOf(last)
  } catch (thrown) {
    const never = new AbortController().signal
    if (signal.aborted)
      await jobs.cancelLoad({ loadId }, { signal: never, deadlineMs: lookDeadlineMs }).catch(() => undefined)
    throw thrown
  }
}

function figuresOf(status: LoadStatus | undefined): Omit<SweepRun, 'point' | 'round'> {
  const { counts, startedMs = 0, endedMs = 0, state = '' } = status ?? {}
  return {
    seconds: Math.max(0, endedMs - startedMs) / 1000,
    bytes: counts?.bytesLoaded ?? 0,
    files: counts?.filesLoaded ?? 0,
    failed: counts?.filesFailed ?? 0,
    retried: counts?.tasksRetried ?? 0,
    problem: problemOf(state, status),
  }
}

function problemOf(state: string, status: LoadStatus | undefined): string {
  const cached = status?.counts?.filesCached ?? 0
  if (state !== 'COMPLETED' && state !== 'PARTIAL') return `the load is ${state}: ${status?.reason ?? ''}`
  return cached > 0 ? `${cached} files were in the cache: pinned, or loaded by somebody else meanwhile` : ''
}

/** Whether a point has such an error of its own: the sweep goes on with the next one. */
export function isOfPoint(thrown: unknown): boolean {
  return isSkeinError(thrown, 'failed_precondition') || isSkeinError(thrown, 'invalid_argument')
}
