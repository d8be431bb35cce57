// Why: stores write times, lengths and versions in more forms than the protocol allows. How: one
// parser for each kind of value, for headers and documents. A value with one possible meaning is
// accepted. Anything else is undefined, and the caller refuses it.

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const monthPattern = 'Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec'
const clockPattern = String.raw`(\d{1,2}):(\d\d):(\d\d)(?:\.\d+)?`
const zonePattern = String.raw`(Z|GMT|UTC|UT|[+-]\d\d(?::?\d\d)?)`

/**
 * ISO 8601, also in its basic form, with a blank instead of the T, or without a zone (UTC, as for
 * all times of S3).
 */
const isoTime = new RegExp(
  String.raw`^(\d{4})-?(\d\d)-?(\d\d)[T ](\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?\s*${zonePattern}?$`,
  'i',
)
/** RFC 9110 IMF-fixdate and RFC 850, the day of the week optional. */
const httpTime = new RegExp(
  String.raw`^(?:[a-z]{3,9},?\s+)?(\d{1,2})[ -](${monthPattern})[a-z]*[ -](\d{4}|\d\d)` +
    String.raw`\s+${clockPattern}\s*${zonePattern}?$`,
  'i',
)
/** RFC 9110 asctime. */
const asctime = new RegExp(String.raw`^[a-z]{3}\s+(${monthPattern})\s+(\d{1,2})\s+${clockPattern}\s+(\d{4})$`, 'i')
/** Time since 1970: seconds (with a fraction), or milliseconds. */
const epochSeconds = /^(\d{9,10})(?:\.\d{1,9})?$/
const epochMilliseconds = /^\d{12,13}$/

/** The expected form of a time, for messages. */
export const timeExpected = 'a time such as 2023-04-20T15:31:00Z or Thu, 20 Apr 2023 15:31:00 GMT'
export const byteCountExpected = 'a whole number of bytes'

/**
 * Milliseconds since 1970; 0 for earlier times, which mean "no time"; undefined when the text is
 * not a time.
 */
export function timeOf(text: string): number | undefined {
  const value = text.trim()
  const iso = isoTime.exec(value)
  if (iso !== null) {
    const [, year, month, day, hour, minute, second = '0', fraction = '0', zone] = iso
    const ms = Math.floor(Number(`0.${fraction}`) * 1000)
    return utc([year, month, day, hour, minute, second], ms, zone)
  }
  const http = httpTime.exec(value)
  if (http !== null) {
    const [, day, month = '', year = '', hour, minute, second, zone] = http
    return utc([fullYear(year), monthOf(month), day, hour, minute, second], 0, zone)
  }
  const old = asctime.exec(value)
  if (old !== null) {
    const [, month = '', day, hour, minute, second, year] = old
    return utc([year, monthOf(month), day, hour, minute, second], 0, undefined)
  }
  if (epochSeconds.test(value)) return Math.floor(Number(value) * 1000)
  return epochMilliseconds.test(value) ? Number(value) : undefined
}

/**
 * A length in bytes; undefined when it is negative, malformed, or too large to represent exactly.
 */
export function byteCountOf(text: string): number | undefined {
  const value = text.trim()
  const count = /^\d{1,20}$/.test(value) ? Number(value) : Number.NaN
  return Number.isSafeInteger(count) ? count : undefined
}

const etagLengthMax = 1024

/**
 * An ETag without its quotes (RFC 9110, entity-tag; quotes are optional in documents); undefined
 * when it cannot be sent in a header.
 */
export function etagOf(text: string): string | undefined {
  const bare = text.trim().replace(/^"|"$/g, '')
  return bare.length > 0 && bare.length <= etagLengthMax && /^[\x21-\x7e\x80-\xff]+$/.test(bare) ? bare : undefined
}

function utc(parts: readonly (string | undefined)[], ms: number, zone: string | undefined): number | undefined {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number)
  const isDay = month >= 1 && month <= 12 && day >= 1 && new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day
  // A leap second counts as the first second of the next minute.
  if (!isDay || hour > 23 || minute > 59 || second > 60) return undefined
  const offset = offsetMs(zone)
  if (offset === undefined) return undefined
  // Date.UTC treats the years 0 to 99 as 1900 to 1999.
  if (year < 1970) return 0
  return Math.max(0, Date.UTC(year, month - 1, day, hour, minute, second, ms) - offset)
}

function offsetMs(zone: string | undefined): number | undefined {
  const match = /^([+-])(\d\d):?(\d\d)?$/.exec(zone ?? '')
  if (match === null) return 0
  const [, sign, hours = '0', minutes = '0'] = match
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

function monthOf(name: string): string {
  return String(months.indexOf(name.toLowerCase()) + 1)
}

/**
 * RFC 9110 5.6.7: two digits mean a year of the last hundred years. Stores have no objects from
 * before 1970.
 */
function fullYear(digits: string): string {
  if (digits.length === 4) return digits
  return Number(digits) >= 70 ? `19${digits}` : `20${digits}`
}
