// Why: which words of a command line are secrets: they must not come back in an error (base/redact.ts). Pure.
import { definitionOf } from '../config/schema.ts'

/** The secret values among the arguments: of `--secret k=v` and of -D keys that are secrets. */
export function secretsIn(argv: readonly string[]): string[] {
  return argv.flatMap((word, index) => {
    const before = argv[index - 1]
    const secretPair = before === '--secret' ? word : /^--secret=(.*)$/s.exec(word)?.[1]
    if (secretPair !== undefined) return [secretPair.slice(secretPair.indexOf('=') + 1)]
    const definition = before === '-D' ? word : /^-D(.+)$/s.exec(word)?.[1]
    const [key, ...value] = definition?.split('=') ?? []
    return key !== undefined && definitionOf(key.trim())?.kind === 'secret' ? [value.join('=')] : []
  })
}
