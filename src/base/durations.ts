// Why: every duration that a person writes or reads is parsed or printed here. How: a bare number
// is in milliseconds, as in GooseFS.
import { SkeinError } from './errors.ts'

const unitMs: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
}
const durationPattern = /^(-?\d+(?:\.\d+)?)\s*([A-Za-z]*)$/

/**
 * `100s`, `10m`, `24 hours`, `-1`, `500` -> milliseconds.
 * @throws SkeinError invalid_argument when the text is not a duration
 */
export function parseDuration(text: string): number {
  const match = durationPattern.exec(text.trim())
  const name = (match?.[2] ?? '').toLowerCase()
  const unit = match === null ? undefined : (unitMs[name] ?? unitMs[name.replace(/s$/, '')])
  const ms = unit === undefined ? Number.NaN : Math.round(Number(match?.[1]) * unit)
  if (!Number.isSafeInteger(ms)) {
    throw new SkeinError(
      'invalid_argument',
      `'${text}' is not a duration: write a number with ms, s, m, h or d, such as 10m`,
    )
  }
  return ms
}

/** Milliseconds for display: `850ms`, `12s`, `3m05s`, `2h10m`, `4d03h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds}s`
  const two = (n: number): string => String(Math.floor(n)).padStart(2, '0')
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two((seconds % 3600) / 60)}m`
  return `${Math.floor(seconds / 86_400)}d${two((seconds % 86_400) / 3600)}h`
}
