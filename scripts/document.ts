// Why: the pages of keys, metrics and commands are those of their definitions, word for word, and
// the figures that pages quote are those of the last results (bench/report/quotes.ts). `npm run
// document` writes them; with --check, as the lint runs it, a page that is out of date is named.
// Usage: node document.ts [--check]
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { documentCompared } from '../src/cli/compared-commands.ts'
import { documentCommands } from '../src/cli/document-commands.ts'
import { commandTree } from '../src/cli/program.ts'
import { documentKeys } from '../src/config/keys/document-keys.ts'
import { documentNamespaceKeys } from '../src/cli/frame/namespace-keys.ts'
import { documentMetrics } from '../src/telemetry/document-metrics.ts'
import { goosefsClientsPage } from './goosefs-clients-page.ts'
import { quoted } from './bench/report/quotes.ts'
import { ResultFolder } from './bench/report/result-folder.ts'

const made = '<!-- Made by `npm run document`; edit the definitions in src. -->'
const root = join(import.meta.dirname, '..')
const results = new ResultFolder(join(root, 'tuning/results')).read()
const quoting = ['README.md', ...globSync('docs/*.md', { cwd: root })].map(
  (name) => [name, compared(quoted(readFileSync(join(root, name), 'utf8'), results))] as const,
)
const pages: Readonly<Record<string, string>> = {
  ...Object.fromEntries(quoting),
  'docs/configuration.md': `# Configuration

${made}

Keys are those of GooseFS, so its tuning guides hold. A value comes from one of these places; a later one wins:

1. the default
2. a profile, where \`skein.profile\` names one (see \`tuning/\`)
3. \`skein-site.properties\`, or \`goosefs-site.properties\`, in \`<home>/conf\`
4. the environment: the key in capitals with underscores, such as \`GOOSEFS_MASTER_HOSTNAME\`
5. \`-Dkey=value\` on the command line

\`skein getConf [key]\` shows the value and its place. A role or command with an unknown key or a
bad value refuses to start, and names the key, the place, and the nearest key that exists. Sizes are powers of 1024;
a duration without a unit is milliseconds.

${documentKeys()}
${documentNamespaceKeys()}`,
  'docs/goosefs-clients.md': goosefsClientsPage(join(root, 'test/clients/goosefs'), made),
  'docs/metrics.md': `# Metrics

${made}

Every role serves its metrics on its web port at \`/metrics\` (Prometheus text), beside \`/healthz\` and \`/readyz\`.
Requests must name the role by an address, by its own host name, or by a name in \`skein.http.host.names\` (for a
scraper that uses a service name). \`skein local\` serves the metrics of all roles. Counters and histograms start at 0
with the process.

${documentMetrics()}`,
  'docs/cli.md': `# Commands

${made}

\`skein --help\` and \`skein <group> <command> --help\` show the same.
The command line is also installed as \`goosefs\`.
\`skein completion bash\` (or \`zsh\`, \`fish\`) prints a completion script for a shell.

${documentCommands(await commandTree())}`,
}

/** The page with the table of commands of GooseFS and Alluxio in its place, if it has one. */
function compared(page: string): string {
  return page.replace(/(<!-- compared commands[^\n]*-->\n)[^]*?(<!-- end -->)/, (_, before, after) => {
    return `${before}${documentCompared()}${after}`
  })
}

const isCheck = process.argv.includes('--check')
for (const [name, text] of Object.entries(pages)) {
  const path = join(root, name)
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (before === text) continue
  if (isCheck) {
    console.error(`${name} is out of date: run npm run document`)
    process.exitCode = 1
  } else {
    writeFileSync(path, text)
  }
}
