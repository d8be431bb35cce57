// Why: whoever follows a load (a person, a script, a file for Kubernetes) is told the same, from
// one stream. How: each event is made from a look at the load's durable state and carries all of
// its counts, so that a watcher that was killed and comes back has missed nothing: its first event
// is the whole state. Only failed files come one by one, each once. What the events say adds up by
// `foldEvent`, a pure function.
import type { Clock } from '../../base/clock.ts'
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { loadFiles, loadLooks, lookDeadlineMs } from '../../client/load-looks.ts'
import type { JobServiceDefinition, LoadCounts, LoadStatus, WorkerProgress } from '../../wire/generated/job.ts'
import type { Service } from '../../wire/service.ts'
import { addSample, type Progress, progressOf, type ProgressSample, reachedBy, reachedNothing } from './progress.ts'

/** `state`: the first one, the whole state. `ended`: the last one. */
type EventKind = 'state' | 'progress' | 'ended'

export interface FailedFile {
  readonly path: string
  readonly reason: string
  readonly attempts: number
}

/** One line of `--format json`. Times are milliseconds since 1970, by the job master's clock. */
export interface LoadEvent {
  readonly event: EventKind
  readonly atMs: number
  readonly loadId: string
  readonly path: string
  readonly state: string
  readonly cancelling: boolean
  readonly staged: boolean
  readonly listingDone: boolean
  readonly counts: LoadCounts
  readonly filesDone: number
  /** 0 to 1. */
  readonly fraction: number
  /** Over the last seconds; null until two looks have been taken. */
  readonly bytesPerSecond: number | null
  readonly filesPerSecond: number | null
  /** null while it is unknown. */
  readonly etaMs: number | null
  readonly workers: readonly WorkerProgress[]
  /** Files that failed and were in no event before. */
  readonly failed: readonly FailedFile[]
  /** Of the files that failed those that no event names, because they are too many. */
  readonly failedUnnamed: number
  readonly submittedMs: number
  readonly startedMs: number
  readonly endedMs: number
  readonly reason: string
  readonly errorCode: string
}

/** What a watcher knows: the last event, with all failed files that were named. */
export type LoadView = Omit<LoadEvent, 'event'>

/** The view after one more event. */
export function foldEvent(view: LoadView | undefined, { event, ...now }: LoadEvent): LoadView {
  return event === 'state' || view === undefined ? now : { ...now, failed: [...view.failed, ...now.failed] }
}

/**
 * One look. `isNew`: it says something that the look before did not, or it is some time since the
 * last that did.
 */
export interface SeenLoad {
  readonly event: LoadEvent
  readonly isNew: boolean
  readonly status: LoadStatus
  readonly progress: Progress
}

/**
 * A short load is asked about often, so that its end is seen at once; a long one twice a second.
 */
const pollMsMax = 500
const pollShare = 0.03
/** Rates change also while nothing moves. */
const newAfterMs = 5000
/** Failed files that events name; the whole list is asked for by whoever wants it. */
const namedMax = 1000

/** How to go on watching, for messages. */
export function followHint(loadId: string): string {
  return `follow it with: skein job progress ${loadId} --watch`
}

/** How to load the rest of a load that was stopped. */
export function resumeHint(loadId: string): string {
  return `load the missing files later with: skein job resume ${loadId}`
}

/**
 * The events of a load until it has ended; sits through a restart of the job master, of which
 * `onAway` hears.
 * @throws SkeinError unavailable when the job master stays away, cancelled when `signal` aborts,
 *   not_found
 */
export async function* loadEvents(
  clock: Clock,
  jobs: Pick<Service<JobServiceDefinition>, 'getLoad' | 'listLoadFiles'>,
  loadId: string,
  signal: AbortSignal,
  onAway: (message: string) => void,
): AsyncGenerator<SeenLoad, void, undefined> {
  const named = new Set<string>()
  let window: ProgressSample[] = []
  let reached = reachedNothing
  let failedBefore = 0
  let event: EventKind = 'state'
  let last = ''
  let newMs = clock.monotonicMs()
  const look = async (): Promise<Look> => {
    const status = await jobs.getLoad({ loadId }, { signal, deadlineMs: lookDeadlineMs })
    const atMs = clock.monotonicMs()
    const counts = status.counts ?? noCounts
    reached = reachedBy(reached, status)
    window = addSample(window, { atMs, bytesLoaded: reached.bytesLoaded, filesLoaded: counts.filesLoaded })
    const hasEnded = status.endedMs > 0
    const hasFailed = counts.filesFailed !== failedBefore || (hasEnded && counts.filesFailed > named.size)
    const failed = hasFailed ? await newlyFailed(jobs, status.loadId, named, signal) : []
    failedBefore = counts.filesFailed
    return { status, progress: progressOf(status, window, reached), failed, atMs, hasEnded }
  }
  const goneError = (error: SkeinError): SkeinError =>
    new SkeinError(
      'unavailable',
      `${error.message}; load ${loadId} continues when the job master is back; ${followHint(loadId)}`,
      { cause: error },
    )
  const looks = loadLooks(
    {
      ...{ clock, look, pollMsMax, pollShare, isAway, goneError },
      onAway: ({ message }) => onAway(`the job master does not respond (${message}); waiting`),
    },
    signal,
  )
  for await (const { status, progress, failed, atMs, hasEnded } of looks) {
    const content = contentOf(status)
    const isNew = hasEnded || failed.length > 0 || content !== last || atMs >= newMs + newAfterMs
    // Whoever comes after the end is told the whole state first, too.
    if (event === 'state' || !hasEnded)
      yield { event: eventOf(event, status, progress, failed, named.size), isNew, status, progress }
    const unsaid = event === 'state' ? [] : failed
    if (hasEnded) yield { event: eventOf('ended', status, progress, unsaid, named.size), isNew, status, progress }
    if (isNew) newMs = atMs
    last = content
    event = 'progress'
  }
}

interface Look {
  readonly status: LoadStatus
  readonly progress: Progress
  /** Files that failed since the look before. */
  readonly failed: readonly FailedFile[]
  readonly atMs: number
  readonly hasEnded: boolean
}

/** Of a load that says nothing of them. */
export const noCounts: LoadCounts = {
  files: 0,
  bytes: 0,
  filesCached: 0,
  filesLoaded: 0,
  filesFailed: 0,
  filesSkipped: 0,
  bytesCached: 0,
  bytesLoaded: 0,
  originBytes: 0,
  tasks: 0,
  tasksDone: 0,
  tasksOut: 0,
  tasksRetried: 0,
}

function isAway(error: SkeinError): boolean {
  return isSkeinError(error, 'unavailable') || isSkeinError(error, 'deadline_exceeded')
}

/** Two looks of the same content need no second event, whatever the clock says. */
function contentOf({ nowMs: _now, estimateMs: _estimate, ...content }: LoadStatus): string {
  return JSON.stringify(content)
}

/**
 * Those that `named` does not have yet; it has them afterwards. Files fail in any order, so all are
 * gone through.
 */
async function newlyFailed(
  jobs: Pick<Service<JobServiceDefinition>, 'listLoadFiles'>,
  loadId: string,
  named: Set<string>,
  signal: AbortSignal,
): Promise<FailedFile[]> {
  const found: FailedFile[] = []
  if (named.size >= namedMax) return found
  for await (const page of loadFiles(jobs, loadId, true, signal)) {
    for (const { path, reason, attempts } of page)
      if (!named.has(path)) found.push({ path, reason: reason.replaceAll(/\s*\n\s*/g, ' '), attempts })
    if (named.size + found.length >= namedMax) break
  }
  found.splice(namedMax - named.size)
  for (const { path } of found) named.add(path)
  return found
}

function eventOf(
  event: EventKind,
  status: LoadStatus,
  { filesDone, fraction, rates, etaMs }: Progress,
  failed: readonly FailedFile[],
  namedCount: number,
): LoadEvent {
  const {
    loadId,
    path,
    cancelling,
    listingDone,
    submittedMs,
    startedMs,
    endedMs,
    reason,
    errorCode,
    nowMs: atMs,
  } = status
  const counts = status.counts ?? noCounts
  return {
    ...{
      event,
      atMs,
      loadId,
      path,
      state: status.state,
      cancelling,
      staged: status.options?.atomic === true,
      listingDone,
      counts,
    },
    ...{
      filesDone,
      fraction,
      bytesPerSecond: rates?.bytesPerSecond ?? null,
      filesPerSecond: rates?.filesPerSecond ?? null,
    },
    ...{ etaMs: etaMs ?? null, workers: status.workers?.workers ?? [], failed },
    ...{
      failedUnnamed: Math.max(0, counts.filesFailed - namedCount),
      submittedMs,
      startedMs,
      endedMs,
      reason,
      errorCode,
    },
  }
}
