// Why: a program begins, follows and cancels loads, which run in the job master. How: calls of its
// service, in the words of the library.
import { type Clock, neverAborted } from '../base/clock.ts'
import type { SkeinError } from '../base/errors.ts'
import type { JobServiceDefinition, LoadStatus } from '../wire/generated/job.ts'
import type { Service } from '../wire/service.ts'
import { eachUnlessAborted, unlessAborted } from './aborted-calls.ts'
import type { FailedFile, FileLoads, LoadOptions, LoadProgress } from './file-loads.ts'
import type { CallSignal } from './file-system.ts'
import { checkOptions, checkPath } from './given-options.ts'
import { loadFiles, loadLooks, lookDeadlineMs } from './load-looks.ts'

const pollMsMax = 1000
const pollShare = 0.05

export interface JobMasterLoadsOptions {
  readonly jobs: Pick<Service<JobServiceDefinition>, 'submitLoad' | 'getLoad' | 'listLoadFiles' | 'cancelLoad'>
  /** Maximum tasks of a load at once. */
  readonly activeJobs: number
  readonly uniqueId: () => string
  readonly clock: Clock
}

export class JobMasterLoads implements FileLoads {
  readonly #options: JobMasterLoadsOptions

  constructor(options: JobMasterLoadsOptions) {
    this.#options = options
  }

  async load(path: string, options: LoadOptions = {}): Promise<string> {
    checkPath(path)
    checkOptions('load', options)
    const { jobs, activeJobs, uniqueId } = this.#options
    const { signal = neverAborted(), replication, include = [], exclude = [], ...flags } = options
    const request = {
      requestKey: uniqueId(),
      path,
      options: {
        ...{ ...flags, activeJobs, batchSize: 0, replication: replication ?? 1 },
        ...(replication === undefined && { keepReplication: true }),
        ...(include.length + exclude.length > 0 && { selection: { include: [...include], exclude: [...exclude] } }),
      },
    }
    return await unlessAborted(options, async () => (await jobs.submitLoad(request, { signal })).loadId)
  }

  async *follow(loadId: string, options: CallSignal = {}): AsyncGenerator<LoadProgress, void, undefined> {
    checkPath(loadId)
    checkOptions('call', options)
    yield* eachUnlessAborted(options, this.#follow(loadId, options.signal ?? neverAborted()))
  }

  async *failedFiles(loadId: string, options: CallSignal = {}): AsyncGenerator<readonly FailedFile[], void, undefined> {
    checkPath(loadId)
    checkOptions('call', options)
    yield* eachUnlessAborted(options, this.#failedFiles(loadId, options.signal ?? neverAborted()))
  }

  async cancelLoad(loadId: string, options: CallSignal = {}): Promise<void> {
    checkPath(loadId)
    checkOptions('call', options)
    const { signal = neverAborted() } = options
    await unlessAborted(options, () => this.#options.jobs.cancelLoad({ loadId }, { signal }))
  }

  async *#follow(loadId: string, signal: AbortSignal): AsyncGenerator<LoadProgress, void, undefined> {
    const { jobs, clock } = this.#options
    let last = ''
    const look = async (): Promise<LoadProgress> =>
      progressOf(await jobs.getLoad({ loadId }, { signal, deadlineMs: lookDeadlineMs }))
    const isAway = ({ retryable }: SkeinError): boolean => retryable
    for await (const progress of loadLooks({ clock, look, pollMsMax, pollShare, isAway }, signal)) {
      const text = JSON.stringify(progress)
      if (text !== last) yield progress
      last = text
    }
  }

  async *#failedFiles(loadId: string, signal: AbortSignal): AsyncGenerator<readonly FailedFile[], void, undefined> {
    for await (const files of loadFiles(this.#options.jobs, loadId, true, signal))
      if (files.length > 0) yield files.map(({ path, reason }) => ({ path, reason }))
  }
}

function progressOf(status: LoadStatus): LoadProgress {
  const { loadId, path, state, counts, listingDone, endedMs, reason } = status
  return {
    loadId,
    path,
    state: state as LoadProgress['state'],
    hasEnded: endedMs > 0,
    isListed: listingDone,
    files: counts?.files ?? 0,
    bytes: counts?.bytes ?? 0,
    filesCached: counts?.filesCached ?? 0,
    filesLoaded: counts?.filesLoaded ?? 0,
    filesFailed: counts?.filesFailed ?? 0,
    bytesCached: counts?.bytesCached ?? 0,
    bytesLoaded: counts?.bytesLoaded ?? 0,
    reason,
  }
}
