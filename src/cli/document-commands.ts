// Why: docs/cli.md is made from the tree of commands, so that it cannot drift from what is
// accepted. Pure.
import type { Argument, Command, Option } from 'commander'
import { exitCodeMeanings, exitCodes } from './frame/exit-codes.ts'
import { globalOptions } from './frame/global-options.ts'

/**
 * Every command with its usage, arguments and options, and the exit codes, as markdown; ends in a
 * newline.
 */
export function documentCommands(program: Command): string {
  return [
    optionTable('## Options of every command', 'Allowed anywhere on the command line.', globalOptions),
    `## Exit codes\n\n${exitCodeTable()}`,
    ...program.commands.flatMap((command) => documentCommand(command, program.name(), 2)),
  ].join('\n')
}

function exitCodeTable(): string {
  const rows = Object.entries(exitCodes).map(
    ([name, code]) => `| ${code} | ${cell(exitCodeMeanings[name as keyof typeof exitCodes])} |\n`,
  )
  return `| code | meaning |\n|---|---|\n${rows.join('')}`
}

function documentCommand(command: Command, parent: string, level: number): string[] {
  const name = `${parent} ${command.name()}`
  const heading = `${'#'.repeat(level)} ${name}\n\n${sentence(command.description())}\n`
  if (command.commands.length > 0)
    return [heading, ...command.commands.flatMap((one) => documentCommand(one, name, level + 1))]
  const parts = [heading, `\`\`\`\n${name}${usage(command)}\n\`\`\`\n`]
  const described = command.registeredArguments.filter(({ description }) => description !== '')
  if (described.length > 0) parts.push(argumentTable(described))
  if (command.options.length > 0) parts.push(optionTable('', '', command.options.map(rowOfOption)))
  return [parts.join('\n')]
}

function usage(command: Command): string {
  const options = command.options.length === 0 ? '' : ' [options]'
  return options + command.registeredArguments.map((argument) => ` ${placeholder(argument)}`).join('')
}

function placeholder(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}

function argumentTable(list: readonly Argument[]): string {
  const rows = list.map((argument) => {
    const meaning = withDefault(argument.description, argument.defaultValue)
    return `| \`${placeholder(argument)}\` | ${cell(withChoices(meaning, argument.argChoices))} |\n`
  })
  return `| argument | meaning |\n|---|---|\n${rows.join('')}`
}

interface OptionRow {
  readonly flags: string
  readonly meaning: string
}

function rowOfOption({ flags, description, defaultValue, argChoices }: Option): OptionRow {
  return { flags, meaning: withChoices(withDefault(description, defaultValue), argChoices) }
}

function optionTable(heading: string, text: string, rows: readonly OptionRow[]): string {
  const lines = rows.map(({ flags, meaning }) => `| ${cell(`\`${flags}\``)} | ${cell(meaning)} |\n`)
  const before = heading === '' ? '' : `${heading}\n\n${text}\n\n`
  return `${before}| option | meaning |\n|---|---|\n${lines.join('')}`
}

/**
 * The default where the option itself has one; others are worked out by what reads the option,
 * whose text says how.
 */
function withDefault(text: string, value: unknown): string {
  return typeof value === 'string' && value !== '' ? `${text} (default: ${value})` : text
}

function withChoices(text: string, choices: readonly string[] | undefined): string {
  const isSaid = choices === undefined || choices.every((choice) => text.includes(choice))
  return isSaid ? text : `${text} (${choices.join(', ')})`
}

function sentence(text: string): string {
  const escaped = cell(text)
  return `${escaped.charAt(0).toUpperCase()}${escaped.slice(1)}.`
}

/**
 * For a table: no bar ends it early, and nothing in it is taken for HTML, emphasis or a link. Code
 * spans stay as they are.
 */
function cell(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll('<', '&lt;').replaceAll(/[*_[\]]/g, String.raw`\$&`)))
    .join('')
    .replaceAll('|', String.raw`\|`)
}
