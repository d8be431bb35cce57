// Why: the process behind test/support/source-skein.ts: all of Skein, without the command line.
// SIGTERM stops it in order.
//   node worker-skein-child.ts <definitions as JSON>
import { writeSync } from 'node:fs'
import { loadConfig } from '../../../src/config/read-config.ts'
import { run } from '../../../src/process/roles/local-role.ts'

const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
const definitions = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>
await run(loadConfig({ mode: 'local', definitions, environment: {} }), {
  stdout: (text) => void writeSync(1, text),
  stderr: (text) => void writeSync(2, text),
  stop: stop.signal,
})
