// Why: integration tests run Skein as its users do: one process a role, started by the command
// line, found by ready lines. How: every role has a fixed port that was free at the start, so that
// a killed role can come back at the same address.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Child, startChild } from './child.ts'
import { runHere } from './command-here.ts'
import type { CommandResult } from './command-result.ts'
import { freePort } from './free-port.ts'
import { childEnvironment } from './child-environment.ts'

const root = join(import.meta.dirname, '../..')
/** The command line, as `npm run build` leaves it. */
export const main = join(root, 'dist/cli/main.js')

interface Role {
  readonly name: string
  readonly args: readonly string[]
  child: Child | undefined
}

export interface ClusterOptions {
  readonly queueUrl: string
  readonly workers?: number
  readonly quota?: string
  /** False: no job master and no job workers. */
  readonly jobs?: boolean
  /** Each worker listens at a loopback address of its own: clients of GooseFS tell hosts by it. */
  readonly apart?: boolean
  /** A gateway, which is no worker's host. */
  readonly gateway?: boolean
  /** Extra `-Dkey=value` for every role. */
  readonly properties?: Readonly<Record<string, string>>
}

/** Runs one command to its end, as a process. */
export function run(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; timeoutMs?: number } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: childEnvironment(options.env),
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 180_000)
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.once('close', (code) => {
      clearTimeout(timer)
      const bytes = Buffer.concat(out)
      resolve({ code, stdout: bytes.toString('utf8'), stderr: Buffer.concat(err).toString('utf8'), bytes })
    })
  })
}

/** Roles: `master`, `job-master`, `worker-1`.., `job-worker-1`.., `gateway`. */
export class Cluster {
  readonly home: string
  readonly masterAddress: string
  readonly #roles: ReadonlyMap<string, Role>

  private constructor(home: string, masterAddress: string, roles: readonly Role[]) {
    this.home = home
    this.masterAddress = masterAddress
    this.#roles = new Map(roles.map((role) => [role.name, role]))
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const home = mkdtempSync(join(tmpdir(), 'skein-cluster-'))
    const masterPort = await freePort()
    const flags = (properties: Readonly<Record<string, string | number>>): string[] =>
      Object.entries({
        'goosefs.master.hostname': '127.0.0.1',
        'goosefs.master.rpc.port': masterPort,
        'goosefs.master.web.port': 0,
        'skein.queue.url': options.queueUrl,
        'skein.ufs.allowPrivateEndpoints': 'true',
        'skein.ufs.file.roots': tmpdir(),
        ...options.properties,
        ...properties,
      }).map(([key, value]) => `-D${key}=${value}`)
    const roles: Role[] = []
    const add = (name: string, command: string, properties: Readonly<Record<string, string | number>>): void => {
      roles.push({ name, args: [command, ...flags(properties)], child: undefined })
    }
    add('master', 'master', { 'skein.home': join(home, 'main') })
    const { jobs = true, gateway = false } = options
    if (jobs)
      add('job-master', 'job-master', {
        'skein.home': join(home, 'main'),
        'goosefs.job.master.rpc.port': await freePort(),
        'goosefs.job.master.web.port': 0,
      })
    for (let n = 1; n <= (options.workers ?? 2); n += 1) {
      const host = join(home, `host-${n}`)
      mkdirSync(join(host, 'cache'), { recursive: true })
      const shared = { 'skein.home': host, 'goosefs.worker.hostname': `host-${n}` }
      add(`worker-${n}`, 'worker', {
        ...shared,
        ...(options.apart && { 'skein.worker.bind.host': `127.0.0.${n + 1}` }),
        'goosefs.worker.rpc.port': await freePort(),
        'goosefs.worker.data.port': await freePort(),
        'goosefs.worker.web.port': 0,
        'goosefs.worker.tieredstore.level0.dirs.path': join(host, 'cache'),
        'goosefs.worker.tieredstore.level0.dirs.quota': options.quota ?? '4GB',
        'goosefs.worker.tieredstore.level0.dirs.mediumtype': 'SSD',
      })
      if (jobs)
        add(`job-worker-${n}`, 'job-worker', {
          ...shared,
          'goosefs.job.worker.rpc.port': await freePort(),
          'goosefs.job.worker.web.port': 0,
        })
    }
    if (gateway)
      add('gateway', 'gateway', {
        'skein.home': join(home, 'gateway'),
        'skein.gateway.s3.port': 0,
        'skein.gateway.webhdfs.port': 0,
        'skein.gateway.web.port': 0,
      })
    const cluster = new Cluster(home, `127.0.0.1:${masterPort}`, roles)
    try {
      for (const role of roles) await cluster.startRole(role.name)
    } catch (error) {
      await cluster.stop()
      throw error
    }
    return cluster
  }

  /** Starts a role, with these flags this time, and waits for its ready line. */
  async startRole(name: string, flags: readonly string[] = []): Promise<void> {
    const role = this.#role(name)
    role.child = startChild(process.execPath, [main, ...role.args, ...flags], { logFile: this.logFile(name) })
    await role.child.line((line) => (line.startsWith('{"ready"') ? line : undefined), 40_000)
  }

  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const role = this.#role(name)
    await role.child?.end(signal)
    role.child = undefined
  }

  /**
   * Starts a role once more beside the one that runs, on other ports, as a mistake does; gives what
   * came of it.
   */
  startSecond(name: string): Promise<CommandResult> {
    return run([...this.#role(name).args, `-Dgoosefs.${name.replace('-', '.')}.rpc.port=0`], { timeoutMs: 60_000 })
  }

  signal(name: string, signal: NodeJS.Signals): void {
    this.#role(name).child?.process.kill(signal)
  }

  logFile(name: string): string {
    return join(this.home, `${name}.log`)
  }

  log(name: string): string {
    return existsSync(this.logFile(name)) ? readFileSync(this.logFile(name), 'utf8') : ''
  }

  pid(name: string): number {
    return this.#role(name).child?.pid ?? -1
  }

  /** A role's web port, as its ready line says it. */
  webAddress(name: string): string {
    return this.ready(name)['web'] ?? ''
  }

  /** The addresses in the ready line of a role. */
  ready(name: string): Readonly<Record<string, string>> {
    const ready = this.#role(name)
      .child?.stdout()
      .split('\n')
      .find((line) => line.startsWith('{"ready"'))
    return JSON.parse(ready ?? '{}') as Record<string, string>
  }

  /** Runs a client command against this cluster, in this process. */
  cli(args: readonly string[], timeoutMs?: number): Promise<CommandResult> {
    return runHere(args, {
      env: { SKEIN_MASTER: this.masterAddress, SKEIN_HOME: join(this.home, 'client') },
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    })
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#roles.keys()].map((name) => this.kill(name, 'SIGKILL')))
    if (process.env['SKEIN_KEEP'] === undefined) rmSync(this.home, { recursive: true, force: true })
  }

  #role(name: string): Role {
    const role = this.#roles.get(name)
    if (role === undefined) throw new Error(`no role ${name}`)
    return role
  }
}
