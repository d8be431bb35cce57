// Why: what a person watching a load wants to know: how far, how fast now, how long yet. Pure:
// samples in, text out.
import { formatBytes } from '../../base/bytes.ts'
import { formatDuration } from '../../base/durations.ts'
import type { LoadStatus } from '../../wire/generated/job.ts'

export interface ProgressSample {
  readonly atMs: number
  /** Loaded by this load; cached ones are no work and would make the rate lie. */
  readonly bytesLoaded: number
  readonly filesLoaded: number
}

/** Rates are over this time, so that they follow what happens. */
export const rateWindowMs = 5000

/**
 * The window with `sample` added: what is older than `windowMs` goes, but one sample at or before
 * its start stays, to measure from. Counts that fall (the load was recovered from an older state)
 * begin a new window.
 */
export function addSample(
  window: readonly ProgressSample[],
  sample: ProgressSample,
  windowMs = rateWindowMs,
): ProgressSample[] {
  const last = window.at(-1)
  if (last !== undefined && (sample.bytesLoaded < last.bytesLoaded || sample.filesLoaded < last.filesLoaded))
    return [sample]
  const all = [...window, sample]
  const start = all.findLastIndex((one) => one.atMs <= sample.atMs - windowMs)
  return all.slice(Math.max(0, start))
}

export interface Rates {
  readonly bytesPerSecond: number
  readonly filesPerSecond: number
}

/** Undefined until there are two samples some time apart. */
export function ratesOf(window: readonly ProgressSample[]): Rates | undefined {
  const first = window[0]
  const last = window.at(-1)
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined
  const seconds = (last.atMs - first.atMs) / 1000
  return {
    bytesPerSecond: (last.bytesLoaded - first.bytesLoaded) / seconds,
    filesPerSecond: (last.filesLoaded - first.filesLoaded) / seconds,
  }
}

export interface Progress {
  readonly state: string
  readonly filesDone: number
  readonly files: number
  readonly filesFailed: number
  readonly bytesDone: number
  readonly bytes: number
  readonly listingDone: boolean
  /** Of the bytes, or of the files where there are no bytes; 0 to 1. */
  readonly fraction: number
  readonly rates: Rates | undefined
  /** Undefined while the listing goes on, and while nothing moves. */
  readonly etaMs: number | undefined
  /** What a running load waits for; empty when it does not. */
  readonly waitsFor: string
}

/**
 * As far as a load has ever been seen: what an audit finds missing, or a restart forgets, does not
 * take it back.
 */
export interface Reached {
  readonly bytesLoaded: number
  readonly bytesDone: number
  readonly filesDone: number
}
export const reachedNothing: Reached = { bytesLoaded: 0, bytesDone: 0, filesDone: 0 }

/**
 * With one more look. What running tasks have brought in counts as it comes; a load that has ended
 * is as it says.
 */
export function reachedBy(before: Reached, { counts, endedMs }: LoadStatus): Reached {
  const { bytes = 0, bytesCached = 0, filesCached = 0, filesLoaded = 0, filesFailed = 0 } = counts ?? {}
  const bytesLoaded = Math.min(
    (counts?.bytesLoaded ?? 0) + (counts?.bytesArriving ?? 0),
    Math.max(0, bytes - bytesCached),
  )
  const now = {
    bytesLoaded,
    bytesDone: Math.min(bytes, bytesCached + bytesLoaded),
    filesDone: filesCached + filesLoaded + filesFailed,
  }
  if (endedMs > 0) return now
  return {
    bytesLoaded: Math.max(before.bytesLoaded, now.bytesLoaded),
    bytesDone: Math.max(before.bytesDone, now.bytesDone),
    filesDone: Math.max(before.filesDone, now.filesDone),
  }
}

export function progressOf(status: LoadStatus, window: readonly ProgressSample[], before = reachedNothing): Progress {
  const counts = status.counts
  const bytes = counts?.bytes ?? 0
  const files = counts?.files ?? 0
  const { bytesDone, filesDone } = reachedBy(before, status)
  const rates = ratesOf(window)
  const rate = rates?.bytesPerSecond ?? 0
  const fileRate = rates?.filesPerSecond ?? 0
  const byBytesMs = rate > 0 ? ((bytes - bytesDone) / rate) * 1000 : undefined
  const byFilesMs = bytes === bytesDone && fileRate > 0 ? ((files - filesDone) / fileRate) * 1000 : undefined
  return {
    state: status.cancelling && status.state !== 'CANCELLED' ? 'CANCELLING' : status.state,
    filesDone,
    files,
    filesFailed: counts?.filesFailed ?? 0,
    bytesDone,
    bytes,
    listingDone: status.listingDone,
    fraction: fractionOf(bytesDone, bytes) ?? fractionOf(filesDone, files) ?? 0,
    rates,
    etaMs: status.listingDone ? (byFilesMs ?? byBytesMs) : undefined,
    waitsFor: status.endedMs > 0 ? '' : status.reason,
  }
}

function fractionOf(done: number, all: number): number | undefined {
  return all > 0 ? Math.min(1, done / all) : undefined
}

/** `RUNNING 1200/2008 files, 512.00MB/1086.00MB 47%, 210.00MB/s, ETA 3s`. */
export function progressText(progress: Progress): string {
  const more = progress.listingDone ? '' : '+'
  const parts = [
    `${progress.state} ${progress.filesDone}/${progress.files}${more} files`,
    `${formatBytes(progress.bytesDone)}/${formatBytes(progress.bytes)}${more} ${Math.floor(progress.fraction * 100)}%`,
    ...(progress.rates === undefined ? [] : [`${formatBytes(progress.rates.bytesPerSecond)}/s`]),
    ...(progress.etaMs === undefined || progress.fraction >= 1 ? [] : [`ETA ${formatDuration(progress.etaMs)}`]),
    ...(progress.filesFailed > 0 ? [`${progress.filesFailed} failed`] : []),
    ...(progress.waitsFor === '' ? [] : [`waits: ${progress.waitsFor}`]),
  ]
  return parts.join(', ')
}

const barWidth = 24

/** A bar and the text, cut to the terminal's width. */
export function progressBar(progress: Progress, columns: number): string {
  const filled = Math.floor(progress.fraction * barWidth)
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(barWidth - filled)}]`
  return `${bar} ${progressText(progress)}`.slice(0, Math.max(10, columns - 1))
}
