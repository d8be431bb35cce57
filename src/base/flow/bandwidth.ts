// Why: people set a bandwidth limit in three places (a load, a namespace, the cluster), often as a
// timetable. How: the text is parsed once to spans that cover the whole day and do not overlap. The
// current limit is a look-up. Times are in the local time zone of the process, the job master.
import { parseBytes } from '../bytes.ts'
import { SkeinError } from '../errors.ts'

/** From minute `fromMinute` of the day up to `toMinute`. Undefined: unlimited. */
export interface BandwidthSpan {
  readonly fromMinute: number
  readonly toMinute: number
  readonly bytesPerSecond: number | undefined
}

/** Spans that cover the day once, in order. */
export type Bandwidth = readonly BandwidthSpan[]

const dayMinutes = 24 * 60
const textMax = 1000
const spanPattern = /^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$/

export const unlimitedBandwidth: Bandwidth = [{ fromMinute: 0, toMinute: dayMinutes, bytesPerSecond: undefined }]

/**
 * `50MB/s`, `unlimited`, empty (unlimited), or a timetable: `08:00-20:00=200MB/s,else=unlimited`. A
 * span may cross midnight (`22:00-06:00`). `what` names the option, attribute or key in errors.
 * @throws SkeinError invalid_argument: not a rate, a rate of 0, overlapping times, or times without
 *   a rate
 */
export function parseBandwidth(text: string, what: string): Bandwidth {
  const trimmed = text.trim()
  if (trimmed === '') return unlimitedBandwidth
  if (trimmed.length > textMax) throw wrong(what, trimmed, `is longer than ${textMax} characters`)
  if (!trimmed.includes('='))
    return [{ fromMinute: 0, toMinute: dayMinutes, bytesPerSecond: parseRate(trimmed, what, text) }]
  const spans: BandwidthSpan[] = []
  let rest: { readonly bytesPerSecond: number | undefined } | undefined
  for (const part of trimmed.split(',')) {
    const [when = '', rate, ...more] = part.split('=').map((word) => word.trim())
    if (rate === undefined || more.length > 0) throw wrong(what, text, `'${part.trim()}' is not TIME-TIME=RATE`)
    const bytesPerSecond = parseRate(rate, what, text)
    if (when === 'else') {
      if (rest !== undefined) throw wrong(what, text, "has two 'else'")
      rest = { bytesPerSecond }
    } else spans.push(...parseSpan(when, what, text).map((span) => ({ ...span, bytesPerSecond })))
  }
  return cover(spans, rest, what, text)
}

/** The current limit in the local time zone; undefined: unlimited. */
export function bandwidthAt(bandwidth: Bandwidth, nowMs: number): number | undefined {
  const now = new Date(nowMs)
  const minute = now.getHours() * 60 + now.getMinutes()
  return bandwidth.find((span) => minute >= span.fromMinute && minute < span.toMinute)?.bytesPerSecond
}

function parseRate(word: string, what: string, text: string): number | undefined {
  if (word.toLowerCase() === 'unlimited') return undefined
  const size = word.replace(/\s*\/\s*s(?:ec)?$/i, '')
  let bytes: number
  try {
    bytes = parseBytes(size)
  } catch {
    throw wrong(what, text, `'${word}' is not a rate: write bytes per second, such as 50MB/s, or 'unlimited'`)
  }
  if (bytes === 0) throw wrong(what, text, 'a rate of 0 would stop all loads: set a rate above 0, or leave it out')
  return bytes
}

/** One span, or two if it crosses midnight. */
function parseSpan(when: string, what: string, text: string): { fromMinute: number; toMinute: number }[] {
  const match = spanPattern.exec(when)
  if (match === null) throw wrong(what, text, `'${when}' is not TIME-TIME such as 08:00-20:00, nor 'else'`)
  const [from, to] = [minuteOf(match[1], match[2]), minuteOf(match[3], match[4])]
  if (from === undefined || to === undefined || from === dayMinutes)
    throw wrong(what, text, `'${when}' has an invalid time`)
  if (from === to) throw wrong(what, text, `'${when}' begins where it ends; for the whole day write 00:00-24:00`)
  if (from < to) return [{ fromMinute: from, toMinute: to }]
  const evening = { fromMinute: from, toMinute: dayMinutes }
  return to === 0 ? [evening] : [{ fromMinute: 0, toMinute: to }, evening]
}

function minuteOf(hours: string | undefined, minutes: string | undefined): number | undefined {
  const minute = Number(hours) * 60 + Number(minutes)
  return Number(minutes) < 60 && minute <= dayMinutes ? minute : undefined
}

function cover(
  spans: BandwidthSpan[],
  rest: Pick<BandwidthSpan, 'bytesPerSecond'> | undefined,
  what: string,
  text: string,
): Bandwidth {
  const whole: BandwidthSpan[] = []
  let covered = 0
  const fill = (toMinute: number): void => {
    if (toMinute <= covered) return
    if (rest === undefined)
      throw wrong(what, text, `has no rate for ${clock(covered)}-${clock(toMinute)}: add ',else=RATE'`)
    whole.push({ fromMinute: covered, toMinute, bytesPerSecond: rest.bytesPerSecond })
  }
  for (const span of spans.toSorted((a, b) => a.fromMinute - b.fromMinute)) {
    if (span.fromMinute < covered)
      throw wrong(what, text, `has two rates for ${clock(span.fromMinute)}-${clock(Math.min(covered, span.toMinute))}`)
    fill(span.fromMinute)
    whole.push(span)
    covered = span.toMinute
  }
  fill(dayMinutes)
  return whole
}

function clock(minute: number): string {
  return `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
}

function wrong(what: string, text: string, why: string): SkeinError {
  return new SkeinError('invalid_argument', `${what} '${text.slice(0, 100)}': ${why}`)
}
