// Why: what Redis does when it is flushed, killed or restarted is only known to Redis. How: a real
// redis-server on a free loopback port in a directory of its own, started again on the same port.
// Ends with the test's process at the latest.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export interface RedisServer {
  readonly port: number
  /** Where its append-only file lies. */
  readonly directory: string
  /** `redis://127.0.0.1:port` (no password). */
  readonly url: string
  /** Starts it again after stop or kill, and resolves when it answers. */
  start(): Promise<void>
  /** SIGTERM: saves and ends. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): Promise<void>
  /** SIGSTOP and SIGCONT. */
  freeze(): void
  thaw(): void
  /** Sends one command (words without blanks) and gives the raw reply. */
  command(...words: string[]): Promise<string>
  /** Ends it for good and removes its files. */
  dispose(): Promise<void>
}

/**
 * Whether redis-server can be started here. In CI a missing one is an error, not a reason to skip.
 */
export const redisAvailable: boolean = probe()

function probe(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    if (process.env['CI'] === 'true') throw new Error('redis-server is needed in CI: install it')
    return false
  }
}

export async function startRedis(
  options: { readonly password?: string; readonly extra?: readonly string[] } = {},
): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'skein-redis-'))
  const port = await freePort()
  let child: ChildProcess | undefined

  const start = async (): Promise<void> => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null)
      throw new Error('redis-server runs already')
    const auth = options.password === undefined ? [] : ['--requirepass', options.password]
    const settings = [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      directory,
      '--save',
      '',
      '--appendonly',
      'yes',
      '--maxmemory-policy',
      'noeviction',
    ]
    child = spawn('redis-server', [...settings, ...auth, ...(options.extra ?? [])], { stdio: 'ignore' })
    for (let attempt = 0; ; attempt += 1) {
      const reply = await exchange(port, options.password, ['PING']).catch(() => '')
      if (reply.includes('PONG')) return
      if (attempt > 200 || child.exitCode !== null) throw new Error(`redis-server did not start on port ${port}`)
      await delay(50)
    }
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child
    child = undefined
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
    ending.kill(signal)
    await once(ending, 'exit')
  }
  const atExit = (): void => {
    child?.kill('SIGKILL')
  }
  process.once('exit', atExit)
  await start()
  return {
    port,
    directory,
    url: `redis://127.0.0.1:${port}`,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    command: (...words) => exchange(port, options.password, words),
    dispose: async () => {
      await end('SIGKILL')
      process.off('exit', atExit)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/**
 * Redis inline commands,
 * https://redis.io/docs/latest/develop/reference/protocol-spec/#inline-commands
 */
async function exchange(port: number, password: string | undefined, words: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    if (password !== undefined) {
      socket.write(`AUTH ${password}\r\n`)
      await once(socket, 'data')
    }
    socket.write(`${words.join(' ')}\r\n`)
    const [reply] = (await once(socket, 'data')) as [Buffer]
    return reply.toString('utf8')
  } finally {
    socket.destroy()
  }
}
