// Why: a sweep that is killed must not leave its cluster behind. How: starts one as a sweep does,
// says so, and waits to be killed.
import { systemClock } from '../../../src/base/clock.ts'
import { startOwnCluster } from '../../../src/cli/tune/sweep/own-cluster.ts'

const [folder = ''] = process.argv.slice(2)
const context = { clock: systemClock, environment: process.env, signal: new AbortController().signal }
const { address } = await startOwnCluster(context, folder, 0, {})
process.stdout.write(`${JSON.stringify({ address })}\n`)
await systemClock.sleep(3_600_000, context.signal)
