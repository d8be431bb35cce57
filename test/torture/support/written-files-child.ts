// Why: the process that written-files.test.ts kills: all of Skein, without the command line.
//   node written-files-child.ts <definitions as JSON>
import { writeSync } from 'node:fs'
import { loadConfig } from '../../../src/config/read-config.ts'
import { run } from '../../../src/process/roles/local-role.ts'

const definitions = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>
const config = loadConfig({ mode: 'local', definitions, environment: {} })
await run(config, {
  stdout: (text) => void writeSync(1, text),
  stderr: (text) => void writeSync(2, text),
  stop: new AbortController().signal,
})
