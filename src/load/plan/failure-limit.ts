// Why: a load of a million files should not try every file if the store refuses all of them. How:
// the user gives a maximum number or share of failed files, above which the load stops. The check
// is a pure function of the counts.
import { SkeinError } from '../../base/errors.ts'
import type { LoadCounts } from '../load.ts'

/**
 * A share says little about the first files. It applies after this many listed files, or when the
 * listing has ended.
 */
const filesForShareMin = 1000

interface FailureLimit {
  readonly value: number
  readonly percent: boolean
}

/**
 * Parses `12` or `1.5%`. Empty: no limit.
 * @throws SkeinError invalid_argument
 */
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

/** Why the load must stop now, in one line. Undefined: it may continue. */
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
