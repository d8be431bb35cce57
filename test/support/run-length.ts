// Why: what a test proves with a few seeds, kills or megabytes it proves with many more when
// somebody has the time. How: `bash scripts/test.sh --long` sets SKEIN_TEST_LONG=1; everything else
// runs the short form.

const isLong = process.env['SKEIN_TEST_LONG'] === '1'

/** How many, or how large: the first in an ordinary run, the second in a long one. */
export function ordinaryOrLong<T>(ordinary: T, long: T): T {
  return isLong ? long : ordinary
}
