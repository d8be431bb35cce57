// Why: attributes and secrets are given as `key=value`, and what cannot be read as such must not be
// shown. Pure.
import { secretBytesMax } from '../../base/secret.ts'
import { usageError } from './exit-codes.ts'

/** @throws SkeinError invalid_argument (usage) that never shows the text, which may be a secret */
export function pairsOf(option: string, pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair, index) => {
      const equals = pair.indexOf('=')
      if (equals <= 0) throw usageError(`${option} number ${index + 1} is not key=value`)
      const bytes = Buffer.byteLength(pair) - equals - 1
      if (option === '--secret' && bytes > secretBytesMax)
        throw usageError(`${option} number ${index + 1} has ${bytes} bytes: ${secretBytesMax} at most`)
      return [pair.slice(0, equals), pair.slice(equals + 1)]
    }),
  )
}
