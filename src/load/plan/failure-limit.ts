// Why: a load of a million files whose store refuses everything should not try each of them. How: a
// number or a share of failed files above which the load stops, as text from the user; whether it
// is reached is a function of the counts.
import { SkeinError } from '../../base/errors.ts'
import type { LoadCounts } from '../load.ts'

/**
 * A share says nothing of the first few files: it counts from this many listed files on, or once
 * all are listed.
 */
const filesForShareMin = 1000

interface FailureLimit {
  readonly value: number
  readonly percent: boolean
}

/** `12` or `1.5%`; empty = none. @throws SkeinError invalid_argument */
export function parseFailureLimit(text: string): FailureLimit | undefined {
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(%?)$/.exec(trimmed)
  const value = Number(match?.[1])
  const percent = match?.[2] === '%'
  if (match === null || (percent ? value > 100 : !Number.isSafeInteger(value)))
    throw new SkeinError(
      'invalid_argument',
      `--max-failures '${trimmed.slice(0, 50)}': give a whole number of files, or 0% to 100%`,
    )
  return { value, percent }
}

/** Why the load shall stop now, in one line; undefined when it may go on. */
export function failuresExceeded(
  limit: FailureLimit,
  counts: Readonly<LoadCounts>,
  listingDone: boolean,
): string | undefined {
  const { files, filesFailed } = counts
  if (filesFailed === 0) return undefined
  if (!limit.percent)
    return filesFailed > limit.value
      ? `stopped early: ${filesFailed} files failed, --max-failures allows ${limit.value}`
      : undefined
  if (!listingDone && files < filesForShareMin) return undefined
  if (filesFailed * 100 <= limit.value * files) return undefined
  return `stopped early: ${filesFailed} of ${files} listed files failed, --max-failures allows ${limit.value}%`
}
