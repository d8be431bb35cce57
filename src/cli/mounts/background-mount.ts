// Why: a script mounts and goes on. How: the same command without `--background` in a process of
// its own; this one waits for its ready line, or for its end, and passes on what it says. Later
// messages go to a file below the home directory.
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import type { CommandContext } from '../frame/context.ts'
import type { ExitCode } from '../frame/exit-codes.ts'

/** @throws SkeinError failed_precondition when the log cannot be written */
export async function mountInBackground(context: CommandContext, home: string, mountPoint: string): Promise<void> {
  const log = join(home, 'logs', `fuse${mountPoint.replaceAll('/', '-')}.log`)
  let descriptor
  try {
    mkdirSync(join(home, 'logs'), { recursive: true })
    descriptor = openSync(log, 'a', 0o600)
  } catch (thrown) {
    throw new SkeinError('failed_precondition', `${log} cannot be written: ${(thrown as Error).message}`)
  }
  const before = statSync(log).size
  const words = process.argv.slice(1).filter((word) => word !== '--background')
  const child = spawn(process.execPath, [...process.execArgv, ...words], {
    detached: true,
    stdio: ['ignore', 'pipe', descriptor],
  })
  closeSync(descriptor)
  const ready = await new Promise<string | number>((resolve, reject) => {
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (text.includes('\n')) resolve(text)
    })
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
  if (typeof ready === 'string') {
    context.io.stdout(ready)
    child.stdout?.destroy()
    child.unref()
    return
  }
  context.io.stderr(readFileSync(log).subarray(before).toString('utf8'))
  context.setExitCode(ready as ExitCode)
}
