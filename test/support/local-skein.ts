// Why: many tests want a whole Skein and nothing else. How: `skein local` in a home of its own,
// every port picked by the system, found by `<home>/skein.json` as a user's command line finds it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'
import { main } from './cluster.ts'
import { runHere } from './command-here.ts'
import type { CommandResult } from './command-result.ts'
import type { Origin } from './origin/server.ts'
import { testCredential } from './origin/stores.ts'
import { childEnvironment } from './child-environment.ts'

/** Every port 0, for a configuration. */
export const freePortProperties: Readonly<Record<string, string>> = Object.fromEntries(
  ['master', 'worker', 'job.master', 'job.worker']
    .flatMap((role) => [`goosefs.${role}.rpc.port`, `goosefs.${role}.web.port`])
    .concat('goosefs.worker.data.port', 'skein.gateway.s3.port', 'skein.gateway.webhdfs.port')
    .map((key) => [key, '0']),
)
/** Every port 0, for a command line. */
export const freePorts: readonly string[] = Object.entries(freePortProperties).map(([key, port]) => `-D${key}=${port}`)

export interface LocalSkeinOptions {
  readonly quota?: string
  /** Extra `-Dkey=value`. */
  readonly properties?: Readonly<Record<string, string | number>>
}

export class LocalSkein {
  readonly folder: string
  readonly home: string
  readonly #args: readonly string[]
  #child: Child | undefined
  #commands = 0

  constructor(options: LocalSkeinOptions = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'skein-local-'))
    this.home = join(this.folder, 'home')
    mkdirSync(this.home)
    const properties = { 'goosefs.worker.tieredstore.level0.dirs.quota': options.quota ?? '1GB', ...options.properties }
    this.#args = [
      'local',
      '--home',
      this.home,
      ...freePorts,
      ...Object.entries(properties).map(([key, value]) => `-D${key}=${value}`),
    ]
  }

  static async start(options: LocalSkeinOptions = {}): Promise<LocalSkein> {
    const skein = new LocalSkein(options)
    await skein.start()
    return skein
  }

  /** Starts it (again, after a kill) and waits for its ready line. */
  async start(): Promise<void> {
    this.#child = startChild(process.execPath, [main, ...this.#args], { logFile: this.logFile })
    await this.#child.line((line) => (line.startsWith('{"ready"') ? line : undefined), 40_000)
  }

  get child(): Child {
    if (this.#child === undefined) throw new Error('skein local is not running')
    return this.#child
  }

  get logFile(): string {
    return join(this.folder, 'local.log')
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8')
  }

  /** What `skein local` wrote into its home for clients. */
  addresses(): Record<string, string> {
    return JSON.parse(readFileSync(join(this.home, 'skein.json'), 'utf8')) as Record<string, string>
  }

  /** Runs a client command to its end, in this process. */
  cli(...args: readonly string[]): Promise<CommandResult> {
    return runHere(args, { env: { SKEIN_HOME: this.home }, timeoutMs: 60_000 })
  }

  /**
   * Starts a client command as a process, to be signalled; its stderr is in the file that comes
   * back with it.
   */
  startCli(...args: readonly string[]): { readonly child: Child; readonly stderr: () => string } {
    this.#commands += 1
    const logFile = join(this.folder, `command-${this.#commands}.log`)
    const child = startChild(process.execPath, [main, ...args], {
      logFile,
      env: childEnvironment({ SKEIN_HOME: this.home }),
    })
    return { child, stderr: () => readFileSync(logFile, 'utf8') }
  }

  /** `ns create` of an origin's bucket, path style. */
  createNamespace(name: string, origin: Origin, bucket: string, more: readonly string[] = []): Promise<CommandResult> {
    return this.cli('ns', 'create', name, `s3://${bucket}/`, ...storeFlags(origin.url), ...more)
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    const { stdout, stderr } = await this.cli('--format', 'json', ...args)
    if (stdout === '') throw new Error(stderr)
    return JSON.parse(stdout) as T
  }

  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.#child?.end(signal)
    this.#child = undefined
  }

  async dispose(): Promise<void> {
    await this.stop()
    if (process.env['SKEIN_KEEP'] === undefined) rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Attributes and secrets of an S3 namespace. */
export function storeFlags(
  endpoint: string,
  secretKey: string = testCredential.secretAccessKey,
  accessKey: string = testCredential.accessKeyId,
): string[] {
  return [
    ...[
      '--attribute',
      `s3.endpoint=${endpoint}`,
      '--attribute',
      's3.region=us-east-1',
      '--attribute',
      's3.forcePathStyle=true',
    ],
    ...['--secret', `s3.accessKeyId=${accessKey}`, '--secret', `s3.secretAccessKey=${secretKey}`],
  ]
}

/**
 * The one line that a failed command leaves on stderr. Throws when it is more or less than that.
 */
export function oneLine(result: CommandResult): string {
  const lines = result.stderr.split('\n')
  if (lines.length !== 2 || lines[1] !== '' || !lines[0]?.startsWith('skein: '))
    throw new Error(`not one line: ${result.stderr}`)
  return lines[0].slice('skein: '.length)
}

/** Without the JSON lines of a role's log. */
export function withoutLog(stderr: string): string {
  return stderr
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n')
}
