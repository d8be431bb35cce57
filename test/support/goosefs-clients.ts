// Why: GooseFS's own clients are the judges of its protocol. How: the environments of Python and
// the programs in Rust that scripts/clients.sh puts into the cache; what is not there is named in
// one line, and its tests are skipped. Nothing of the caller's GooseFS settings reaches a client.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { childEnvironment } from './child-environment.ts'

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'skein/clients')
const programs = join(import.meta.dirname, '../clients/goosefs')
const longMs = 600_000

/** The newest and the two before it that have wheels for Linux. With the newest: pandas, pytest. */
export const goosefsVersions = ['0.2.2', '0.2.1', '0.1.9'] as const
export const newestGoosefs = goosefsVersions[0]

/** What `bindings/python` of the sources has: its own tests below `tests`. */
export const goosefsSources = join(cache, 'goosefs/sources', `goosefs-${newestGoosefs}`)
export const hasGoosefsTests =
  existsSync(join(goosefsSources, 'bindings/python/tests/conftest.py')) && imports(newestGoosefs, 'pytest_asyncio')
export const hasTables = imports(newestGoosefs, 'pandas, pyarrow')
export const hasLance = imports('lance', 'lance')
export const rustPrograms = join(cache, 'goosefs-rust/debug')

/** Each operation of a program, `ok` or what was wrong; the SHA-256 of what it left, by path. */
export interface ClientOutcome {
  readonly operations: Readonly<Record<string, string>>
  readonly files: Readonly<Record<string, string>>
}

/** The interpreter of a version's environment. */
export function pythonOf(version: string): string {
  return join(cache, 'goosefs', version, 'bin/python3')
}

export function imports(version: string, modules: string): boolean {
  return spawnSync(pythonOf(version), ['-c', `import ${modules}`]).status === 0
}

/** What a client finds in its environment; more of it by `extra`. */
export function clientEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return childEnvironment({ RUST_LOG: 'off', PYTHONDONTWRITEBYTECODE: '1', ...extra })
}

/** Runs a program of test/clients/goosefs to its end. Throws with its stderr when it fails. */
export async function runPython<T = ClientOutcome>(
  version: string,
  program: string,
  words: readonly string[],
  extra: NodeJS.ProcessEnv = {},
): Promise<T> {
  return lastLine<T>(pythonOf(version), [join(programs, program), ...words], extra)
}

export async function runRust(program: string, words: readonly string[]): Promise<ClientOutcome> {
  return lastLine(join(rustPrograms, program), words, {})
}

/** A program under way that is spoken to in lines. */
export interface Conversation {
  /** Sends a line. */
  say(text: string): void
  /** The next line that it prints. Throws when it ends before one. */
  heard(): Promise<string>
  end(): Promise<void>
}

export function conversePython(version: string, program: string, words: readonly string[]): Conversation {
  const child: ChildProcess = spawn(pythonOf(version), [join(programs, program), ...words], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: clientEnvironment(),
    cwd: tmpdir(),
  })
  const errors: Buffer[] = []
  child.stderr?.on('data', (bytes: Buffer) => errors.push(bytes))
  child.stdin?.on('error', () => undefined)
  const ended = once(child, 'close')
  if (child.stdout === null) throw new Error('no stdout')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    say: (text) => void child.stdin?.write(`${text}\n`),
    heard: async () => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error(`${program} ended: ${Buffer.concat(errors).toString('utf8').slice(-2000)}`)
      return value
    },
    end: async () => {
      child.stdin?.end()
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function lastLine<T>(command: string, args: readonly string[], extra: NodeJS.ProcessEnv): Promise<T> {
  const options = {
    timeout: longMs,
    env: clientEnvironment(extra),
    cwd: tmpdir(),
    maxBuffer: 16 * 1024 * 1024,
  }
  const { stdout } = await promisify(execFile)(command, args, options)
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as T
}
