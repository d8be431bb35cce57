// Why: the tree of commands is made in one place: for a command line, and as a whole for what is
// made from it (shell completion, docs/cli.md, the check of the commands in the documentation).
import { Command } from 'commander'
import { versionText } from '../base/version.ts'
import { addCompletion } from './completion/shell-completion.ts'
import { commandName } from './frame/command-name.ts'
import type { CommandContext } from './frame/context.ts'
import { globalHelp } from './frame/global-options.ts'
import { addGroups } from './groups.ts'

/** The program that understands `words`; `all`: with every command. */
export async function buildProgram(words: readonly string[] | 'all', context: CommandContext): Promise<Command> {
  const program = new Command(commandName(context.environment))
    .description('Fills a cache near the compute from an object store, as jobs.')
    .version(versionText(), '--version', 'show the version')
    .exitOverride()
    .configureOutput({ writeOut: context.io.stdout, writeErr: context.io.stderr, outputError: () => undefined })
    .addHelpText('after', globalHelp)
  await addGroups(program, words, context)
  addCompletion(program, context, () => buildProgram('all', context))
  return program
}

/** The whole tree, to be read: its commands have nothing to run with. */
export function commandTree(): Promise<Command> {
  const io = { stdout: () => undefined, stderr: () => undefined } as unknown as CommandContext['io']
  return buildProgram('all', { io, environment: {} } as unknown as CommandContext)
}
