// Why: `skein --help` and every command start fast, because only the group that is wanted is
// loaded. How: groups are listed here with one line of help each; a group's file adds its commands.
import type { Command } from 'commander'
import { commitOf, packageVersion, versionText } from '../base/version.ts'
import { type CommandContext, writeResult } from './frame/context.ts'
import { globalHelp } from './frame/global-options.ts'

/** Adds a group's commands to its parent. */
export type AddCommands = (parent: Command, context: CommandContext) => void

interface Group {
  readonly name: string
  readonly description: string
  readonly load: () => Promise<readonly AddCommands[]>
}

const groups: readonly Group[] = [
  {
    name: 'fs',
    description: 'load, list, read, copy, change and free files',
    load: async () => {
      const files = await Promise.all([
        import('./load/fs-load.ts'),
        import('./fs/fs-read.ts'),
        import('./fs/fs-space.ts'),
        import('./fs/fs-tree.ts'),
        import('./fs/fs-attributes.ts'),
        import('./fs/fs-owners.ts'),
        import('./fs/fs-copy.ts'),
        import('./fs/fs-sync.ts'),
        import('./admin/fs-mount.ts'),
        import('./admin/fs-leader.ts'),
        import('./fs/fs-peek.ts'),
        import('./fs/fs-make.ts'),
        import('./fs/fs-facts.ts'),
      ])
      return files.map((file) => file.addCommands)
    },
  },
  {
    name: 'ns',
    description: 'create, list, change and delete namespaces',
    load: async () => [(await import('./admin/ns.ts')).addCommands],
  },
  {
    name: 'job',
    description: 'list, follow and cancel loads',
    load: async () => [(await import('./jobs/job.ts')).addCommands],
  },
  {
    name: 'schedule',
    description: 'create and manage scheduled loads',
    load: async () => [(await import('./jobs/schedule-command.ts')).addCommands],
  },
  {
    name: 'fuse',
    description: 'mount the tree of the cluster as a directory',
    load: async () => [(await import('./mounts/fuse-mounts.ts')).addCommands],
  },
  {
    name: 'fsadmin',
    description: 'report on the cluster, back up metadata, remove workers',
    load: async () => [(await import('./admin/fsadmin.ts')).addCommands],
  },
  {
    name: 'tune',
    description: 'analyze files, measure stores and loads, recommend settings, check and explain them',
    load: async () => [(await import('./tune/tune.ts')).addCommands],
  },
]

const roles: Readonly<Record<string, string>> = {
  local: 'run all roles in one process, with state under --home DIR',
  master: 'run a cache master',
  worker: 'run a cache worker',
  'job-master': 'run a job master',
  'job-worker': 'run a job worker',
  gateway: 'run the gateway: ports for clients of S3',
}

/**
 * Adds all groups and roles to the program.
 * @param words a command line: only the group that it asks for is loaded with its commands. `all`:
 *   every group is
 */
export async function addGroups(
  program: Command,
  words: readonly string[] | 'all',
  context: CommandContext,
): Promise<void> {
  const wanted = words === 'all' ? [] : words.filter((word) => !word.startsWith('-'))
  const name = wanted[0] === 'help' ? wanted[1] : wanted[0]
  for (const group of groups) {
    const command = program.command(group.name).description(group.description).addHelpText('after', globalHelp)
    if (words !== 'all' && group.name !== name) continue
    for (const add of await group.load()) add(command, context)
  }
  if (name === undefined || name === 'getConf') (await import('./admin/get-conf.ts')).addGetConf(program, context)
  program
    .command('version')
    .description('show the version')
    .action(() => writeResult(context, { version: packageVersion(), commit: commitOf() ?? null }, versionText()))
  for (const [role, description] of Object.entries(roles)) {
    const keys = name === role ? (await import('./role-keys.ts')).roleKeysText(role) : ''
    program
      .command(role)
      .description(description)
      .addHelpText('after', keys)
      .addHelpText('after', globalHelp)
      .action(async () => {
        const { runRole } = await import('./roles.ts')
        await runRole(role, context)
      })
  }
}
