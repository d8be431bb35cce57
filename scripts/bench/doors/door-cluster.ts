// Why: anybody can run the measurements of the doors, without a store and without a cluster. How:
// `skein local` in a folder of its own on free ports, a namespace on a local folder, and nginx
// beside it if it is installed.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../../../src/base/clock.ts'

const main = join(import.meta.dirname, '../../../src/cli/main.ts')
const never = new AbortController().signal
const startMs = 60_000

export interface StartedCluster {
  readonly addresses: Readonly<Record<string, string>>
  readonly home: string
  readonly pid: number
  close(): Promise<void>
}

/** @param quotaMib room of its cache */
export async function startCluster(folder: string, quotaMib: number): Promise<StartedCluster> {
  const home = join(folder, 'home')
  const store = join(folder, 'store')
  for (const one of [home, store]) mkdirSync(one)
  const ports = ['master', 'worker', 'job.master', 'job.worker']
    .flatMap((role) => [`goosefs.${role}.rpc.port`, `goosefs.${role}.web.port`])
    .concat('goosefs.worker.data.port', 'skein.gateway.s3.port', 'skein.gateway.webhdfs.port')
  const settings = [...ports.map((key) => `${key}=0`), `goosefs.worker.tieredstore.level0.dirs.quota=${quotaMib}MB`]
  const child = spawn(process.execPath, [main, 'local', '--home', home, ...settings.map((one) => `-D${one}`)], {
    stdio: 'ignore',
  })
  const file = join(home, 'skein.json')
  await until(() => existsSync(file), child, 'skein local')
  const { pid, ...addresses } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string> & { pid: number }
  const made = spawnSync(process.execPath, [main, 'ns', 'create', 'data', `file://${store}`, '--home', home])
  if (made.status !== 0) throw new Error(`the namespace was not created: ${made.stderr.toString()}`)
  return { addresses, home, pid, close: () => ended(child) }
}

/** Serves a folder with sendfile. Undefined: nginx is not installed. */
export async function startNginx(
  folder: string,
  root: string,
): Promise<{ url: string; pids: readonly number[]; close(): Promise<void> } | undefined> {
  const program = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/bin/nginx'].find((path) => existsSync(path))
  if (program === undefined) return undefined
  const port = await freePort()
  const prefix = join(folder, 'nginx')
  mkdirSync(prefix)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(prefix, name)};`)
    .join(' ')
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${join(prefix, 'pid')};
error_log ${join(prefix, 'error.log')};
events {}
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; ${temporary}
  server { listen 127.0.0.1:${port}; root ${root}; } }\n`,
  )
  const child = spawn(program, ['-p', prefix, '-c', join(prefix, 'nginx.conf')], { stdio: 'ignore' })
  await until(() => childrenOf(child.pid ?? 0).length > 0, child, 'nginx')
  const pids = [child.pid ?? 0, ...childrenOf(child.pid ?? 0)]
  return { url: `http://127.0.0.1:${port}`, pids, close: () => ended(child) }
}

/** Ends a process that was started here, and waits for it. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}

async function until(isSo: () => boolean, child: ChildProcess, what: string): Promise<void> {
  const untilMs = systemClock.monotonicMs() + startMs
  while (!isSo()) {
    if (child.exitCode !== null) throw new Error(`${what} ended with ${child.exitCode}`)
    if (systemClock.monotonicMs() > untilMs) throw new Error(`${what} did not start within ${startMs / 1000} s`)
    await systemClock.sleep(50, never)
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number)
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1])
  } catch {
    return undefined
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
