// Why: `skein fs mkdir | rm | mv`: the tree that users see. The shapes are those of Alluxio 2.9's MkdirCommand, RmCommand, MvCommand.
import type { Command } from 'commander'
import { type CommandContext, openTarget, openTargets, writeResult } from './context.ts'
import { longCallMs } from './long-call.ts'
import { printable } from './printable.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  parent
    .command('mkdir')
    .description('make a directory and those above it')
    .argument('<path>', '/namespace/dir or gfs://host:port/namespace/dir')
    .action(async (path: string) => makeDirectory(context, path))
  parent
    .command('rm')
    .description('remove a file, or a directory; what is at the store too')
    .argument('<path>', pathText)
    .option('-R', 'a directory with all that is below it')
    .option('--cacheOnly', 'leave the store as it is')
    .action(async (path: string, flags: { R?: true; cacheOnly?: true }) =>
      remove(context, path, flags.R === true, flags.cacheOnly === true),
    )
  parent
    .command('mv')
    .description('rename a file or directory within its namespace')
    .argument('<from>', pathText)
    .argument('<to>', pathText)
    .action(async (from: string, to: string) => rename(context, from, to))
}

async function makeDirectory(context: CommandContext, text: string): Promise<void> {
  const { path, cluster } = await openTarget(context, text)
  await cluster.lifecycle().makeDirectory({ path }, { signal: context.signal })
  writeResult(context, { path }, `Successfully created directory ${printable(path)}`)
}

async function remove(context: CommandContext, text: string, recursive: boolean, cacheOnly: boolean): Promise<void> {
  const { path, cluster } = await openTarget(context, text)
  const call = { signal: context.signal, deadlineMs: longCallMs }
  const { files, directories } = await cluster.lifecycle().delete({ path, recursive, cacheOnly }, call)
  writeResult(context, { path, files, folders: directories }, `${printable(path)} has been removed`)
}

async function rename(context: CommandContext, fromText: string, toText: string): Promise<void> {
  const { cluster, from, to } = await openTargets(context, fromText, toText)
  await cluster.lifecycle().rename({ from, to }, { signal: context.signal, deadlineMs: longCallMs })
  writeResult(context, { from, to }, `Renamed ${printable(from)} to ${printable(to)}`)
}
