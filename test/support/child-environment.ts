// Why: a child reads every SKEIN_* and GOOSEFS_* name as configuration and warns of those it does
// not know; what the caller of the tests has set for the tests (a seed, a report) is none of its
// business.

/**
 * The environment of this process without the names of the product, and with `extra`. All roles run
 * with the profile that SKEIN_TEST_PROFILE names.
 */
export function childEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(?:SKEIN|GOOSEFS)_/.test(name))
  const profile = process.env['SKEIN_TEST_PROFILE']
  return { ...Object.fromEntries(own), ...(profile !== undefined && { SKEIN_PROFILE: profile }), ...extra }
}
