// Why: -Dkey=value, --format, --debug and --home are taken anywhere on the command line, also after
// the subcommand, which commander cannot do for every command at once. How: they are picked out
// first; the rest goes to commander. Pure.
import type { GlobalOptions } from './context.ts'
import { usageError } from './exit-codes.ts'

export interface SplitArguments {
  readonly options: GlobalOptions
  readonly rest: readonly string[]
}

/** Options that every command takes. */
export const globalOptions = [
  { flags: '-Dkey=value', meaning: 'set a configuration key' },
  { flags: '--home DIR', meaning: 'same as -Dskein.home=DIR' },
  { flags: '--format text|json', meaning: 'output format; json prints one document on stdout' },
  { flags: '--debug', meaning: 'print the stack of an error' },
] as const

export const globalHelp = `
Everywhere:
${globalOptions.map(({ flags, meaning }) => `  ${flags.padEnd(20)} ${meaning}`).join('\n')}
`

/** @throws SkeinError invalid_argument (usage) */
export function splitArguments(argv: readonly string[]): SplitArguments {
  const definitions: Record<string, string> = {}
  const rest: string[] = []
  let format: GlobalOptions['format'] = 'text'
  let debug = false
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? ''
    const valueOf = (option: string): string => {
      if (word.length > option.length) return word.slice(option.length + (option === '-D' ? 0 : 1))
      index += 1
      const next = argv[index]
      if (next === undefined) throw usageError(`${option} needs a value`)
      return next
    }
    if (word === '--') {
      // What follows in a schedule are the words of another command, which has the same options.
      if (rest[0] !== 'schedule' || rest.includes('--')) {
        rest.push(...argv.slice(index))
        break
      }
      rest.push(word)
      continue
    }
    if (word.startsWith('-D')) define(definitions, valueOf('-D'))
    else if (word === '--home' || word.startsWith('--home=')) definitions['skein.home'] = valueOf('--home')
    else if (word === '--format' || word.startsWith('--format=')) format = formatOf(valueOf('--format'))
    else if (word === '--debug') debug = true
    else rest.push(word)
  }
  return { options: { definitions, format, debug }, rest }
}

function define(definitions: Record<string, string>, text: string): void {
  const equals = text.indexOf('=')
  if (equals <= 0) throw usageError('-D needs key=value')
  definitions[text.slice(0, equals).trim()] = text.slice(equals + 1).trim()
}

function formatOf(text: string): GlobalOptions['format'] {
  if (text !== 'text' && text !== 'json') throw usageError(`--format must be text or json, not '${text}'`)
  return text
}

/**
 * Whether an error is to be told in JSON as well; also of a command line that cannot be understood.
 */
export function wantsJson(argv: readonly string[]): boolean {
  const last = argv.findLastIndex((word) => word === '--format' || word.startsWith('--format='))
  return last >= 0 && (argv[last] === '--format=json' || (argv[last] === '--format' && argv[last + 1] === 'json'))
}
