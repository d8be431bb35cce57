// Why: most settings are read when a role starts, so a sweep measures each of their values in a
// cluster of its own. How: `skein local` as a child of this process, in a temporary folder, with
// free ports, and with the settings that it is given and no others: none of the environment, none
// of a site file. Its cache has room for the files, and is deleted with the folder.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { SkeinError } from '../../../base/errors.ts'
import { throwIfAborted } from '../../../base/clock.ts'
import { isOurName, ownNames } from '../../../config/keys/environment-names.ts'
import { schema } from '../../../config/keys/schema.ts'
import { runningFile } from '../../../config/read-config.ts'
import type { CommandContext } from '../../frame/context.ts'

const main = join(import.meta.dirname, `../../main${extname(import.meta.filename)}`)
const startMs = 60_000
const endMs = 30_000
/** Of the files: blocks have headers, and a directory evicts before it is full. */
const roomShare = 1.3
const roomMin = 256 * 1024 ** 2
const ticksPerSecond = 100

export interface OwnCluster {
  /** `host:port` of its master. */
  readonly address: string
  /** Of the process. Undefined where the system does not tell: only Linux does. */
  usage(): { readonly peakBytes: number; readonly processorSeconds: number } | undefined
  /** Ends it and deletes its folder. */
  close(): Promise<void>
}

/** Settings of every own cluster, which others cannot change. */
function fixedSettings(home: string): Record<string, string> {
  const ports = Object.entries(schema).filter(([key, { kind }]) => kind === 'port' && !key.includes('{x}'))
  const noDoors = { 'skein.gateway.s3.port': '-1', 'skein.gateway.webhdfs.port': '-1' }
  // What is measured may be a root mount itself.
  const noRoot = { 'goosefs.master.mount.table.root.ufs': 'none' }
  return { ...Object.fromEntries(ports.map(([key]) => [key, '0'])), ...noDoors, ...noRoot, 'skein.home': home }
}

/**
 * @param parent the folder for its folder
 * @param bytes of the files that it is to hold
 * @throws SkeinError resource_exhausted (no room), failed_precondition with its last line when it
 *   does not start
 */
export async function startOwnCluster(
  { clock, environment, signal }: Pick<CommandContext, 'clock' | 'environment' | 'signal'>,
  parent: string,
  bytes: number,
  settings: Readonly<Record<string, string>>,
): Promise<OwnCluster> {
  throwIfAborted(signal)
  const quota = Math.ceil(roomMin + bytes * roomShare)
  const { bavail, bsize } = await statfs(parent)
  if (bavail * bsize < quota) {
    const message = `${parent} has ${bavail * bsize} free bytes, and the sweep needs ${quota}: name another --folder`
    throw new SkeinError('resource_exhausted', message)
  }
  const folder = mkdtempSync(join(parent, 'skein-sweep-'))
  const home = join(folder, 'home')
  // A point is measured with its own values, not with what a load makes of them.
  const usual = { 'goosefs.worker.tieredstore.level0.dirs.quota': String(quota), 'skein.tuning': 'off' }
  const all = { ...usual, ...settings, ...fixedSettings(home) }
  const log = join(folder, 'log')
  const descriptor = openSync(log, 'a', 0o600)
  const words = [main, 'local', '--home', home, ...Object.entries(all).map(([key, value]) => `-D${key}=${value}`)]
  const child = spawn(process.execPath, [...process.execArgv, ...words], {
    // It ends with its stdin, so also when this process is killed.
    stdio: ['pipe', 'ignore', descriptor],
    env: { ...cleanEnvironment(environment), SKEIN_STOP_WITH_STDIN: '1' },
  })
  closeSync(descriptor)
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const close = async (): Promise<void> => {
    await ended(child, clock)
    process.removeListener('exit', kill)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const address = await started(child, home, log, { clock, signal })
    return { address, usage: () => usageOf(child.pid), close }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

async function started(
  child: ChildProcess,
  home: string,
  log: string,
  { clock, signal }: Pick<CommandContext, 'clock' | 'signal'>,
): Promise<string> {
  const untilMs = clock.monotonicMs() + startMs
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      const last = readFileSync(log, 'utf8').trim().split('\n').at(-1) ?? ''
      throw new SkeinError('failed_precondition', `skein local did not start: ${last.slice(0, 1000)}`)
    }
    if (clock.monotonicMs() > untilMs) throw new SkeinError('unavailable', 'skein local did not start in time')
    try {
      const { master } = JSON.parse(readFileSync(runningFile(home), 'utf8')) as { master?: string }
      if (master !== undefined) return master
    } catch {
      // Not there yet.
    }
    await clock.sleep(50, signal)
  }
}

async function ended(child: ChildProcess, clock: CommandContext['clock']): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  const cancel = clock.schedule(endMs, () => void child.kill('SIGKILL'))
  await gone
  cancel()
}

function cleanEnvironment(environment: CommandContext['environment']): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isOurName(name) && !ownNames.has(name)))
}

function usageOf(pid: number | undefined): ReturnType<OwnCluster['usage']> {
  try {
    const peak = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    // User and system time, fields 14 and 15 (proc(5)); the name before may have blanks.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    const ticks = Number(fields[11]) + Number(fields[12])
    return { peakBytes: Number(peak) * 1024, processorSeconds: ticks / ticksPerSecond }
  } catch {
    return undefined
  }
}
