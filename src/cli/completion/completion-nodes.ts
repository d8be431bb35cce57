// Why: the completion scripts of all shells need the same of the tree of commands: what can stand
// where. Pure.
import type { Argument, Command, Option } from 'commander'
import { globalOptions } from '../frame/global-options.ts'

/**
 * What completes a value: words, or names of files; `key=file` has one behind its first `=`; `any`
 * has nothing.
 */
export type Takes = 'any' | 'file' | 'directory' | 'key=file' | readonly string[]

export interface CompletedOption {
  /** All spellings: `-A`, `--atomic`. */
  readonly names: readonly string[]
  readonly description: string
  /** Undefined: it takes no value. */
  readonly takes: Takes | undefined
  /** The value may be left out. */
  readonly isValueOptional: boolean
}

export interface CompletionNode {
  /** The words of the command, such as `fs ls`; empty: the program itself. */
  readonly path: string
  readonly commands: readonly { readonly name: string; readonly description: string }[]
  readonly options: readonly CompletedOption[]
  /** By position; the last one of a command with `isVariadic` stands for all that follow. */
  readonly positions: readonly Takes[]
  readonly isVariadic: boolean
}

const takesByName: Readonly<Record<string, Takes>> = {
  file: 'file',
  local: 'file',
  directory: 'directory',
  DIR: 'directory',
  'key=path': 'key=file',
}

/** Commands whose words after `--` are those of another command. */
export const wordsOfOthers: Readonly<Record<string, string>> = {
  'schedule create': 'fs distributedLoad',
  'schedule update': 'fs distributedLoad',
}

/** Options that are the same everywhere, and so stand in each script once. */
export function everywhere(): readonly CompletedOption[] {
  const listed = globalOptions.map(({ flags, meaning }): CompletedOption => {
    const [name = '', value] = flags.startsWith('-D') ? ['-D', 'key=value'] : flags.split(' ')
    const takes =
      value === undefined ? undefined : value.includes('|') ? value.split('|') : (takesByName[value] ?? 'any')
    return { names: [name], description: meaning, takes, isValueOptional: false }
  })
  return [
    ...listed,
    { names: ['--help'], description: 'show the help of a command', takes: undefined, isValueOptional: false },
  ]
}

/** The program and every command below it. */
export function completionNodes(program: Command): CompletionNode[] {
  return [nodeOf(program, ''), ...program.commands.flatMap((command) => nodesBelow(command, ''))]
}

function nodesBelow(command: Command, parent: string): CompletionNode[] {
  const path = `${parent}${command.name()}`
  return [nodeOf(command, path), ...command.commands.flatMap((one) => nodesBelow(one, `${path} `))]
}

function nodeOf(command: Command, path: string): CompletionNode {
  return {
    path,
    commands: command.commands.map((one) => ({ name: one.name(), description: one.description() })),
    options: command.options.map(optionOf),
    positions: command.registeredArguments.map(takesOfArgument),
    isVariadic: command.registeredArguments.at(-1)?.variadic === true,
  }
}

function optionOf({ short, long, flags, description, required, optional, argChoices }: Option): CompletedOption {
  const value = /[<[]([^>\]]+)/.exec(flags)?.[1] ?? ''
  const takes = argChoices ?? takesByName[value] ?? 'any'
  return {
    names: [short, long].filter((name) => name !== undefined),
    description,
    takes: required || optional ? takes : undefined,
    isValueOptional: optional,
  }
}

function takesOfArgument(argument: Argument): Takes {
  return argument.argChoices ?? takesByName[argument.name()] ?? 'any'
}

/** For bash and zsh, which read what a value takes from one word. */
export function takesWord(takes: Takes): string {
  if (typeof takes === 'string') return `@${takes.replace('=', '-')}`
  return takes.join('|')
}

/** In single quotes, for bash and zsh. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
