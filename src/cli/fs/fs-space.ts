// Why: `skein fs free | getUsedBytes | getCapacityBytes`: the room of the cache.
import type { Command } from 'commander'
import { type CommandContext, openCluster, openTarget, writeResult } from '../frame/context.ts'
import { printable } from '../frame/printable.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('free')
    .description('drop the cached copy of a file or of everything below a directory')
    .argument('<path>', '/namespace/dir/file or gfs://host:port/namespace/dir/file')
    .option('-f', 'pinned files too')
    .action(async (path: string, flags: { f?: true }) => free(context, path, flags.f === true))
  parent
    .command('getUsedBytes')
    .description('bytes in the cache')
    .action(async () => {
      const { usedBytes } = await summary(context)
      writeResult(context, { usedBytes }, `Used Bytes: ${usedBytes}`)
    })
  parent
    .command('getCapacityBytes')
    .description('bytes that the cache can hold')
    .action(async () => {
      const { capacityBytes } = await summary(context)
      writeResult(context, { capacityBytes }, `Capacity Bytes: ${capacityBytes}`)
    })
}

async function free(context: CommandContext, text: string, force: boolean): Promise<void> {
  const { path, cluster } = await openTarget(context, text)
  const freed = await cluster.master().free({ path, force }, { signal: context.signal })
  writeResult(
    context,
    { path, freedBytes: freed.freedBytes, paths: freed.paths },
    `${printable(path)} was successfully freed from GooseFS space.`,
  )
}

async function summary(context: CommandContext): Promise<{ usedBytes: number; capacityBytes: number }> {
  const cluster = await openCluster(context)
  return cluster.master().getClusterSummary({}, { signal: context.signal })
}
