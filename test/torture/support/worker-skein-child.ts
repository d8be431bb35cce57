// Why: the process behind test/support/source-skein.ts: all of Skein, without the command line.
// SIGTERM stops it in order. How: like the command line, it keeps its compiled code for the next
// start, which halves the processor time of a start.
//   node worker-skein-child.ts <definitions as JSON>
import { writeSync } from 'node:fs'
import { enableCompileCache, flushCompileCache } from 'node:module'

enableCompileCache()
const { loadConfig } = await import('../../../src/config/read-config.ts')
const { run } = await import('../../../src/process/roles/local-role.ts')

const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
const definitions = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>
await run(loadConfig({ mode: 'local', definitions, environment: {} }), {
  stdout: (text) => {
    writeSync(1, text)
    flushCompileCache()
  },
  stderr: (text) => void writeSync(2, text),
  stop: stop.signal,
})
