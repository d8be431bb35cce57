// Why: a child reads every SKEIN_* and GOOSEFS_* name as configuration and warns of those it does
// not know; what the caller of the tests has set for the tests (a seed, a report) is none of its
// business.

import { join } from 'node:path'

const profiles = join(import.meta.dirname, '../../tuning/profiles')

/**
 * The environment of this process without the names of the product, and with `extra`. All roles run
 * with the profile that SKEIN_TEST_PROFILE names.
 */
export function childEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(?:SKEIN|GOOSEFS)_/.test(name))
  const name = process.env['SKEIN_TEST_PROFILE']
  // By its path, because some tests run a copy of the program without the profiles.
  const profile = name === undefined ? {} : { SKEIN_PROFILE: join(profiles, `${name}.properties`) }
  return { ...Object.fromEntries(own), ...profile, ...extra }
}
