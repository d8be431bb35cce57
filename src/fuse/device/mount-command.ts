// Why: mounting needs a right that Node has no call for. How: mount(8) and umount(8), which get the
// descriptor of the device, and with it everything that they do. What can be refused is refused
// before, with one clear line.
import { spawn } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { SkeinError } from '../../base/errors.ts'
import { mountedAt, mountType, readMountTable, skeinMountOf, sourceOf } from './mount-table.ts'

const devicePath = '/dev/fuse'
/** The descriptor in the process of mount(8). */
const passedDescriptor = 3

export interface MountRequest {
  readonly mountPoint: string
  /** Of the cluster. */
  readonly path: string
  readonly pid: number
  readonly allowOther: boolean
  readonly defaultPermissions: boolean
  readonly readOnly: boolean
  readonly requestBytesMax: number
}

/** @throws SkeinError failed_precondition */
export function openDevice(): number {
  if (!existsSync(devicePath))
    throw new SkeinError(
      'failed_precondition',
      `${devicePath} is missing: load the kernel module 'fuse' (modprobe fuse)`,
    )
  try {
    return openSync(devicePath, constants.O_RDWR)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    throw new SkeinError('failed_precondition', `${devicePath} cannot be opened (${code}): run this as root`)
  }
}

/**
 * What is wrong with a place to mount at; a mount there whose process has ended is removed.
 * @throws SkeinError not_found, failed_precondition
 */
export async function checkMountPoint(mountPoint: string, nonEmpty: boolean): Promise<void> {
  const row = mountedAt(mountPoint, readMountTable())
  const mount = row === undefined ? undefined : skeinMountOf(row)
  if (mount !== undefined) {
    if (await isAlive(mountPoint))
      throw new SkeinError(
        'failed_precondition',
        `${mountPoint} is mounted already, by process ${mount.pid}: unmount it with skein fuse umount ${mountPoint}`,
      )
    await unmount(mountPoint, { isLazy: true })
  }
  let entries: string[]
  try {
    if (!statSync(mountPoint).isDirectory())
      throw new SkeinError('failed_precondition', `${mountPoint} is not a directory`)
    entries = nonEmpty ? [] : readdirSync(mountPoint)
  } catch (thrown) {
    if (thrown instanceof SkeinError) throw thrown
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new SkeinError('not_found', `${mountPoint} does not exist: make the directory first`)
    throw new SkeinError('failed_precondition', `${mountPoint} cannot be used as a mount point (${code})`)
  }
  if (entries.length > 0)
    throw new SkeinError('failed_precondition', `${mountPoint} is not empty: use another directory, or -o nonempty`)
}

/** @throws SkeinError failed_precondition with what mount(8) says */
export async function mountDevice(descriptor: number, request: MountRequest): Promise<void> {
  const { mountPoint, path, pid, allowOther, defaultPermissions, readOnly, requestBytesMax } = request
  const [userId, groupId] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  const options = [
    `fd=${passedDescriptor}`,
    'rootmode=40000',
    `user_id=${userId}`,
    `group_id=${groupId}`,
    `max_read=${requestBytesMax}`,
    'nosuid',
    'nodev',
    ...(allowOther ? ['allow_other'] : []),
    ...(defaultPermissions ? ['default_permissions'] : []),
    ...(readOnly ? ['ro'] : []),
  ]
  const args = ['-i', '-t', mountType, '-o', options.join(','), sourceOf(pid, path), mountPoint]
  const { code, message } = await run('mount', args, descriptor)
  if (code !== 0)
    throw new SkeinError('failed_precondition', `${mountPoint} cannot be mounted (mounting needs root): ${message}`)
}

/** @throws SkeinError failed_precondition with what umount(8) says; reason `busy` */
export async function unmount(mountPoint: string, { isLazy = false } = {}): Promise<void> {
  const { code, message } = await run('umount', ['-c', '-i', ...(isLazy ? ['-l'] : []), mountPoint])
  if (code === 0) return
  const isBusy = /busy/i.test(message)
  const why = isBusy ? 'programs use it' : message
  throw new SkeinError('failed_precondition', `${mountPoint} cannot be unmounted: ${why}`, {
    reason: isBusy ? 'busy' : 'umount_failed',
  })
}

/** How much the kernel reads ahead; without the right to set it, it stays. */
export function setReadAhead(mountPoint: string, bytes: number): void {
  const device = mountedAt(mountPoint, readMountTable())?.device
  try {
    if (device !== undefined) writeFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, String(Math.ceil(bytes / 1024)))
  } catch {
    // The default of the kernel is slower, and as good.
  }
}

/** Ends the connection of a mount that programs still use: their calls fail. */
export function abortConnection(device: string): void {
  try {
    writeFileSync(`/sys/fs/fuse/connections/${device.slice(device.indexOf(':') + 1)}/abort`, '1')
  } catch {
    // It has ended.
  }
}

export function closeDevice(descriptor: number): void {
  closeSync(descriptor)
}

/** Whether somebody answers for a mount; asked in a process of its own, which may wait for ever. */
async function isAlive(mountPoint: string): Promise<boolean> {
  const { message } = await run('stat', ['-f', mountPoint])
  return !/not connected|ENOTCONN/i.test(message)
}

function run(
  command: string,
  args: readonly string[],
  descriptor?: number,
): Promise<{ code: number; message: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, [...args], {
      stdio: ['ignore', 'ignore', 'pipe', ...(descriptor === undefined ? [] : [descriptor])],
      env: { ...process.env, LC_ALL: 'C' },
    })
    let text = ''
    child.stderr?.setEncoding('utf8').on('data', (part: string) => (text += part))
    child.on('error', (error) => resolve({ code: -1, message: `${command}: ${error.message}` }))
    child.on('close', (code) => resolve({ code: code ?? -1, message: text.trim().split('\n')[0] ?? '' }))
  })
}
