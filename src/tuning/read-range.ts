// Why: bytes per range request are the setting that depends most on the files. The GooseFS tuning
// guide takes 4 MB for files of tens of MB, and the mean or median size of smaller ones, so that
// one request reads one file. How: as the guide, with two refinements. Where few large files hold
// most of the bytes, they decide, not the mean: a range that is larger than a file costs nothing.
// Where small files differ in size, the smallest of several sizes is taken that needs at most 1.1
// requests a file: the median alone would need two for half of them. Pure.
import { formatBytes } from '../base/bytes.ts'
import { sizeText } from '../config/tuning-values.ts'
import type { SizeHistogram } from './size-histogram.ts'

const [kilobyte, megabyte] = [1024, 1024 ** 2]
/** Files of at least this size are "tens of MB". */
const largeFileBytes = 16 * megabyte
const requestsPerFileMax = 1.1
const rangeMin = 4096
const rangeOfLarge = 4 * megabyte
const rangeOfHuge = 8 * megabyte

export interface RangeChoice {
  readonly rangeBytes: number
  readonly reason: string
  /** Whether ranges ahead matter: files are read in many ranges. */
  readonly isForLargeFiles: boolean
}

/** @param sizes of the files; undefined, or without files: unknown */
export function chooseRange(sizes: SizeHistogram | undefined): RangeChoice {
  if (sizes === undefined || sizes.bytes === 0) {
    const reason = 'the sizes of the files are not known; 4 MB reads most files in one request or in few'
    return { rangeBytes: rangeOfLarge, reason, isForLargeFiles: true }
  }
  const largeShare = sizes.bytesFrom(largeFileBytes) / sizes.bytes
  if (largeShare >= 0.5) return rangeForLarge(sizes, largeShare)
  return rangeForSmall(sizes)
}

function rangeForLarge(sizes: SizeHistogram, largeShare: number): RangeChoice {
  const hugeShare = sizes.bytesFrom(4 * largeFileBytes) / sizes.bytes
  const rangeBytes = hugeShare >= 0.5 ? rangeOfHuge : rangeOfLarge
  const [share, least] = hugeShare >= 0.5 ? [hugeShare, 4 * largeFileBytes] : [largeShare, largeFileBytes]
  const reason =
    `files of ${sizeText(least)} and more hold ${percentText(share)} of the bytes: ` +
    `ranges of ${sizeText(rangeBytes)} keep the number of requests low and read large files in parallel`
  return { rangeBytes, reason, isForLargeFiles: true }
}

function rangeForSmall(sizes: SizeHistogram): RangeChoice {
  const candidates = [
    { what: 'the median size', bytes: sizes.percentile(50) },
    { what: 'the mean size', bytes: sizes.mean },
    ...[75, 90, 95, 99].map((percent) => ({
      what: `the size of the ${percent}th percentile`,
      bytes: sizes.percentile(percent),
    })),
    ...[4, 8, 16].map((count) => ({ what: `${count} MB`, bytes: count * megabyte })),
  ]
    .map(({ what, bytes }) => ({ what, bytes: Math.max(rangeMin, roundedUp(bytes)) }))
    .toSorted((one, other) => one.bytes - other.bytes)
  const perFile = (bytes: number): number => sizes.requests(bytes) / sizes.files
  const fitting = candidates.find(({ bytes }) => perFile(bytes) <= requestsPerFileMax) ?? candidates.at(-1)
  const { what, bytes: rangeBytes } = fitting ?? { what: '4 MB', bytes: rangeOfLarge }
  const median = Math.max(rangeMin, roundedUp(sizes.percentile(50)))
  const reason =
    rangeBytes === median
      ? `the median size of the files is ${formatBytes(sizes.percentile(50))}: one request reads one file`
      : `${what}: ${perFile(rangeBytes).toFixed(2)} requests a file; the median, ` +
        `${formatBytes(sizes.percentile(50))}, would need ${perFile(median).toFixed(2)}`
  return { rangeBytes, reason, isForLargeFiles: rangeBytes >= rangeOfLarge }
}

/** To whole KB, which a person can read. */
function roundedUp(bytes: number): number {
  return Math.ceil(bytes / kilobyte) * kilobyte
}

function percentText(share: number): string {
  return `${Math.floor(100 * share)} %`
}
