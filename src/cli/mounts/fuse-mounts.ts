// Why: `skein fuse mount | umount | stat`. How: a mount is a role that runs in the foreground; in
// the background it is the same command in a process of its own (background-mount.ts). What is
// mounted is read from the kernel's table.
import { existsSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { SkeinError } from '../../base/errors.ts'
import { pathOfText } from '../../base/paths.ts'
import { abortConnection, unmount } from '../../fuse/device/mount-command.ts'
import { mountedAt, readMountTable, type SkeinMount, skeinMountOf } from '../../fuse/device/mount-table.ts'
import { mountOptionKeys } from '../../fuse/mount-options.ts'
import { type CommandContext, writeResult } from '../frame/context.ts'
import { asUsage } from '../frame/exit-codes.ts'
import { mountInBackground } from './background-mount.ts'

interface MountFlags {
  readonly option: readonly string[]
  readonly background?: boolean
  readonly foreground?: boolean
}

const endedLookMs = 20
const endedMs = 30_000

export function addCommands(parent: Command, context: CommandContext): void {
  const collect = (text: string, texts: readonly string[]): string[] => [...texts, text]
  parent
    .command('mount')
    .description('mount a directory of the cluster; runs until it is unmounted or stopped')
    .argument('<mountpoint>', 'an empty directory of this machine')
    .argument('[path]', 'directory of the cluster', '/')
    .option(
      '-o, --option <options>',
      'mount options with commas between them, such as ro,allow_other; repeatable',
      collect,
      [],
    )
    .option('--background', 'return when it is mounted')
    .option('-n, --foreground', 'do not return (default)')
    .action(async (mountPoint: string, path: string, flags: MountFlags) => mount(context, mountPoint, path, flags))
  parent
    .command('umount')
    .alias('unmount')
    .description('unmount a directory and wait until its process has ended')
    .argument('<mountpoint>')
    .option('-f, --force', 'also if programs use it: their calls fail')
    .action(async (mountPoint: string, flags: { readonly force?: boolean }) => umount(context, mountPoint, flags))
  parent
    .command('stat')
    .description('list the mounts of this machine: process, mount point, path')
    .action(() => {
      const mounts = readMountTable().flatMap((row) => skeinMountOf(row) ?? [])
      writeResult(context, { mounts }, mountsText(mounts))
    })
}

async function mount(context: CommandContext, place: string, pathText: string, flags: MountFlags): Promise<void> {
  const keys = asUsage('', () => mountOptionKeys(flags.option))
  const path = asUsage('', () => pathOfText(pathText))
  const config = await context.config('client', keys)
  const mountPoint = realPlace(place)
  if (flags.background === true && flags.foreground !== true) {
    await mountInBackground(context, config.home, mountPoint)
    return
  }
  const { runMount } = await import('../roles.ts')
  await runMount(context, config, { mountPoint, path: path === '/' ? path : path.replace(/\/$/, '') })
}

async function umount(
  context: CommandContext,
  place: string,
  { force = false }: { readonly force?: boolean },
): Promise<void> {
  const mountPoint = realPlace(place)
  const row = mountedAt(mountPoint, readMountTable())
  const known = row === undefined ? undefined : skeinMountOf(row)
  if (row === undefined || known === undefined)
    throw new SkeinError('not_found', `${mountPoint} is not a mount of Skein: see skein fuse stat`)
  try {
    await unmount(mountPoint)
  } catch (thrown) {
    if (!force) throw thrown
    await unmount(mountPoint, { isLazy: true })
    abortConnection(row.device)
  }
  const untilMs = context.clock.monotonicMs() + endedMs
  while (existsSync(`/proc/${known.pid}`) && context.clock.monotonicMs() < untilMs)
    await context.clock.sleep(endedLookMs, context.signal)
  writeResult(context, { unmounted: mountPoint }, `${mountPoint} is unmounted`)
}

/** Without links, as the kernel's table has it. A mount there is not asked: it may not answer. */
function realPlace(place: string): string {
  const path = resolve(place)
  try {
    const real = path === '/' ? path : join(realpathSync(dirname(path)), basename(path))
    return isLink(real) ? realpathSync(real) : real
  } catch {
    return path
  }
}

function isLink(path: string): boolean {
  try {
    readlinkSync(path)
    return true
  } catch {
    return false
  }
}

function mountsText(mounts: readonly SkeinMount[]): string {
  const rows = [['pid', 'mount point', 'path'], ...mounts.map((row) => [String(row.pid), row.mountPoint, row.path])]
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
