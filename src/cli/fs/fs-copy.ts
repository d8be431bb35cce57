// Why: `skein fs copyFromLocal | copyToLocal`. How: the copying itself is loaded when one of them
// runs.
import type { Command } from 'commander'
import type { CommandContext } from '../frame/context.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  parent
    .command('copyFromLocal')
    .description('copy a local file, or the contents of a local directory, into the cache')
    .argument('<local>', 'local file or directory')
    .argument('<path>', pathText)
    .action(async (local: string, path: string) => {
      const { copyFromLocal } = await import('./copy-from-local.ts')
      await copyFromLocal(context, local, path)
    })
  parent
    .command('copyToLocal')
    .description('copy a file, or the contents of a directory, to this host')
    .argument('<path>', pathText)
    .argument('<local>', 'local file or directory')
    .option('-f', 'overwrite existing files')
    .action(async (path: string, local: string, flags: { f?: true }) => {
      const { copyToLocal } = await import('./copy-to-local.ts')
      await copyToLocal(context, path, local, flags.f === true)
    })
}
