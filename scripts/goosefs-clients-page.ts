// Why: which client of GooseFS does what on Skein is known from runs only. How: the results that
// test/integration/goosefs-*.test.ts have recorded, one file a client, as tables; the tests compare
// each later run with the same files, and scripts/document.ts keeps the page.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

type Results = Readonly<Record<string, string>>

interface Column {
  readonly title: string
  /** Names of the files whose results are joined. */
  readonly files: readonly string[]
}

const columns: readonly Column[] = [
  ...['0.2.2', '0.2.1', '0.1.9'].map((version) => ({
    title: `Python ${version}`,
    files: [`python-${version}-sync`, `python-${version}-async`],
  })),
  { title: '`goosefs-sdk` 0.2.2', files: ['rust-sdk'] },
  { title: 'OpenDAL 0.59.5', files: ['rust-opendal'] },
]
const tables: readonly Column[] = [
  { title: 'pandas and pyarrow', files: ['python-tables'] },
  { title: 'Lance 14.0.2', files: ['lance'] },
]

/** @param folder test/clients/goosefs */
export function goosefsClientsPage(folder: string, made: string): string {
  const read = (file: string): Results => {
    const path = join(folder, 'results', `${file}.json`)
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Results) : {}
  }
  const leftOut = JSON.parse(readFileSync(join(folder, 'left-out.json'), 'utf8')) as { test: string; reason: string }[]
  return `# Clients of GooseFS

${made.replace('edit the definitions in src', 'the results are in test/clients/goosefs')}

Skein's master and workers speak GooseFS's own protocol on their ports, so these clients run as they are. They need
the address of the master, and a store at \`/\` (\`goosefs.master.mount.table.root.ufs\`) or paths within a namespace.

## Operations

Each client has done each operation on a cluster of three workers. What was written was compared, by its SHA-256, with
what \`skein fs cat\` prints and with the object in the store. Each version for Python was tried by its calls that
wait and by its asynchronous ones. A dash: the program for this client does not try it.

${matrix(columns, read)}
## Tables

${tables.map(({ title, files }) => `- ${title}: ${sentence(files, read)}`).join('\n')}

## Tencent's own tests

The tests in the sources of \`goosefs\` 0.2.2 for Python, run on Skein:

| workers | passed | left out |
| --- | --- | --- |
${[1, 3].map((workers) => ownTests(workers, read(`own-tests-${workers}-workers`))).join('\n')}

${reasons(leftOut)}

## To try them

\`bash scripts/clients.sh --goosefs --rust\` gets the clients and Tencent's tests into the cache of the user, and
\`npx vitest run --project integration test/integration/goosefs-*\` runs them. With \`SKEIN_RECORD=1\` in the
environment the results are written, and \`npm run document\` makes this page of them.
`
}

function matrix(of: readonly Column[], read: (file: string) => Results): string {
  const results = of.map(({ files }) => files.map(read))
  const operations = [...new Set(results.flat().flatMap((result) => Object.keys(result)))]
  const rows = operations.map((operation) => {
    const cells = results.map((joined) => cell(joined.map((result) => result[operation])))
    return `| ${words(operation)} | ${cells.join(' | ')} |`
  })
  const head = `| operation | ${of.map(({ title }) => title).join(' | ')} |`
  return `${head}\n|${' --- |'.repeat(of.length + 1)}\n${rows.join('\n')}\n`
}

/** As a person reads the name of an operation; types are in capitals. */
function words(operation: string): string {
  return operation.replace(/(?<=^write_)[A-Z_]+$/, (type) => `\`${type}\``).replaceAll(/_(?=[a-z`])/g, ' ')
}

function reasons(leftOut: readonly { readonly test: string; readonly reason: string }[]): string {
  if (leftOut.length === 0) return 'None is left out.'
  const rows = leftOut.map(({ test, reason }) => `| \`${test}\` | ${reason} |`)
  return `Left out:\n\n| test | reason |\n| --- | --- |\n${rows.join('\n')}`
}

function cell(outcomes: readonly (string | undefined)[]): string {
  if (outcomes.every((outcome) => outcome === undefined)) return '-'
  return outcomes.every((outcome) => outcome === 'ok') ? 'yes' : 'no'
}

function sentence(files: readonly string[], read: (file: string) => Results): string {
  const entries = files.flatMap((file) => Object.entries(read(file)))
  const named = entries.map(([name, outcome]) => `${name.replaceAll('_', ' ')} ${outcome === 'ok' ? 'yes' : 'no'}`)
  return named.length === 0 ? 'not tried' : named.join(', ')
}

function ownTests(workers: number, results: Results): string {
  return `| ${workers} | ${results['passed'] ?? '-'} | ${results['left out'] ?? '-'} |`
}
