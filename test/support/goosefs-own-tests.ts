// Why: Tencent's own tests of its client are what that client expects of a GooseFS. How: pytest
// runs them where scripts/clients.sh has put them, in a copy of the folder; nothing of them is in
// this project. The outcomes come from pytest's report in the form of JUnit.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { clientEnvironment, goosefsSources, newestGoosefs, pythonOf } from './goosefs-clients.ts'

export interface OwnTestOutcome {
  /** `test_file.py::test_name[parameters]` */
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  /** What pytest says of a failure or of a skipped test. */
  readonly message: string
}

/** As pyproject.toml of the sources has it, with more patience. */
const settings = `[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = session
timeout = 150
`
const testCase = /<testcase classname="([^"]*)" name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g
const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', '#10': '\n', '#x27': "'" }

/**
 * @param more words for pytest, such as names of files
 * @throws Error with the end of pytest's output when there is no report
 */
export async function runOwnTests(
  cluster: { readonly master: string; readonly worker: string },
  more: readonly string[] = [],
): Promise<readonly OwnTestOutcome[]> {
  const folder = mkdtempSync(join(tmpdir(), 'skein-own-tests-'))
  try {
    cpSync(join(goosefsSources, 'bindings/python/tests'), join(folder, 'tests'), { recursive: true })
    writeFileSync(join(folder, 'pytest.ini'), settings)
    const report = join(folder, 'report.xml')
    const words = ['-m', 'pytest', '--quiet', '--tb=short', `--junitxml=${report}`, ...more]
    const pytest = spawn(pythonOf(newestGoosefs), words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: folder,
      env: clientEnvironment({
        ...{ GOOSEFS_MASTER_ADDR: cluster.master, GOOSEFS_WORKER_ADDR: cluster.worker },
        ...{ GOOSEFS_AUTH_TYPE: 'simple', GOOSEFS_WORKER_BLOCK_STORE_TYPE: 'FILE' },
      }),
    })
    const output: Buffer[] = []
    for (const stream of [pytest.stdout, pytest.stderr]) stream.on('data', (bytes: Buffer) => output.push(bytes))
    await once(pytest, 'close')
    if (!existsSync(report)) throw new Error(Buffer.concat(output).toString('utf8').slice(-3000))
    return [...readFileSync(report, 'utf8').matchAll(testCase)].map(([, where = '', name = '', inner = '']) =>
      outcomeOf(where, name, inner),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** @param where the module and, after it, the class */
function outcomeOf(where: string, name: string, inner: string): OwnTestOutcome {
  const [file = '', ...classes] = where.replace(/^tests\./, '').split('.')
  const found = /<(failure|error|skipped)[^>]*?message="([^"]*)"/.exec(inner)
  return {
    name: plain([`${file}.py`, ...classes, name].join('::')),
    outcome: found === null ? 'passed' : found[1] === 'skipped' ? 'skipped' : 'failed',
    message: plain(found?.[2] ?? '').slice(0, 600),
  }
}

function plain(text: string): string {
  return text.replaceAll(/&(#?\w+);/g, (whole, name: string) => entities[name] ?? whole)
}
