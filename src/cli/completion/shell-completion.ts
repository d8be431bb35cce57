// Why: `skein completion bash | zsh | fish`: what the shell offers is made from the tree of
// commands, so that it cannot drift.
import type { Command } from 'commander'
import type { CommandContext } from '../frame/context.ts'
import { bashScript } from './completion-bash.ts'
import { completionNodes, everywhere } from './completion-nodes.ts'
import { fishScript } from './completion-fish.ts'
import { zshScript } from './completion-zsh.ts'
import { usageError } from '../frame/exit-codes.ts'
import { printable } from '../frame/printable.ts'
import { suggested } from '../frame/suggested.ts'

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const
const shells = Object.keys(scripts)

/**
 * Adds `completion`.
 * @param tree makes the program with every command
 */
export function addCompletion(program: Command, context: CommandContext, tree: () => Promise<Command>): void {
  const command = program
    .command('completion')
    .description('print a script that completes commands, options and file names in a shell')
    .argument('<shell>', 'bash, zsh or fish: source <(skein completion bash)')
    .action(async (shell: string) => {
      if (!isShell(shell))
        throw usageError(
          `there is no completion for '${printable(shell.slice(0, 100))}': the shell is ${shells.join(', ')}`,
        )

      context.io.stdout(scripts[shell](completionNodes(await tree()), everywhere(), ['skein', 'goosefs']))
    })
  suggested(command, 'shell', shells)
}

function isShell(text: string): text is keyof typeof scripts {
  return Object.hasOwn(scripts, text)
}
