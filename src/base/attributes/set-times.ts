// Why: programs that copy files set their times (utimensat, SETTIMES) and compare them later. What
// they set belongs to one version of a file, beside the time when it was really written, and is not
// written to the store. How: exact to the nanosecond; pure functions and checks (shape.ts).
import { type Check, optional, record, whole } from '../shape.ts'

/** A moment: whole milliseconds since 1970, which may be negative, and nanoseconds after them. */
export interface FileTime {
  readonly ms: number
  /** Below 1,000,000. */
  readonly ns: number
}

/** What programs have set. Not given: not set. */
export interface SetTimes {
  readonly modified?: FileTime
  readonly accessed?: FileTime
}

/** Not given: none is set. */
export interface Timed {
  readonly times?: SetTimes
}

/** The range of a date (ECMAScript's), in milliseconds. */
export const fileTimeMsMax = 8.64e15
export const nanosecondsPerMs = 1_000_000

const fileTime = optional(record<FileTime>({ ms: whole(-fileTimeMsMax, fileTimeMsMax), ns: whole(0, 999_999) }))

export const setTimesCheck: Check = record<SetTimes>({ modified: fileTime, accessed: fileTime })

/** The times that are given; undefined: none. */
export function setTimesOf(given: {
  readonly modified?: FileTime | undefined
  readonly accessed?: FileTime | undefined
}): SetTimes | undefined {
  const { modified, accessed } = given
  if (modified === undefined && accessed === undefined) return undefined
  return {
    ...(modified !== undefined && { modified: copyOf(modified) }),
    ...(accessed && { accessed: copyOf(accessed) }),
  }
}

/** A time in fractions of milliseconds. */
export function fileTimeOf(timeMs: number): FileTime {
  const ms = Math.floor(timeMs)
  return { ms, ns: Math.min(nanosecondsPerMs - 1, Math.round((timeMs - ms) * nanosecondsPerMs)) }
}

function copyOf({ ms, ns }: FileTime): FileTime {
  return { ms, ns }
}
