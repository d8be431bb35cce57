// Why: what is given to options is checked before anything is asked of the cluster. Pure.
import { parseBytes } from '../../base/bytes.ts'
import { parseDuration } from '../../base/durations.ts'
import { asUsage, usageError } from './exit-codes.ts'

/**
 * A whole number from `min` to `max`. @throws SkeinError invalid_argument (usage) naming the option
 */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max))
    throw usageError(`${option} must be a whole number from ${min} to ${max}, not '${text}'`)
  return value
}

/**
 * A duration of 0 or more, in milliseconds. @throws SkeinError invalid_argument (usage) naming the
 * option
 */
export function durationMs(option: string, text: string): number {
  const ms = parsed(option, text)
  if (ms < 0) throw usageError(`${option} must not be negative, not '${text}'`)
  return ms
}

/**
 * A duration longer than 0, in milliseconds. @throws SkeinError invalid_argument (usage) naming the
 * option
 */
export function positiveDurationMs(option: string, text: string): number {
  const ms = parsed(option, text)
  if (ms <= 0) throw usageError(`${option} must be longer than 0, not '${text}'`)
  return ms
}

/**
 * A size such as 4096 or 1MB, in bytes. @throws SkeinError invalid_argument (usage) naming the
 * option
 */
export function sizeOf(option: string, text: string): number {
  return asUsage(`${option}: `, () => parseBytes(text))
}

/** `L42` or `42`, as `L42`. @throws SkeinError invalid_argument (usage) naming the option */
export function loadIdOf(option: string, text: string): string {
  const match = /^[Ll]?([1-9]\d{0,14})$/.exec(text)
  if (match === null) throw usageError(`${option} must be a load id such as L42, not '${text}'`)
  return `L${match[1]}`
}

/**
 * An unset variable of a script must not mean the same as no option at all. @throws SkeinError
 * invalid_argument (usage) naming the option
 */
export function notEmpty(option: string, text: string): string {
  if (text.trim() === '') throw usageError(`${option} must not be empty`)
  return text
}

function parsed(option: string, text: string): number {
  return asUsage(`${option}: `, () => parseDuration(text))
}
