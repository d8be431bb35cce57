// Why: numbers given to options are checked before anything is asked of the cluster. Pure.
import { parseDuration } from '../base/durations.ts'
import { toSkeinError } from '../base/errors.ts'
import { usageError } from './exit-codes.ts'

/** A whole number from `min` to `max`. @throws SkeinError invalid_argument (usage) naming the option */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) throw usageError(`${option} is a whole number from ${min} to ${max}, not '${text}'`)
  return value
}

/** A duration of 0 or more, in milliseconds. @throws SkeinError invalid_argument (usage) naming the option */
export function durationMs(option: string, text: string): number {
  const ms = parsed(option, text)
  if (ms < 0) throw usageError(`${option} is not below 0, as '${text}' is`)
  return ms
}

/** A duration longer than 0, in milliseconds. @throws SkeinError invalid_argument (usage) naming the option */
export function positiveDurationMs(option: string, text: string): number {
  const ms = parsed(option, text)
  if (ms <= 0) throw usageError(`${option} is longer than 0, not '${text}'`)
  return ms
}

function parsed(option: string, text: string): number {
  try {
    return parseDuration(text)
  } catch (thrown) {
    throw usageError(`${option}: ${toSkeinError(thrown).message}`)
  }
}
