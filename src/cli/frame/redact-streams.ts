// Why: which words of a command line and of stdin are secrets: they must not come back in an error
// (base/redact.ts). Pure.
import { storeSecrets } from '../../ufs/store-keys.ts'
import { definitionOf } from '../../config/keys/schema.ts'

/** The secret values among the arguments: of `--secret k=v` and of -D keys that are secrets. */
export function secretsIn(argv: readonly string[]): string[] {
  return argv.flatMap((word, index) => {
    const before = argv[index - 1]
    const secretPair = before === '--secret' ? word : /^--secret=(.*)$/s.exec(word)?.[1]
    if (secretPair !== undefined) return secretsOfPair(secretPair)
    const option = before === '--option' ? word : /^--option=(.*)$/s.exec(word)?.[1]
    if (option !== undefined && Object.hasOwn(storeSecrets, option.split('=', 1)[0] ?? '')) return secretsOfPair(option)
    const definition = before === '-D' ? word : /^-D(.+)$/s.exec(word)?.[1]
    const [key, ...value] = definition?.split('=') ?? []
    return key !== undefined && definitionOf(key.trim())?.kind === 'secret' ? [value.join('=')] : []
  })
}

/**
 * The secrets of a `key=value`, whatever it is: a base64 secret that was given without its key
 * looks like a key, too.
 */
export function secretsOfPair(pair: string): string[] {
  const equals = pair.indexOf('=')
  const [key, value] = [pair.slice(0, Math.max(0, equals)), pair.slice(equals + 1)]
  // Every key that is known has a dot, and base64 has none.
  return /^=*$/.test(value) && !key.includes('.') ? [key, value] : [value]
}
