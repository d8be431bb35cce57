// Why: `skein fs mount`: the namespaces in the shape that users of Alluxio know (its MountCommand without arguments).
import type { Command } from 'commander'
import { type CommandContext, openCluster, writeResult } from './context.ts'
import { mountTableText } from './format-namespace.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('mount')
    .description('list what is mounted where; `skein ns create` adds to it')
    .action(async () => {
      const cluster = await openCluster(context)
      const { namespaces } = await cluster.master().listNamespaces({}, { signal: context.signal })
      if (namespaces.length === 0 && context.options.format === 'text') return
      writeResult(context, { mounts: namespaces.map((one) => ({ ...one, path: `/${one.name}` })) }, mountTableText(namespaces))
    })
}
