// Why: integration tests start real processes and must end every one of them, by its process id,
// also when a test fails.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { childEnvironment } from './child-environment.ts'

export interface Child {
  readonly pid: number
  readonly process: ChildProcess
  /** Everything on stdout so far. */
  stdout(): string
  /**
   * Resolves with the first stdout line that `accept` turns into a value. Rejects when the process
   * ends or time runs out.
   */
  line<T>(accept: (line: string) => T | undefined, timeoutMs: number): Promise<T>
  /** Sends the signal and resolves when the process has ended. */
  end(signal: NodeJS.Signals): Promise<void>
  readonly ended: Promise<number | null>
}

export function isInstalled(command: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${command}`]).status === 0
}

/** Starts a process; stderr goes to `logFile`. */
export function startChild(
  command: string,
  args: readonly string[],
  options: { logFile: string; env?: NodeJS.ProcessEnv; cwd?: string },
): Child {
  // Written by the process itself: whatever it said is there when it has ended.
  const log = openSync(options.logFile, 'a')
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', log],
    env: options.env ?? childEnvironment(),
    cwd: options.cwd,
  })
  closeSync(log)
  let output = ''
  const watchers = new Set<() => void>()
  child.stdout?.setEncoding('utf8')
  child.stdout?.on('data', (text: string) => {
    output += text
    for (const watcher of watchers) watcher()
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)))
  child.once('error', () => undefined)
  return {
    pid: child.pid ?? -1,
    process: child,
    stdout: () => output,
    ended,
    line: (accept, timeoutMs) =>
      new Promise((resolve, reject) => {
        const finish = (error: Error | undefined, value?: Parameters<typeof resolve>[0]): void => {
          watchers.delete(look)
          clearTimeout(timer)
          if (error === undefined) resolve(value as Parameters<typeof resolve>[0])
          else reject(error)
        }
        const look = (): void => {
          for (const line of output.split('\n')) {
            const value = accept(line)
            if (value !== undefined) return finish(undefined, value)
          }
        }
        const timer = setTimeout(
          () =>
            finish(new Error(`${command} ${args.join(' ')}: no such line in ${timeoutMs} ms; see ${options.logFile}`)),
          timeoutMs,
        )
        watchers.add(look)
        void ended.then((code) =>
          finish(new Error(`${command} ${args.join(' ')} ended with ${code}; see ${options.logFile}`)),
        )
        look()
      }),
    end: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await ended
    },
  }
}
