// Why: whoever watches a load, a program or the command line, asks about it in the same way. How:
// it is looked at often at first and less often later, until it has ended; a job master that is
// away for a while is waited for. The files of a load come page by page.
import { type Clock, throwIfAborted } from '../base/clock.ts'
import { type SkeinError, toSkeinError } from '../base/errors.ts'
import type { JobServiceDefinition, LoadFile } from '../wire/generated/job.ts'
import type { Service } from '../wire/service.ts'

/** Time for one answer. */
export const lookDeadlineMs = 5000
const pollMsMin = 50
/** How long the job master may be away. */
const awayMsMax = 120_000
const filesPerPage = 1000

export interface LoadLooks<Look> {
  readonly clock: Clock
  readonly look: () => Promise<Look>
  readonly pollMsMax: number
  /** Pause between two looks, as a share of the time since the first. */
  readonly pollShare: number
  /** Whether the job master may answer later. */
  readonly isAway: (error: SkeinError) => boolean
  readonly onAway?: (error: SkeinError) => void
  /** What is thrown when it stays away. Default: what it failed with last. */
  readonly goneError?: (error: SkeinError) => SkeinError
}

/**
 * Yields each look, the last when the load has ended.
 * @throws what `look` throws, and the reason of `signal`
 */
export async function* loadLooks<Look extends { readonly hasEnded: boolean }>(
  { clock, look, pollMsMax, pollShare, isAway, onAway, goneError }: LoadLooks<Look>,
  signal: AbortSignal,
): AsyncGenerator<Look, void, undefined> {
  const startedMs = clock.monotonicMs()
  let answeredMs = startedMs
  for (;;) {
    try {
      const seen = await look()
      answeredMs = clock.monotonicMs()
      yield seen
      if (seen.hasEnded) return
    } catch (thrown) {
      // Whoever stops while nobody answers has stopped; that nobody answered is known by then.
      throwIfAborted(signal)
      const error = toSkeinError(thrown)
      if (!isAway(error)) throw error
      if (clock.monotonicMs() - answeredMs > awayMsMax) throw goneError?.(error) ?? error
      onAway?.(error)
    }
    await clock.sleep(Math.min(pollMsMax, Math.max(pollMsMin, (clock.monotonicMs() - startedMs) * pollShare)), signal)
  }
}

/** The files of a load, page by page. */
export async function* loadFiles(
  jobs: Pick<Service<JobServiceDefinition>, 'listLoadFiles'>,
  loadId: string,
  failedOnly: boolean,
  signal: AbortSignal,
): AsyncGenerator<LoadFile[], void, undefined> {
  let pageToken = ''
  do {
    const page = await jobs.listLoadFiles({ loadId, pageToken, limit: filesPerPage, failedOnly }, { signal })
    yield page.files
    pageToken = page.nextPageToken
  } while (pageToken !== '')
}
