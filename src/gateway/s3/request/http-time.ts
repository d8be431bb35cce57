// Why: times in headers have one form since RFC 1123, and clients send older ones. How: RFC 9110,
// 5.6.7: IMF-fixdate, RFC 850 and asctime.

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const clock = String.raw`(\d{2}):(\d{2}):(\d{2})`
const fixdate = new RegExp(
  String.raw`^[a-z]{3,9}, (\d{2})[ -]([a-z]{3})[ -](\d{4}|\d{2}) ${clock} (?:GMT|UTC|\+0000)$`,
  'i',
)
const asctime = new RegExp(String.raw`^[a-z]{3} ([a-z]{3}) ([ \d]\d) ${clock} (\d{4})$`, 'i')

/** Milliseconds since 1970; undefined when the text is no time of HTTP. */
export function timeOfHeader(text: string): number | undefined {
  const value = text.trim()
  const fixed = fixdate.exec(value)
  if (fixed !== null) {
    const [, day, month = '', year = '', hour, minute, second] = fixed
    const century = year.length === 4 ? 0 : Number(year) >= 70 ? 1900 : 2000
    return utc(century + Number(year), month, Number(day), [hour, minute, second])
  }
  const old = asctime.exec(value)
  if (old === null) return undefined
  const [, month = '', day, hour, minute, second, year] = old
  return utc(Number(year), month, Number(day), [hour, minute, second])
}

/** As in `Last-Modified`. */
export function headerTime(ms: number): string {
  return new Date(ms).toUTCString()
}

function utc(
  year: number,
  monthName: string,
  day: number,
  clockParts: readonly (string | undefined)[],
): number | undefined {
  const [hour = 0, minute = 0, second = 0] = clockParts.map(Number)
  const month = months.indexOf(monthName.toLowerCase())
  const isDay = month >= 0 && day >= 1 && day <= new Date(Date.UTC(year, month + 1, 0)).getUTCDate()
  if (!isDay || hour > 23 || minute > 59 || second > 60) return undefined
  return Date.UTC(year, month, day, hour, minute, second)
}
