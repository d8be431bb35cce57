// Why: a property test must hold for every seed, and a run of many seeds must be able to choose
// them. How: with SKEIN_TEST_SEED in the environment (scripts/seeds.sh) each property that names no
// seed of its own begins with that one.
import * as fc from 'fast-check'

const seed = Number(process.env['SKEIN_TEST_SEED'])
if (!Number.isSafeInteger(seed))
  throw new Error(`SKEIN_TEST_SEED is not a whole number: ${process.env['SKEIN_TEST_SEED']}`)
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
