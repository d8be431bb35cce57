// Why: `skein fs chmod | chown | chgrp`: who a file belongs to, and its permission bits. They are
// shown and kept; nobody is refused for them. The shapes are those of Alluxio 2.9's commands of the
// same names.
import type { Command } from 'commander'
import { ownerName } from '../../base/attributes/ownership.ts'
import { parseMode } from '../format/file-mode.ts'
import { type CommandContext, openFiles, writeResult } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { printable } from '../frame/printable.ts'

interface Flags {
  readonly R?: true
}

interface Change {
  readonly owner?: string
  readonly group?: string
  readonly mode?: number
  readonly modeMask?: number
}

export function addCommands(parent: Command, context: CommandContext): void {
  const pathText = '/namespace/dir/file or gfs://host:port/namespace/dir/file'
  const everything = 'apply to everything below a directory, too'
  parent
    .command('chmod')
    .description('set the permission bits of a file or directory')
    .argument('<mode>', 'octal such as 644, or symbolic such as u+x,g-w')
    .argument('<path>', pathText)
    .option('-R', everything)
    .action(async (mode: string, path: string, flags: Flags) =>
      change(context, path, flags, parseMode(mode), (shown) => `Changed permission of ${shown} to ${printable(mode)}`),
    )
  parent
    .command('chown')
    .description('set the owner, and the group, of a file or directory')
    .argument('<owner[:group]>', 'names of 1 to 255 characters, without a colon')
    .argument('<path>', pathText)
    .option('-R', everything)
    .action(async (names: string, path: string, flags: Flags) => {
      const [owner = '', group, ...more] = names.split(':')
      if (more.length > 0) throw usageError(`the owner must be OWNER or OWNER:GROUP, not '${printable(names)}'`)
      const given = { owner: nameOf('owner', owner), ...(group === undefined ? {} : { group: nameOf('group', group) }) }
      await change(context, path, flags, given, (shown) =>
        group === undefined
          ? `Changed owner of ${shown} to ${printable(owner)}`
          : `Changed owner:group of ${shown} to ${printable(names)}.`,
      )
    })
  parent
    .command('chgrp')
    .description('set the group of a file or directory')
    .argument('<group>', 'a name of 1 to 255 characters, without a colon')
    .argument('<path>', pathText)
    .option('-R', everything)
    .action(async (group: string, path: string, flags: Flags) =>
      change(
        context,
        path,
        flags,
        { group: nameOf('group', group) },
        (shown) => `Changed group of ${shown} to ${printable(group)}`,
      ),
    )
}

async function change(
  context: CommandContext,
  text: string,
  flags: Flags,
  wanted: Change,
  said: (path: string) => string,
): Promise<void> {
  const { path, files } = await openFiles(context, text)
  const recursive = flags.R === true
  const changed = await files.setAttributes(path, { ...wanted, recursive, signal: context.signal })
  writeResult(context, { path, recursive, ...wanted, files: changed.files }, said(printable(path)))
}

/** @throws SkeinError invalid_argument (usage) */
function nameOf(what: string, name: string): string {
  const problem = ownerName(name)
  if (problem !== undefined) throw usageError(`the ${what} '${printable(name.slice(0, 40))}'${problem}`)
  return name
}
