// Why: shells complete the words that an option or argument takes, and docs/cli.md names them. How:
// they are put into commander's tree as choices. Commander does not check them: the command itself
// does, and its messages say more.
import type { Command } from 'commander'

/** @param name of an option (`--action`) or an argument (`what`) of the command */
export function suggested(command: Command, name: string, words: readonly string[]): Command {
  const target =
    command.options.find(({ long, short }) => long === name || short === name) ??
    command.registeredArguments.find((argument) => argument.name() === name)
  if (target === undefined) throw new Error(`${command.name()} has no ${name}`)
  target.argChoices = [...words]
  return command
}
