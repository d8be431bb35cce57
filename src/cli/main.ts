// Why: the entry point of the `skein` command. How: turns on Node's compile cache before anything
// else is loaded, binds the process's streams and signals, and hands over to run.ts.
import { enableCompileCache } from 'node:module'
import type { CliIo } from './frame/context.ts'

// libuv reads this when its pool is first used: four threads are all taken by the file writes of a
// load, and readers, name look-ups and the journal then wait for them. Nothing above may use the
// pool.
process.env['UV_THREADPOOL_SIZE'] ??= '16'
enableCompileCache()
const { runCli } = await import('./run.ts')
const { surroundingsOf } = await import('./surroundings.ts')
const { exitCodes } = await import('./frame/exit-codes.ts')
const { missingBounds } = await import('./memory-bounds.ts')

/**
 * SIGINT and SIGTERM go to the listener that came last; with none (only output is left to be
 * written) they end the process. With SKEIN_STOP_WITH_STDIN=1 so does the end of stdin.
 */
function stopListeners(): CliIo['onStop'] {
  const listeners: (() => void)[] = []
  const onSignal = (): void => {
    const listener = listeners.at(-1)
    if (listener === undefined) process.exit(exitCodes.cancelled)
    listener()
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  // Whoever started this process holds the other end: it is closed when they end, however they do.
  if (process.env['SKEIN_STOP_WITH_STDIN'] === '1') process.stdin.resume().once('close', onSignal)
  return (listener) => {
    listeners.push(listener)
    return () => {
      const index = listeners.lastIndexOf(listener)
      if (index >= 0) listeners.splice(index, 1)
    }
  }
}

// A reader that has seen enough (`skein fs ls -R | head`) is no failure, and changes nothing of
// what came of a load.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  process.stderr.write(`skein: stdout cannot be written: ${error.message}\n`)
  process.exit(exitCodes.failed)
})
// What is said beside the result may get lost; the command goes on, and its exit code counts.
process.stderr.on('error', () => undefined)

const io: CliIo = {
  stdout: (text) => void process.stdout.write(text),
  writeBytes: (bytes) =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error === null || error === undefined ? resolve() : reject(error)))
    }),
  stderr: (text) => void process.stderr.write(text),
  stderrIsTerminal: process.stderr.isTTY,
  columns: () => process.stderr.columns ?? 80,
  onStop: stopListeners(),
  setExitCode: (code) => {
    process.exitCode = code
  },
  exit: leave,
  boundMemory: (config) => {
    const { execPath, execArgv, argv, env } = process
    const bounds = missingBounds(config, execArgv, env)
    if (bounds === undefined || process.execve === undefined) return
    const environment = Object.entries({ ...env, ...bounds.environment }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    )
    process.execve(
      execPath,
      [execPath, ...execArgv, ...bounds.flags, ...argv.slice(1)],
      Object.fromEntries(environment) as NodeJS.ProcessEnv,
    )
  },
}

/**
 * Ends the process at once. process.exit waits for the threads that open and read files, and a disk
 * that hangs would keep it for ever; a process that becomes another one waits for nothing.
 */
function leave(code: number): void {
  process.execve?.(process.execPath, [process.execPath, '--eval', `process.exit(${code})`], {})
  process.exit(code)
}

/**
 * What was written to a pipe or socket may still be in this process: ending it before that is out
 * would lose it.
 */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}

const exitCode = await runCli(process.argv.slice(2), io, surroundingsOf(process.env, io.stderr))
await Promise.all([flushed(process.stdout), flushed(process.stderr)])
process.exit(exitCode)
