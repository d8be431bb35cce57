// Why: `skein fs free | getUsedBytes | getCapacityBytes`: the room of the cache.
import type { Command } from 'commander'
import type { CacheUsage } from '../../client/status/amounts.ts'
import { type CommandContext, openConfiguredFiles, openFiles, writeResult } from '../frame/context.ts'
import { printable } from '../frame/printable.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('free')
    .description('drop the cached copy of a file, or of all files below a directory')
    .argument('<path>', '/namespace/dir/file or gfs://host:port/namespace/dir/file')
    .option('-f', 'also free pinned files')
    .action(async (path: string, flags: { f?: true }) => free(context, path, flags.f === true))
  parent
    .command('getUsedBytes')
    .description('show the used bytes of the cache')
    .action(async () => {
      const { usedBytes } = await usage(context)
      writeResult(context, { usedBytes }, `Used Bytes: ${usedBytes}`)
    })
  parent
    .command('getCapacityBytes')
    .description('show the capacity of the cache in bytes')
    .action(async () => {
      const { capacityBytes } = await usage(context)
      writeResult(context, { capacityBytes }, `Capacity Bytes: ${capacityBytes}`)
    })
}

async function free(context: CommandContext, text: string, force: boolean): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const freed = await files.free(path, { force, signal: context.signal })
  writeResult(
    context,
    { path, freedBytes: freed.bytes, paths: freed.paths },
    `${printable(path)} was successfully freed from GooseFS space.`,
  )
}

async function usage(context: CommandContext): Promise<CacheUsage> {
  return await (await openConfiguredFiles(context)).usage({ signal: context.signal })
}
