// Why: `skein fs setTtl | unsetTtl | pin | unpin | setReplication`: how long and how often data is
// kept. The shapes are those of Alluxio 2.9's commands of the same names.
import type { Command } from 'commander'
import { type CommandContext, openFiles, writeResult } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { positiveDurationMs, wholeNumber } from '../frame/numbers.ts'
import { printable } from '../frame/printable.ts'
import { suggested } from '../frame/suggested.ts'

interface ReplicationFlags {
  readonly R?: true
  readonly min?: string
  readonly max?: string
}

const replicasMax = 1000
const noLimit = -1

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  const setTtlCommand = parent
    .command('setTtl')
    .description('set a TTL; when it expires, the file or directory is freed or deleted')
    .argument('<path>', pathText)
    .argument('<duration>', 'TTL such as 10m or 2d; without a unit, milliseconds')
    .option(
      '--action <action>',
      'free: drop the cached copy; delete: also delete the file at the store; ' +
        'default: goosefs.user.file.create.ttl.action',
    )
    .action(async (path: string, duration: string, flags: { action?: string }) =>
      setTtl(context, path, duration, flags.action),
    )
  suggested(setTtlCommand, '--action', ['free', 'delete'])
  parent
    .command('unsetTtl')
    .description('remove the TTL of a file or directory')
    .argument('<path>', pathText)
    .action(async (path: string) => unsetTtl(context, path))
  parent
    .command('pin')
    .description('pin a file, or all files below a directory: pinned files are never evicted')
    .argument('<path>', pathText)
    .action(async (path: string) => setPinned(context, path, true))
  parent
    .command('unpin')
    .description('unpin a file or directory')
    .argument('<path>', pathText)
    .action(async (path: string) => setPinned(context, path, false))
  parent
    .command('setReplication')
    .description('set the minimum and maximum number of replicas')
    .argument('<path>', pathText)
    .option('-R', 'apply to all files below a directory')
    .option('--max <n>', 'maximum replicas; -1: no limit, 0: do not cache')
    .option('--min <n>', 'minimum replicas; missing replicas are copied from a live one')
    .action(async (path: string, flags: ReplicationFlags) => setReplication(context, path, flags))
}

async function setTtl(
  context: CommandContext,
  text: string,
  duration: string,
  actionText: string | undefined,
): Promise<void> {
  const action = actionText?.toUpperCase() ?? (await context.config('client')).user.createTtlAction
  if (action !== 'FREE' && action !== 'DELETE') throw usageError(`--action must be free or delete, not '${actionText}'`)
  const ttlMs = positiveDurationMs('the TTL', duration)
  const { path, files } = await openFiles(context, text)
  const changed = await files.setAttributes(path, { ttl: { ms: ttlMs, action }, signal: context.signal })
  writeResult(
    context,
    { path, ttlMs, action, files: changed.files },
    `TTL of path '${printable(path)}' was successfully set to ${ttlMs} milliseconds, ` +
      `with expiry action set to ${action}`,
  )
}

async function unsetTtl(context: CommandContext, text: string): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const changed = await files.setAttributes(path, { ttl: 'none', signal: context.signal })
  writeResult(
    context,
    { path, ttlMs: -1, files: changed.files },
    `TTL of path '${printable(path)}' was successfully removed.`,
  )
}

async function setPinned(context: CommandContext, text: string, pinned: boolean): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const changed = await files.setAttributes(path, { pinned, signal: context.signal })
  writeResult(
    context,
    { path, pinned, files: changed.files },
    `File '${printable(path)}' was successfully ${pinned ? 'pinned' : 'unpinned'}.`,
  )
}

async function setReplication(context: CommandContext, text: string, flags: ReplicationFlags): Promise<void> {
  const limits = replicationLimits(flags)
  const { path, files } = await openFiles(context, text)
  const { min, max } = limits
  const changed = await files.setAttributes(path, {
    recursive: flags.R === true,
    ...(min !== undefined && { replicationMin: min }),
    ...(max !== undefined && { replicationMax: max === noLimit ? 'none' : max }),
    signal: context.signal,
  })
  const lines = [
    `Changed the replication level of ${printable(path)}`,
    ...(limits.max === undefined ? [] : [`replicationMax was set to ${limits.max}`]),
    ...(limits.min === undefined ? [] : [`replicationMin was set to ${limits.min}`]),
  ]
  const document = {
    path,
    replicationMax: limits.max ?? null,
    replicationMin: limits.min ?? null,
    files: changed.files,
  }
  writeResult(context, document, lines.join('\n'))
}

/** What was given of the two. @throws SkeinError invalid_argument (usage) */
function replicationLimits({ min: minText, max: maxText }: ReplicationFlags): { min?: number; max?: number } {
  if (minText === undefined && maxText === undefined) throw usageError('give --min, --max or both')
  const max = maxText === undefined ? undefined : replicationMaxOf(maxText)
  const min = minText === undefined ? undefined : wholeNumber('--min', minText, 0, replicasMax)
  if (min !== undefined && max !== undefined && max !== noLimit && min > max)
    throw usageError(`--min ${min} is above --max ${max}`)
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) }
}

function replicationMaxOf(text: string): number {
  return text === '-1' ? noLimit : wholeNumber('--max (or -1 for no limit)', text, 0, replicasMax)
}
